/** Storage controllers and their drives. */
import type { VmDescription, VmDisk } from '../../schema/vm.ts';
import { bracedGuid, NIL_GUID } from '../../support/guid.ts';
import { derivedGuid } from './derived-guid.ts';
import { bool, type HvsItem, type HvsNode, int, node, text } from './hvs/values.ts';
import { deviceNode } from './render-firmware.ts';

/**
 * Of a VM: two IDE controllers with two places each, four SCSI controllers with 64. More SCSI controllers are written,
 * but not any number.
 */
const IDE_PLACES = 2;
const MOST_SCSI = 64;
const SCSI_PLACES = 64;

export interface Storage {
  /** What hangs on the IDE device; empty for generation 2. */
  ide: HvsItem[];
  /** One device each. */
  scsi: { instance: string; node: HvsNode }[];
}

/** @param notes gets what cannot be said in the file: such disks are left out */
export function renderStorage(vm: VmDescription, notes: string[]): Storage {
  const disks = vm.disks.filter((disk) => {
    if (isPossible(disk, vm.generation)) return true;
    const { controllerType, controllerNumber, controllerLocation, path } = disk;
    const place = `${controllerType} ${controllerNumber}:${controllerLocation}`;
    notes.push(`A disk at ${place} cannot be written to the configuration: it was left out: ${path}`);
    return false;
  });
  const scsi = disks.filter(({ controllerType }) => controllerType === 'SCSI');
  const controllers = 1 + Math.max(0, ...scsi.map(({ controllerNumber }) => controllerNumber));
  return {
    ide: vm.generation === 1 ? renderIde(disks.filter(({ controllerType }) => controllerType === 'IDE')) : [],
    scsi: Array.from({ length: controllers }, (_, number) => {
      const instance = derivedGuid(vm.id, `scsi ${number}`);
      const own = scsi.filter(({ controllerNumber }) => controllerNumber === number);
      return { instance, node: renderScsi(vm.id, number, instance, own) };
    }),
  };
}

function isPossible(disk: VmDisk, generation: 1 | 2): boolean {
  const { controllerType, controllerNumber, controllerLocation } = disk;
  if (controllerType === 'SCSI') return controllerNumber < MOST_SCSI && controllerLocation < SCSI_PLACES;
  const places = controllerNumber < IDE_PLACES && controllerLocation < IDE_PLACES;
  return controllerType === 'IDE' && generation === 1 && places;
}

/** All four places are listed. A free second controller has the optical drive that Hyper-V gives a new VM. */
function renderIde(disks: VmDisk[]): HvsItem[] {
  return [0, 1].map((controller) =>
    node(
      `controller${controller}`,
      ...[0, 1].flatMap((location) => {
        const here = disks.filter(
          (disk) => disk.controllerNumber === controller && disk.controllerLocation === location,
        );
        if (here.length > 0) return here.map(renderDrive);
        const type = controller === 1 && location === 0 ? 'ISO' : 'NONE';
        return [node(`drive${location}`, text('pathname', ''), text('type', type))];
      }),
    ),
  );
}

function renderScsi(vmId: string, number: number, instance: string, disks: VmDisk[]): HvsNode {
  const drives = disks.toSorted((a, b) => a.controllerLocation - b.controllerLocation).map(renderDrive);
  return deviceNode(
    instance,
    int('VDEVVersion', 512),
    text('ChannelInstanceGuid', bracedGuid(derivedGuid(vmId, `scsi channel ${number}`))),
    ...(drives.length > 0 ? [node('controller0', ...drives)] : []),
  );
}

const renderDrive = (disk: VmDisk): HvsNode =>
  node(
    `drive${disk.controllerLocation}`,
    // What a pass-through disk is called in a file was never seen.
    text('type', disk.format === 'passthrough' ? 'PASSTHROUGH' : 'VHD'),
    text('pathname', disk.path),
    int('iops_limit', 0),
    int('iops_reservation', 0),
    int('weight', 100),
    text('qos_policy_id', NIL_GUID),
    bool('persistent_reservations_supported', false),
    bool('ignore_flushes', false),
    int('caching_mode', 0),
    int('write_hardening_method', 0),
  );
