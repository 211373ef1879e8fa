/** The one place that knows whether this is the bundle (one CommonJS file) or the sources run by Node directly. */
import { Worker } from 'node:worker_threads';

/** Set to true by the bundler; undefined in the sources. */
declare const __HVBACKUP_BUNDLE__: boolean | undefined;

/** Starts a codec worker thread. */
export function spawnCodecWorker(): Worker {
  const options = { workerData: { hvbackupWorker: 'codec' }, execArgv: [], name: 'hvbackup-codec' };
  if (typeof __HVBACKUP_BUNDLE__ !== 'undefined' && __HVBACKUP_BUNDLE__) return new Worker(__filename, options);
  return new Worker(new URL('./codec-worker-entry.ts', import.meta.url), options);
}
