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
  const name = (c: Controller): string => `${c.controllerType} ${c.controllerNumber}:${c.controllerLocation}`;
  const taken = new Set(used.map(name));
  for (let n = 0; ; n++) {
    const place = defaultController(generation, n);
    if (!taken.has(name(place))) return place;
  }
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
