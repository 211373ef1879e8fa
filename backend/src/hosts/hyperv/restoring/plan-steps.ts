/**
 * What is left to do on a planned VM, from what it is and what it shall be. Called again after each round, because
 * drives hang on controllers and disks in drives that must be there first; done when nothing is left.
 */
import type { VmDescription, VmDisk } from '../../../schema/vm.ts';
import { templateId } from '../../configuration/index.ts';
import { placedDisks, placeOf } from '../vms/describe-disks.ts';
import { pathKey, type SystemAnswer, type WmiComponent } from '../wmi.ts';
import { adapterSteps, type Connections } from './plan-adapters.ts';
import type { PlanStep } from './plan-step.ts';

export type WantedDisk = Pick<VmDisk, 'controllerType' | 'controllerNumber' | 'controllerLocation'> & { path: string };

export interface Wanted {
  name: string;
  disks: WantedDisk[];
  /** New MAC addresses: the original may be on the same network. */
  newAdapters: boolean;
  connections: Connections;
}

const SCSI = 'Microsoft:Hyper-V:Synthetic SCSI Controller';
const IDE = 'Microsoft:Hyper-V:Emulated IDE Controller';
const DRIVE = 'Microsoft:Hyper-V:Synthetic Disk Drive';
const DISK = 'Microsoft:Hyper-V:Virtual Hard Disk';
const DVD_DISK = 'Microsoft:Hyper-V:Virtual CD/DVD Disk';
const FLOPPY_DISK = 'Microsoft:Hyper-V:Virtual Floppy Disk';

const is = (subType: string) => (component: WmiComponent) =>
  (component.resourceSubType ?? '').toLowerCase() === subType.toLowerCase();

/** Steps that can be taken now; none when the VM is as wanted. */
export function nextSteps(now: SystemAnswer, wanted: Wanted): PlanStep[] {
  const first = [...systemSteps(now, wanted), ...removals(now, wanted), ...adapterSteps(now.components, wanted)];
  const controllers = controllerSteps(now.components, wanted);
  if (first.length + controllers.length > 0) return [...first, ...controllers];
  return diskSteps(now.components, wanted);
}

function systemSteps({ settings }: SystemAnswer, { name }: Wanted): PlanStep[] {
  return settings.elementName === name ? [] : [{ kind: 'system', properties: { ElementName: name } }];
}

/** Disks of other places, pass-through disks, and media of the old host. Disks go before their drives. */
function removals({ components }: SystemAnswer, { disks }: Wanted): PlanStep[] {
  const places = new Set(disks.map(placeOf));
  const steps: PlanStep[] = [];
  for (const disk of placedDisks(components)) {
    if (!disk.passThrough && places.has(placeOf(disk))) continue;
    steps.push({ kind: 'remove', instanceId: disk.component.instanceID });
    if (disk.drive && !disk.passThrough) steps.push({ kind: 'remove', instanceId: disk.drive.instanceID });
  }
  for (const media of components.filter((component) => is(DVD_DISK)(component) || is(FLOPPY_DISK)(component))) {
    steps.push({ kind: 'remove', instanceId: media.instanceID });
  }
  return steps;
}

function controllerSteps(components: WmiComponent[], { disks }: Wanted): PlanStep[] {
  const have = components.filter(is(SCSI)).length;
  const need = Math.max(
    0,
    ...disks.filter((disk) => disk.controllerType === 'SCSI').map((disk) => disk.controllerNumber + 1),
  );
  return Array.from(
    { length: Math.max(0, need - have) },
    (): PlanStep => ({ kind: 'add', subType: SCSI, properties: {} }),
  );
}

function diskSteps(components: WmiComponent[], { disks }: Wanted): PlanStep[] {
  const present = new Map(placedDisks(components).map((disk) => [placeOf(disk), disk]));
  return disks.flatMap((disk): PlanStep[] => {
    const there = present.get(placeOf(disk));
    if (there) {
      if (there.path === disk.path) return [];
      const { instanceID: instanceId, persistentReservationsSupported, snapshotId } = there.component;
      // What was shared, or a snapshot in a VHD set, comes back as a disk of this VM alone.
      const alone = {
        ...(persistentReservationsSupported ? { PersistentReservationsSupported: false } : {}),
        ...(snapshotId ? { SnapshotId: '' } : {}),
      };
      return [{ kind: 'modify', instanceId, properties: { HostResource: [disk.path], ...alone } }];
    }
    const controller = controllerOf(components, disk);
    if (!controller) return [];
    const location = `${disk.controllerLocation}`;
    const drive = components.find(
      (component) =>
        is(DRIVE)(component) &&
        pathKey(component.parent ?? '') === pathKey(controller.path) &&
        component.addressOnParent === location,
    );
    if (drive)
      return [{ kind: 'add', subType: DISK, parentId: drive.instanceID, properties: { HostResource: [disk.path] } }];
    return [
      { kind: 'add', subType: DRIVE, parentId: controller.instanceID, properties: { AddressOnParent: location } },
    ];
  });
}

function controllerOf(components: WmiComponent[], disk: WantedDisk): WmiComponent | undefined {
  if (disk.controllerType !== 'IDE') return components.filter(is(SCSI))[disk.controllerNumber];
  return components.filter(is(IDE)).find((component) => component.address === `${disk.controllerNumber}`);
}

const SCSI_LOCATIONS = 64;

/** Places that such a VM has on any host: IDE for generation 1, SCSI else. Others move to free places on SCSI. */
export function placesOf(vm: VmDescription): { disk: VmDisk; place: Omit<WantedDisk, 'path'> }[] {
  const taken = new Set<string>();
  const possible = (disk: VmDisk) =>
    (disk.controllerType === 'SCSI' || (disk.controllerType === 'IDE' && vm.generation === 1)) &&
    !taken.has(placeOf(disk));
  const result = vm.disks.map((disk) => {
    if (!possible(disk)) return { disk, place: undefined };
    taken.add(placeOf(disk));
    const { controllerType, controllerNumber, controllerLocation } = disk;
    return { disk, place: { controllerType, controllerNumber, controllerLocation } };
  });
  return result.map(({ disk, place }) => ({ disk, place: place ?? freePlace(taken) }));
}

function freePlace(taken: Set<string>): Omit<WantedDisk, 'path'> {
  for (let n = 0; ; n++) {
    const place = {
      controllerType: 'SCSI' as const,
      controllerNumber: Math.floor(n / SCSI_LOCATIONS),
      controllerLocation: n % SCSI_LOCATIONS,
    };
    if (taken.has(placeOf(place))) continue;
    taken.add(placeOf(place));
    return place;
  }
}

const MIB = 2 ** 20;
const BOOT_DEVICES = ['Floppy', 'Optical', 'HardDrive', 'Network'];

/**
 * Settings and resources of a VM that is defined from its description.
 * @param id asked for; the host may give another
 */
export function definition(vm: VmDescription, name: string, id: string | null) {
  const order = vm.bootOrder?.map((device) => BOOT_DEVICES.indexOf(device)) ?? [];
  const template = vm.secureBootTemplate ? templateId(vm.secureBootTemplate) : null;
  return {
    settings: {
      ElementName: name,
      VirtualSystemSubType: `Microsoft:Hyper-V:SubType:${vm.generation}`,
      ...(id ? { VirtualSystemIdentifier: id.toUpperCase() } : {}),
      ...(vm.notes ? { Notes: [vm.notes] } : {}),
      ...(vm.generation === 2 && vm.secureBoot !== undefined ? { SecureBootEnabled: vm.secureBoot } : {}),
      ...(vm.generation === 2 && template ? { SecureBootTemplateId: template.toUpperCase() } : {}),
      ...(vm.generation === 1 && order.length === 4 && !order.includes(-1) ? { BootOrder: order } : {}),
      // Virtual NUMA and dynamic memory exclude each other.
      ...(vm.dynamicMemory ? { VirtualNumaEnabled: false } : {}),
    },
    resources: [
      {
        className: 'Msvm_MemorySettingData',
        properties: {
          VirtualQuantity: Math.ceil(vm.memoryStartup / MIB),
          DynamicMemoryEnabled: vm.dynamicMemory,
          ...(vm.dynamicMemory && vm.memoryMinimum ? { Reservation: Math.ceil(vm.memoryMinimum / MIB) } : {}),
          ...(vm.dynamicMemory && vm.memoryMaximum ? { Limit: Math.ceil(vm.memoryMaximum / MIB) } : {}),
        },
      },
      { className: 'Msvm_ProcessorSettingData', properties: { VirtualQuantity: vm.processorCount } },
    ],
  };
}
