/**
 * What a `.vmrs` says. For a VM that is off there is little in it; guest memory and devices come with a saved state.
 */
import type { HvsFile } from './hvs/open.ts';
import { Keys } from './keys.ts';
import { versionText } from './version.ts';

export interface RuntimeDescription {
  /** Configuration version, for instance "9.0". */
  version?: string;
  /** Whether a saved state is in the file: the VM was saved, or the file belongs to a checkpoint with memory. */
  saved: boolean;
}

/** @param hvs an open `.vmrs` @throws CONFIGURATION_CORRUPT */
export async function describeRuntime(hvs: HvsFile): Promise<RuntimeDescription> {
  const keys = new Keys(hvs, []);
  const version = versionText(await keys.count('/configuration/properties/version'));
  return { ...(version === undefined ? {} : { version }), saved: hvs.keys('/savedstate').length > 0 };
}
