/** A host's `data.vmcx`: which VMs are registered, and where their configuration files lie. */
import { parseGuid } from '../../support/guid.ts';
import type { HvsFile } from './hvs/open.ts';
import { Keys } from './keys.ts';

export interface RegisteredVm {
  /** GUID, lower case. */
  id: string;
  /** Path of the `.vmcx` on that host. */
  path: string;
}

/**
 * @param hvs an open `data.vmcx` of `%ProgramData%\Microsoft\Windows\Hyper-V`
 * @returns none when the file is another one
 */
export async function registeredVms(hvs: HvsFile): Promise<RegisteredVm[]> {
  const keys = new Keys(hvs, []);
  const vms: RegisteredVm[] = [];
  for (const { name, path } of keys.below('/Configurations/VirtualMachines')) {
    const id = parseGuid(name.replace(/^_|_$/g, ''));
    const file = await keys.text(path);
    if (id && file) vms.push({ id, path: file });
  }
  return vms;
}
