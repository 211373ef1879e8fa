/** The one place that knows whether this is the bundle (one CommonJS file) or the sources run by Node directly. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

const MAX_WORKERS = 8;
/** Threads that a pool has: one a core, at most 8. */
export const defaultWorkers = (): number => Math.min(availableParallelism(), MAX_WORKERS);

/** The worker's own small bundle, put here by the bundler; undefined in the sources. */
declare const __HVBACKUP_WORKER__: string | undefined;

/** Threads that were started and not requested yet. */
const waiting: Worker[] = [];

/**
 * Starts codec worker threads that will be asked for soon: that takes a core, which has nothing else to do meanwhile.
 */
export function prepareCodecWorkers(count: number): void {
  while (waiting.length < count) {
    const worker = start();
    const forget = () => {
      const at = waiting.indexOf(worker);
      if (at >= 0) waiting.splice(at, 1);
    };
    // One that does not live is reported when the next is started.
    worker.once('exit', forget).once('error', forget).unref();
    waiting.push(worker);
  }
}

/** A codec worker thread of the caller's own. */
export const spawnCodecWorker = (): Worker => waiting.shift() ?? start();

function start(): Worker {
  const options = { execArgv: [], name: 'hvbackup-codec' };
  if (typeof __HVBACKUP_WORKER__ === 'string') return new Worker(__HVBACKUP_WORKER__, { ...options, eval: true });
  return new Worker(new URL('./codec-worker-entry.ts', import.meta.url), options);
}
