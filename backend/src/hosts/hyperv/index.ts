/** The Hyper-V host adapter. */
import { hostname } from 'node:os';
import type { HostCredential } from '../../schema/common.ts';
import { Anonymizer } from './helper/anonymize.ts';
import { Helper, type HelperOptions } from './helper/helper.ts';
import { helperPath } from './helper/helper-path.ts';
import { giveHelper, takeHelper } from './helper/helper-pool.ts';
import { powerShellPath } from './helper/shell.ts';
import { fileTrace, type Trace } from './helper/trace.ts';
import { HyperVHost } from './host.ts';
import { type ReadingOptions, requireAbsolute } from './reading/ways.ts';
import { isThisMachine } from './this-machine.ts';

export { endIdleHelpers } from './helper/helper-pool.ts';
export { HyperVHost } from './host.ts';
export type { ReadingOptions } from './reading/ways.ts';

export interface HyperVOptions {
  /** Absolute path of PowerShell; see powerShellPath(). */
  executable?: string;
  /** Absolute path of HyperVHelper.ps1. */
  helper?: string;
  silenceMs?: number;
  /** Account to reach another host with; refused for this one. */
  credential?: HostCredential;
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
  const other = server !== undefined && !isThisMachine(server) ? server : undefined;
  const helperOptions: HelperOptions = {
    executable: options.executable ?? powerShellPath(),
    helper: options.helper ?? helperPath(),
    server: other,
    silenceMs: options.silenceMs,
  };
  const { credential } = options;
  const trace = traceOf([other, credential?.userName]);
  const uri = `hyperv:${(other ?? hostname()).toLowerCase()}`;
  if (credential && other) {
    // Never kept: at its end it gives back the connection to the shares.
    const own = new Helper({ ...helperOptions, credential, trace });
    return new HyperVHost(own, other, uri, () => own.close(), { readMethod, exportFolder });
  }
  // All that is given to a helper distinguishes it from another one.
  const { HVBACKUP_TRACE, HVBACKUP_TRACE_ANONYMIZE } = process.env;
  const key = JSON.stringify({ ...helperOptions, HVBACKUP_TRACE, HVBACKUP_TRACE_ANONYMIZE });
  const helper = takeHelper(key, () => new Helper({ ...helperOptions, trace }));
  return new HyperVHost(helper, other, uri, () => giveHelper(key, helper), { readMethod, exportFolder });
}

/** What HVBACKUP_TRACE and HVBACKUP_TRACE_ANONYMIZE ask for. @param names what must not be readable in it */
function traceOf(names: (string | undefined)[]): Trace | undefined {
  const { HVBACKUP_TRACE: file, HVBACKUP_TRACE_ANONYMIZE: key } = process.env;
  if (!file) return undefined;
  const known = names.flatMap((name) => (name ? [name, ...name.split(/[\\@.]/)] : []));
  return fileTrace(file, key ? new Anonymizer(key, known) : undefined);
}
