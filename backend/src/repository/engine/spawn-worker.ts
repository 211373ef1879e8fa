/** The one place that knows whether this is the bundle (one CommonJS file) or the sources run by Node directly. */
import { Worker } from 'node:worker_threads';

/** The worker's own small bundle, put here by the bundler; undefined in the sources. */
declare const __HVBACKUP_WORKER__: string | undefined;

/** Starts a codec worker thread. */
export function spawnCodecWorker(): Worker {
  const options = { execArgv: [], name: 'hvbackup-codec' };
  if (typeof __HVBACKUP_WORKER__ === 'string') return new Worker(__HVBACKUP_WORKER__, { ...options, eval: true });
  return new Worker(new URL('./codec-worker-entry.ts', import.meta.url), options);
}
