/** The one entry of the bundle: a codec worker thread when it is started as one, otherwise the `hvbackup` command. */
import { main } from './cli.ts';
import * as operations from './operations/index.ts';
import { runWorkerIfRequested } from './repository/engine/codec-worker.ts';

if (!runWorkerIfRequested()) void main(operations);
