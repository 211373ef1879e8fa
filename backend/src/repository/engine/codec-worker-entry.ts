/** Entry of a codec worker thread. */
import { runCodecWorker } from './codec-worker.ts';

runCodecWorker();
