/** What a new VM gets: controllers, network adapter, firmware. */
import { randomBytes } from 'node:crypto';
import type { VmDisk, VmNetworkAdapter } from '../../schema/vm.ts';
import type { VmDefinition } from './rows.ts';

/** Hyper-V configuration version that the definition claims. */
const CONFIGURATION_VERSION = '10.0';
const SCSI_LOCATIONS = 64;
const IDE_PLACES = 4;

export type Controller = Pick<VmDisk, 'controllerType' | 'controllerNumber' | 'controllerLocation'> & {
  controllerType: 'IDE' | 'SCSI';
};

/** Place of the n-th disk: generation 1 boots from IDE and has four places there; everything else is on SCSI. */
export function defaultController(generation: 1 | 2, n: number): Controller {
  if (generation === 1 && n < IDE_PLACES) {
    return { controllerType: 'IDE', controllerNumber: n >> 1, controllerLocation: n % 2 };
  }
  const scsi = generation === 1 ? n - IDE_PLACES : n;
  return {
    controllerType: 'SCSI',
    controllerNumber: Math.floor(scsi / SCSI_LOCATIONS),
    controllerLocation: scsi % SCSI_LOCATIONS,
  };
}

/** The first default place that no disk has. */
export function freeController(generation: 1 | 2, used: Controller[]): Controller {
  const taken = new Set(used.map(placeName));
  for (let n = 0; ; n++) {
    const place = defaultController(generation, n);
    if (!taken.has(placeName(place))) return place;
  }
}

const placeName = ({ controllerType, controllerNumber, controllerLocation }: Controller): string =>
  `${controllerType} ${controllerNumber}:${controllerLocation}`;

/**
 * Places for the disks of a VM: those they had, where such a VM has them here and each is asked for once; free ones
 * else.
 */
export function placesFor(disks: VmDisk[], generation: 1 | 2): Controller[] {
  const used: Controller[] = [];
  const kept = disks.map((disk) => {
    const place = possiblePlace(disk, generation);
    if (!place || used.some((other) => placeName(other) === placeName(place))) return undefined;
    used.push(place);
    return place;
  });
  return kept.map((place) => {
    if (place) return place;
    const free = freeController(generation, used);
    used.push(free);
    return free;
  });
}

/** This host has IDE for generation 1, SCSI for both, and no other controllers. */
function possiblePlace(disk: VmDisk, generation: 1 | 2): Controller | undefined {
  const { controllerType, controllerNumber, controllerLocation } = disk;
  if (controllerType !== 'SCSI' && (controllerType !== 'IDE' || generation === 2)) return undefined;
  return { controllerType, controllerNumber, controllerLocation };
}

/** An adapter as Hyper-V makes it: a dynamic MAC address from Microsoft's range, connected to nothing. */
export const newAdapter = (name = 'Network Adapter'): VmNetworkAdapter => ({
  name,
  macAddress: `00155D${randomBytes(3).toString('hex').toUpperCase()}`,
  dynamicMacAddress: true,
});

/** @param memory startup memory, bytes */
export function newDefinition(
  id: string,
  name: string,
  generation: 1 | 2,
  memory: number,
  processors: number,
): VmDefinition {
  return {
    id,
    name,
    generation,
    version: CONFIGURATION_VERSION,
    state: 'Off',
    processorCount: processors,
    memoryStartup: memory,
    dynamicMemory: false,
    ...(generation === 2 ? { secureBoot: true, secureBootTemplate: 'MicrosoftWindows', tpm: false } : {}),
    networkAdapters: [newAdapter()],
  };
}
