/**
 * The configuration files of a VM from its description: what Hyper-V writes for a VM of that hardware, as far as files
 * of its are known (docs/vmcx.md). Deterministic: the same description gives the same bytes.
 */
import type { VmDescription } from '../../schema/vm.ts';
import type { ConfiguredCheckpoint } from './checkpoints.ts';
import { DEVICE } from './devices.ts';
import { renderHvs } from './hvs/render.ts';
import { type HvsItem, type HvsNode, int, node, text } from './hvs/values.ts';
import { platformDevices } from './platform-devices.ts';
import { deviceNode, renderPlatformDevices } from './render-firmware.ts';
import { renderAdapters } from './render-network.ts';
import { renderGlobalSettings, renderProperties, renderSecurity, renderSettings } from './render-settings.ts';
import { renderStorage } from './render-storage.ts';
import { versionNumber } from './version.ts';

export interface RenderOptions {
  /** Default: none. */
  checkpoints?: ConfiguredCheckpoint[];
  /** When the VM was made, ISO 8601. */
  createdAt?: string;
  /** Path of the `.vmgs` on the host; default: its name. */
  stateFile?: string;
}

export interface RenderedConfiguration {
  vmcx: Uint8Array;
  /** That of a VM that is off: it holds no saved state. */
  vmrs: Uint8Array;
  /** What the files cannot say, in sentences: the rest was written. */
  notes: string[];
}

/** Taken where a description's version is no version. */
const DEFAULT_VERSION = 0x0900;

/**
 * Memory is rounded up to MiB. Running state, disk identities and sizes are not part of a configuration.
 * @throws CONFIGURATION_UNSUPPORTED when a value is too long to be written
 */
export function renderConfiguration(vm: VmDescription, options: RenderOptions = {}): RenderedConfiguration {
  const notes: string[] = [];
  const version = versionNumber(vm.version);
  if (version === null) notes.push(`"${vm.version}" is no configuration version: 9.0 was written.`);
  return {
    vmcx: renderHvs([renderVmcx(vm, version ?? DEFAULT_VERSION, options, notes)]),
    vmrs: renderHvs([renderVmrs(vm, version ?? DEFAULT_VERSION)]),
    notes,
  };
}

function renderVmcx(vm: VmDescription, version: number, options: RenderOptions, notes: string[]): HvsNode {
  const { checkpoints = [], createdAt, stateFile = `${vm.id.toUpperCase()}.vmgs` } = options;
  const storage = renderStorage(vm, notes);
  const adapters = renderAdapters(vm);
  return node(
    'configuration',
    ...renderPlatformDevices(vm, storage.ide, stateFile, notes),
    renderGlobalSettings(vm, checkpoints),
    renderProperties(vm, version, createdAt),
    renderSettings(vm),
    ...renderSecurity(vm),
    ...adapters.map((adapter) => adapter.node),
    ...storage.scsi.map((controller) => controller.node),
    renderManifest([
      ...platformDevices(vm.generation).map(({ guid, name }) => ({ type: guid, instance: guid, name })),
      ...adapters.map(({ instance }) => ({ type: DEVICE.ethernet, instance, name: 'Synthetic Ethernet Port' })),
      ...storage.scsi.map(({ instance }) => ({ type: DEVICE.scsi, instance, name: 'Synthetic SCSI Controller' })),
    ]),
  );
}

function renderManifest(devices: { type: string; instance: string; name: string }[]): HvsNode {
  const entries = devices.map(({ type, instance, name }, index) =>
    node(
      `vdev${String(index + 1).padStart(3, '0')}`,
      text('device', type),
      text('instance', instance),
      text('name', name),
      int('flags', 1),
    ),
  );
  return node('manifest', int('version', 512), int('size', devices.length), ...entries);
}

/** Devices whose settings' version was seen in a `.vmrs`. */
const RUNTIME_DEVICES: string[] = [DEVICE.bios, DEVICE.clock, DEVICE.ide, DEVICE.tpm];

function renderVmrs(vm: VmDescription, version: number): HvsNode {
  const devices = platformDevices(vm.generation).flatMap(({ guid, version: own }): HvsItem[] =>
    own !== undefined && RUNTIME_DEVICES.includes(guid) ? [deviceNode(guid, int('VDEVVersion', own))] : [],
  );
  return node('configuration', node('properties', int('version', version)), ...devices);
}
