/** Entry of a codec worker when the sources run directly; in the bundle its entry points take this part. */
import { runWorkerIfRequested } from './codec-worker.ts';

runWorkerIfRequested();
