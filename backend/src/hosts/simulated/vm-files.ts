/**
 * The content of a VM's configuration files; nothing else in this host knows it. `.vmcx` and `.vmrs` are Hyper-V's
 * binary format 4.0 (docs/vmcx.md). `.vmgs` (firmware variables, TPM state) is a placeholder. The same VM gives the
 * same bytes.
 */
import type { VmDescription } from '../../schema/vm.ts';
import {
  type ConfigurationDescription,
  describeConfiguration,
  describeRuntime,
  openHvs,
  type RuntimeDescription,
  renderConfiguration,
} from '../configuration/index.ts';

export type ConfigurationKind = 'vmcx' | 'vmrs' | 'vmgs';

/** Nothing of the VM is in it, so that one that comes back with a restore need not be distinguished from a real one. */
const VMGS = 'HyperVBackup simulated VMGS 1\n';
/** Bytes. */
const VMGS_SIZE = 4096;

/**
 * The files of a VM by kind: generation 2 has a `.vmgs` too. The running state, ids and sizes of disks and the boot
 * order of generation 2 are in none of them, and memory is rounded up to MiB.
 * @throws CONFIGURATION_UNSUPPORTED when a value is too long to be written
 */
export function encodeConfiguration(vm: VmDescription): Map<ConfigurationKind, Uint8Array> {
  const { vmcx, vmrs } = renderConfiguration(vm);
  const files = new Map<ConfigurationKind, Uint8Array>([
    ['vmcx', vmcx],
    ['vmrs', vmrs],
  ]);
  if (vm.generation === 2) files.set('vmgs', emptyGuestState());
  return files;
}

function emptyGuestState(): Buffer {
  const out = Buffer.alloc(VMGS_SIZE);
  out.write(VMGS);
  return out;
}

/** @param name what errors call the file. @throws CONFIGURATION_CORRUPT, CONFIGURATION_UNSUPPORTED */
export const decodeVmcx = async (data: Uint8Array, name: string): Promise<ConfigurationDescription> =>
  await describeConfiguration(await openHvs(data, name));

/** @param name what errors call the file. @throws CONFIGURATION_CORRUPT, CONFIGURATION_UNSUPPORTED */
export const decodeVmrs = async (data: Uint8Array, name: string): Promise<RuntimeDescription> =>
  await describeRuntime(await openHvs(data, name));
