/**
 * What a `.vmcx` says about a VM, in host-neutral terms. docs/vmcx.md lists every key that is read, and what its
 * meaning rests on.
 */
import type { VmDescription, VmNetworkAdapter } from '../../schema/vm.ts';
import { parseGuid } from '../../support/guid.ts';
import { LAST_APPLIED, SECURITY, TPM_ENABLED } from './assumed-keys.ts';
import { type ConfiguredCheckpoint, describeCheckpoints } from './checkpoints.ts';
import { type ConfiguredDisk, describeDisks } from './describe-disks.ts';
import { describeAdapters } from './describe-network.ts';
import { DEVICE, type Device, readDevices } from './devices.ts';
import { fromFileTime } from './file-time.ts';
import { unsupported } from './hvs/errors.ts';
import type { HvsFile } from './hvs/open.ts';
import { Keys } from './keys.ts';
import { templateName } from './secure-boot.ts';
import { versionText } from './version.ts';

/** A VM as far as its configuration file describes it: what the file does not say is absent. */
export type ConfiguredVm = Partial<Omit<VmDescription, 'disks' | 'networkAdapters' | 'state'>> & {
  disks: ConfiguredDisk[];
  networkAdapters: VmNetworkAdapter[];
};

export interface ConfigurationDescription {
  vm: ConfiguredVm;
  /** When the VM was made, ISO 8601. */
  createdAt?: string;
  /** Each with the checkpoint it was made on. */
  checkpoints: ConfiguredCheckpoint[];
  /** What was ignored or taken for something, in sentences. */
  notes: string[];
}

const MIB = 2 ** 20;
const PROPERTIES = '/configuration/properties';
const SETTINGS = '/configuration/settings';
const SNAPSHOTS = '/configuration/global_settings/snapshots';
/**
 * @param hvs an open `.vmcx`
 * @throws CONFIGURATION_UNSUPPORTED when the file is not about a VM (a host's `data.vmcx`, a `.vmrs`),
 *   CONFIGURATION_CORRUPT
 */
export async function describeConfiguration(hvs: HvsFile): Promise<ConfigurationDescription> {
  const notes: string[] = [];
  const keys = new Keys(hvs, notes);
  const name = await keys.text(`${PROPERTIES}/name`);
  const id = parseGuid((await keys.text(`${PROPERTIES}/global_id`)) ?? '');
  if (name === undefined && !id) throw unsupported(hvs.path, 'it describes no VM');
  const devices = await readDevices(keys);
  const generation = await readGeneration(keys);
  const createdAt = fromFileTime(await keys.bytes(`${PROPERTIES}/creation_time`));
  const vm: ConfiguredVm = {
    ...(id ? { id } : {}),
    ...(name ? { name } : {}),
    ...given('generation', generation),
    ...given('version', versionText(await keys.count(`${PROPERTIES}/version`))),
    ...given('processorCount', await keys.count(`${SETTINGS}/processors/count`)),
    ...(await readMemory(keys)),
    ...(await readFirmware(keys, devices, generation)),
    ...given('notes', (await keys.text(`${PROPERTIES}/notes`)) || undefined),
    ...given('lastAppliedCheckpoint', await keys.text(`${SNAPSHOTS}/${LAST_APPLIED}`)),
    disks: await describeDisks(keys, devices),
    networkAdapters: await describeAdapters(keys, devices),
  };
  return { vm, ...given('createdAt', createdAt), checkpoints: await describeCheckpoints(keys), notes };
}

/** `{ [name]: value }`, or nothing when there is no value. */
const given = <K extends string, T>(name: K, value: T | undefined): Partial<Record<K, T>> =>
  (value === undefined ? {} : { [name]: value }) as Partial<Record<K, T>>;

/** `subtype` is 0 for generation 1 and 1 for generation 2. */
async function readGeneration(keys: Keys): Promise<1 | 2 | undefined> {
  const subtype = await keys.count(`${PROPERTIES}/subtype`);
  if (subtype === 0 || subtype === 1) return subtype === 0 ? 1 : 2;
  if (subtype !== undefined) keys.note(`${PROPERTIES}/subtype is ${subtype}: the generation is not known.`);
  return undefined;
}

/** Kept in MiB. Minimum and maximum are always there and mean something only when memory is dynamic. */
async function readMemory(keys: Keys): Promise<Partial<VmDescription>> {
  const bank = `${SETTINGS}/memory/bank`;
  const bytes = async (name: string): Promise<number | undefined> => {
    const mib = await keys.count(`${bank}/${name}`);
    return mib === undefined || mib > Number.MAX_SAFE_INTEGER / MIB ? undefined : mib * MIB;
  };
  const dynamicMemory = await keys.boolean(`${bank}/dynamic_memory_enabled`);
  return {
    ...given('memoryStartup', await bytes('size')),
    ...given('dynamicMemory', dynamicMemory),
    ...(dynamicMemory ? given('memoryMinimum', await bytes('reservation')) : {}),
    ...(dynamicMemory ? given('memoryMaximum', await bytes('limit')) : {}),
  };
}

/** The boot order is in this file for generation 1 only: generation 2 has it in the firmware's variables, `.vmgs`. */
async function readFirmware(
  keys: Keys,
  devices: Device[],
  generation: 1 | 2 | undefined,
): Promise<Partial<VmDescription>> {
  const bios = devices.find(({ type }) => type === DEVICE.bios)?.node;
  if (generation === 2) {
    const secure = bios === undefined ? undefined : await keys.boolean(`${bios}/secure_boot_enabled`);
    const template = bios === undefined ? undefined : await keys.text(`${bios}/secure_boot_template_id`);
    return {
      ...given('secureBoot', secure),
      ...given('secureBootTemplate', templateName(template)),
      ...given('tpm', await keys.boolean(`/configuration/${SECURITY.join('/')}/${TPM_ENABLED}`)),
    };
  }
  const bootOrder: string[] = [];
  for (let index = 0; bios !== undefined; index++) {
    const device = await keys.text(`${bios}/boot/device${index}`);
    if (device === undefined) break;
    bootOrder.push(device);
  }
  return bootOrder.length > 0 ? { bootOrder } : {};
}
