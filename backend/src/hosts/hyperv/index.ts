/** The Hyper-V host adapter. */
import { hostname } from 'node:os';
import { Helper, type HelperOptions } from './helper.ts';
import { helperPath } from './helper-path.ts';
import { giveHelper, takeHelper } from './helper-pool.ts';
import { HyperVHost } from './host.ts';
import { powerShellPath } from './shell.ts';
import { fileTrace } from './trace.ts';
import { type ReadingOptions, requireAbsolute } from './ways.ts';

export { endIdleHelpers } from './helper-pool.ts';
export { HyperVHost } from './host.ts';
export type { ReadingOptions } from './ways.ts';

export interface HyperVOptions {
  /** Absolute path of PowerShell; see powerShellPath(). */
  executable?: string;
  /** Absolute path of HyperVHelper.ps1. */
  helper?: string;
  silenceMs?: number;
  /** How disks are read; by what there is when absent. */
  reading?: ReadingOptions;
}

/**
 * Opens the host; connecting goes on in the background, and its errors come with the first request.
 * @param server name of another machine; undefined for this one
 * @throws NOT_SUPPORTED where there is no PowerShell that could reach a Hyper-V host, USAGE, HELPER_FAILED
 */
export function openHyperVHost(server: string | undefined, options: HyperVOptions = {}): HyperVHost {
  const { readMethod, exportFolder } = options.reading ?? {};
  requireAbsolute(exportFolder);
  // By its own name, this machine is this machine: asking it through WinRM would only be slower.
  const other = server !== undefined && server.toLowerCase() !== hostname().toLowerCase() ? server : undefined;
  const traceFile = process.env.HVBACKUP_TRACE;
  const helperOptions: HelperOptions = {
    executable: options.executable ?? powerShellPath(),
    helper: options.helper ?? helperPath(),
    server: other,
    silenceMs: options.silenceMs,
  };
  // All that is given to a helper tells it from another one.
  const key = JSON.stringify({ ...helperOptions, traceFile });
  const trace = traceFile ? fileTrace(traceFile) : undefined;
  const helper = takeHelper(key, () => new Helper({ ...helperOptions, trace }));
  const release = () => giveHelper(key, helper);
  const uri = `hyperv:${(other ?? hostname()).toLowerCase()}`;
  return new HyperVHost(helper, other, uri, release, { readMethod, exportFolder });
}
