/** The disks of a VM or checkpoint, from its settings: which controller, which place, which file. */
import type { VmDisk } from '../../../schema/vm.ts';
import { parseGuid } from '../../../support/guid.ts';
import type { DiskFacts, WmiComponent } from '../wmi.ts';
import { pathKey } from '../wmi.ts';

const VIRTUAL_DISK = 'microsoft:hyper-v:virtual hard disk';
const PHYSICAL_DRIVE = 'microsoft:hyper-v:physical disk drive';
const CONTROLLERS: Record<string, VmDisk['controllerType']> = {
  'microsoft:hyper-v:emulated ide controller': 'IDE',
  'microsoft:hyper-v:synthetic scsi controller': 'SCSI',
  'microsoft:hyper-v:persistent memory controller': 'PMEM',
};
const ORDER: VmDisk['controllerType'][] = ['IDE', 'SCSI', 'NVMe', 'PMEM'];

/** A disk where it hangs; what is in its file is not known yet. */
export interface PlacedDisk {
  /** Component of the disk itself; of the drive for a pass-through disk. */
  component: WmiComponent;
  /** Component of the drive it is in. */
  drive: WmiComponent | undefined;
  /** Path of the file; of the host's device for a pass-through disk. */
  path: string;
  passThrough: boolean;
  controllerType: VmDisk['controllerType'];
  controllerNumber: number;
  controllerLocation: number;
}

const subType = (component: WmiComponent): string => (component.resourceSubType ?? '').toLowerCase();

/** Controllers in the order that Hyper-V numbers them: IDE by address, others by the order they are listed in. */
function controllerNumbers(
  components: WmiComponent[],
): Map<string, { type: VmDisk['controllerType']; number: number }> {
  const found = new Map<string, { type: VmDisk['controllerType']; number: number }>();
  const next = new Map<string, number>();
  for (const component of components) {
    const type = CONTROLLERS[subType(component)];
    if (!type) continue;
    const order = next.get(type) ?? 0;
    next.set(type, order + 1);
    const address = Number.parseInt(component.address ?? '', 10);
    found.set(pathKey(component.path), { type, number: type === 'IDE' && address >= 0 ? address : order });
  }
  return found;
}

/** All hard disks in a fixed order: by type of controller, controller, place. DVD drives are none. */
export function placedDisks(components: WmiComponent[]): PlacedDisk[] {
  const controllers = controllerNumbers(components);
  const byPath = new Map(components.map((component) => [pathKey(component.path), component]));
  const disks: PlacedDisk[] = [];
  for (const component of components) {
    const passThrough = subType(component) === PHYSICAL_DRIVE && component.hostResource.length > 0;
    if (!passThrough && subType(component) !== VIRTUAL_DISK) continue;
    const drive = passThrough ? component : byPath.get(pathKey(component.parent ?? ''));
    const controller = controllers.get(pathKey(drive?.parent ?? ''));
    const location = Number.parseInt(drive?.addressOnParent ?? drive?.address ?? '', 10);
    disks.push({
      component,
      drive,
      path: component.hostResource[0] ?? '',
      passThrough,
      controllerType: controller?.type ?? 'SCSI',
      controllerNumber: controller?.number ?? 0,
      controllerLocation: Number.isSafeInteger(location) && location >= 0 ? location : 0,
    });
  }
  return disks.sort(
    (a, b) =>
      ORDER.indexOf(a.controllerType) - ORDER.indexOf(b.controllerType) ||
      a.controllerNumber - b.controllerNumber ||
      a.controllerLocation - b.controllerLocation,
  );
}

/** Where a disk hangs, as text: the same for a VM and its checkpoints. */
export const placeOf = (disk: Pick<VmDisk, 'controllerType' | 'controllerNumber' | 'controllerLocation'>): string =>
  `${disk.controllerType} ${disk.controllerNumber}:${disk.controllerLocation}`;

/**
 * The disks as descriptions have them. A file that could not be looked at has size 0 and no id. Two disks with one id
 * (copies of an image, children of one parent) get their place added, so that none is taken for the other.
 */
export function describeDisks(placed: PlacedDisk[], facts: Map<string, DiskFacts>): VmDisk[] {
  const disks = placed.map((disk, index): VmDisk => {
    const fact = facts.get(disk.path);
    return {
      index,
      id: disk.passThrough ? disk.path : (parseGuid(fact?.diskId ?? '') ?? ''),
      path: disk.path,
      format: disk.passThrough ? 'passthrough' : (fact?.format ?? formatByName(disk.path)),
      size: fact?.size ?? 0,
      logicalSectorSize: fact?.logicalSectorSize || 512,
      physicalSectorSize: fact?.physicalSectorSize || 512,
      ...(fact?.blockSize ? { blockSize: fact.blockSize } : {}),
      controllerType: disk.controllerType,
      controllerNumber: disk.controllerNumber,
      controllerLocation: disk.controllerLocation,
    };
  });
  const count = new Map<string, number>();
  for (const { id } of disks) count.set(id, (count.get(id) ?? 0) + 1);
  return disks.map((disk) =>
    disk.id && count.get(disk.id)! > 1 ? { ...disk, id: `${disk.id}@${placeOf(disk)}` } : disk,
  );
}

function formatByName(path: string): VmDisk['format'] {
  if (/\.a?vhd$/i.test(path)) return 'vhd';
  return /\.vhds$/i.test(path) ? 'vhds' : 'vhdx';
}
