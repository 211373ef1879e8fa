/** Disks as a configuration file names them: `_<controller>_/controllerN/driveN/{type,pathname}`. */
import type { VmDisk } from '../../schema/vm.ts';
import { DEVICE, type Device } from './devices.ts';
import type { Keys } from './keys.ts';

/** What a configuration file knows of a disk; identity and sizes are in the disk itself. */
export type ConfiguredDisk = Pick<
  VmDisk,
  'index' | 'path' | 'format' | 'controllerType' | 'controllerNumber' | 'controllerLocation'
>;

type Controller = Pick<ConfiguredDisk, 'controllerType' | 'controllerNumber'>;

/** Attachments that are no disks. */
const REMOVABLE = new Set(['NONE', 'ISO', 'VFD']);
const ORDER: VmDisk['controllerType'][] = ['IDE', 'SCSI', 'NVMe', 'PMEM'];

/** Ordered by controller type, number and location, and numbered so. */
export async function describeDisks(keys: Keys, devices: Device[]): Promise<ConfiguredDisk[]> {
  const disks: Omit<ConfiguredDisk, 'index'>[] = [];
  const counts = new Map<string, number>();
  for (const device of devices) {
    const number = counts.get(device.type) ?? 0;
    counts.set(device.type, number + 1);
    if (device.node === undefined || device.type === DEVICE.floppy) continue;
    const type = controllerType(device);
    for (const { channel, location, path } of drives(keys, device.node)) {
      const disk = await describeDrive(keys, path);
      if (!disk) continue;
      if (!type) keys.note(`A disk hangs on a device of unknown type "${device.name}": ${disk.path}`);
      const controller: Controller = {
        controllerType: type ?? 'SCSI',
        // One IDE device has two controllers; of SCSI controllers each is a device of its own.
        controllerNumber: type === 'IDE' ? channel : number,
      };
      disks.push({ ...disk, ...controller, controllerLocation: location });
    }
  }
  return disks.sort(byPlace).map((disk, index) => ({ index, ...disk }));
}

const byPlace = (a: Omit<ConfiguredDisk, 'index'>, b: Omit<ConfiguredDisk, 'index'>): number =>
  ORDER.indexOf(a.controllerType) - ORDER.indexOf(b.controllerType) ||
  a.controllerNumber - b.controllerNumber ||
  a.controllerLocation - b.controllerLocation;

/** The types of persistent memory and NVMe controllers were never seen: their names decide. */
function controllerType({ type, name }: Device): VmDisk['controllerType'] | undefined {
  if (type === DEVICE.ide) return 'IDE';
  if (type === DEVICE.scsi) return 'SCSI';
  if (/persistent memory|pmem/i.test(name)) return 'PMEM';
  return /nvme?/i.test(name) ? 'NVMe' : undefined;
}

function* drives(keys: Keys, node: string): Generator<{ channel: number; location: number; path: string }> {
  for (const controller of keys.below(node)) {
    const channel = /^controller(\d{1,9})$/.exec(controller.name)?.[1];
    if (!controller.isNode || channel === undefined) continue;
    for (const drive of keys.below(controller.path)) {
      const location = /^drive(\d{1,9})$/.exec(drive.name)?.[1];
      if (!drive.isNode || location === undefined) continue;
      yield { channel: Number(channel), location: Number(location), path: drive.path };
    }
  }
}

async function describeDrive(keys: Keys, node: string): Promise<Pick<ConfiguredDisk, 'path' | 'format'> | undefined> {
  const path = (await keys.text(`${node}/pathname`)) ?? '';
  const type = (await keys.text(`${node}/type`)) ?? '';
  if (path === '' || REMOVABLE.has(type.toUpperCase())) return undefined;
  if (type.toUpperCase() === 'VHD') return { path, format: formatOf(path) };
  keys.note(`A drive is of type "${type}", and taken for a pass-through disk: ${path}`);
  return { path, format: 'passthrough' };
}

function formatOf(path: string): VmDisk['format'] {
  if (/\.vhds$/i.test(path)) return 'vhds';
  return /\.a?vhd$/i.test(path) ? 'vhd' : 'vhdx';
}
