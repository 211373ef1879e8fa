/**
 * The configuration files of a VM. For now `.vmcx` and `.vmrs` are a magic line and JSON: an honest placeholder for
 * Hyper-V's binary format 4.0. Everything that knows what is in them is in this file. The same VM gives the same bytes.
 */
import { VmDescription } from '../../schema/vm.ts';

export type ConfigurationKind = 'vmcx' | 'vmrs' | 'vmgs';

const VMCX = 'HyperVBackup simulated VMCX 1\n';
const VMRS = 'HyperVBackup simulated VMRS 1\n';
const VMGS = 'HyperVBackup simulated VMGS 1\n';
/** Bytes; a real one holds firmware variables and, with a TPM, its state. */
const VMGS_SIZE = 4096;

/** The files of a VM: generation 2 has a `.vmgs` too. */
export const configurationKinds = (generation: 1 | 2): ConfigurationKind[] =>
  generation === 2 ? ['vmcx', 'vmrs', 'vmgs'] : ['vmcx', 'vmrs'];

/** Bytes of a configuration file for `vm`. The running state is not configuration: it goes to `.vmrs`. */
export function encodeConfiguration(kind: ConfigurationKind, vm: VmDescription): Buffer {
  switch (kind) {
    case 'vmcx':
      return Buffer.from(VMCX + stableJson({ ...vm, state: undefined }));
    case 'vmrs':
      return Buffer.from(VMRS + stableJson({ id: vm.id, state: vm.state }));
    case 'vmgs': {
      const out = Buffer.alloc(VMGS_SIZE);
      out.write(`${VMGS}${stableJson({ id: vm.id })}`);
      return out;
    }
  }
}

/** What a `.vmcx` of this host describes (without running state); null when it is another host's. */
export function decodeVmcx(data: Uint8Array): VmDescription | null {
  const text = Buffer.from(data).toString('utf8');
  if (!text.startsWith(VMCX)) return null;
  try {
    return VmDescription.parse({ ...JSON.parse(text.slice(VMCX.length)), state: 'Off' });
  } catch {
    return null;
  }
}

/** Whether the file is one of this host's placeholders, so that it may be written anew. */
export function isPlaceholder(kind: ConfigurationKind, data: Uint8Array): boolean {
  const magic = { vmcx: VMCX, vmrs: VMRS, vmgs: VMGS }[kind];
  return Buffer.from(data.subarray(0, magic.length)).toString('latin1') === magic;
}

/** JSON with sorted keys. */
function stableJson(value: unknown): string {
  return `${JSON.stringify(value, (_, part) => (isPlainObject(part) ? sortKeys(part) : part), 2)}\n`;
}

const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const sortKeys = (object: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
