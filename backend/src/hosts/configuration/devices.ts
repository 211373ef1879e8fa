/**
 * The devices of a VM: what its manifest lists (observed in files of generation 1 and 2, configuration version 9.0), by
 * type. A device of fixed identity has its type as its instance; adapters and SCSI controllers have an instance of
 * their own each.
 */
import { parseGuid } from '../../support/guid.ts';
import type { Keys } from './keys.ts';

/** Types this program knows the meaning of. */
export const DEVICE = {
  bios: 'ac6b8dc1-3257-4a70-b1b2-a9c9215659ad',
  ide: '83f8638b-8dca-4152-9eda-2ca8b33039b4',
  scsi: 'd422512d-2bf2-4752-809d-7b82b5fcb1b4',
  floppy: '8f0d2762-0b00-4e04-af4f-19010527cb93',
  serial: '8e3a359f-559a-4b6a-98a9-1690a6100ed7',
  ethernet: '2fc216b0-d2e2-4967-9b6d-b8a5c9ca2778',
  video: 'f3cf6965-e8d3-44a9-9b7d-a04245ea7525',
  videoS3: '7d80d3db-61ee-4879-8879-5609f1100ad0',
  guestInterface: '6c09bb55-d683-4da0-8931-c9bf705f6480',
  guestState: '917bd8cb-3bb6-4124-9383-b7d21ac07f79',
  tpm: '736e6aa9-a3f8-49c0-9550-a963214d259a',
  clock: 'e51b7ef6-4a7f-4780-aaae-d4b291aacd2e',
} as const;

export interface Device {
  /** GUIDs, lower case. */
  type: string;
  instance: string;
  name: string;
  /** Path of the node with its settings; undefined when it has none. */
  node: string | undefined;
}

const CONFIGURATION = '/configuration';
/** Ours; real VMs have below a hundred. */
const MAX_DEVICES = 1024;

/** All devices in the order of the manifest. */
export async function readDevices(keys: Keys): Promise<Device[]> {
  const nodes = new Map<string, string>();
  for (const { name, path, isNode } of keys.below(CONFIGURATION)) {
    const guid = /^_.*_$/.test(name) ? parseGuid(name.slice(1, -1)) : null;
    if (isNode && guid && !nodes.has(guid)) nodes.set(guid, path);
  }
  const seen = new Set<string>();
  const devices: { order: number; device: Device }[] = [];
  for (const { name, path, isNode } of keys.below(`${CONFIGURATION}/manifest`)) {
    const order = /^vdev(\d{1,9})$/.exec(name)?.[1];
    if (!isNode || order === undefined) continue;
    const type = parseGuid((await keys.text(`${path}/device`)) ?? '');
    const instance = parseGuid((await keys.text(`${path}/instance`)) ?? '');
    if (!type || !instance || seen.has(instance) || seen.size === MAX_DEVICES) {
      keys.note(`${path} names no device, or one that is there already: it was ignored.`);
      continue;
    }
    seen.add(instance);
    const device = { type, instance, name: (await keys.text(`${path}/name`)) ?? '', node: nodes.get(instance) };
    devices.push({ order: Number(order), device });
  }
  return devices.sort((a, b) => a.order - b.order).map(({ device }) => device);
}
