/** The demo's virtual machines: their disk images, and the work their guests do between two backups. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ledger, noise } from '../../test/fixtures/content.ts';
import { createFatImage } from '../../test/fixtures/fat16.ts';

const MIB = 1024 * 1024;

interface GuestDisk {
  /** Raw image: the source of the VM's disk, and our own copy of what the disk should hold. */
  image: string;
  size: number;
  /** Repeats a guest's write on our copy. */
  apply(offset: number, data: Uint8Array): void;
}

export interface Guest {
  name: string;
  disks: GuestDisk[];
  work: { disk: number; offset: number; data: Buffer; about: string }[];
}

/** Writes the images into `folder`. */
export async function makeGuests(folder: string): Promise<Guest[]> {
  const office = join(folder, 'office.img');
  const files = await createFatImage(office, 256 * MIB, [
    { path: 'Read me.txt', data: Buffer.from('This disk belongs to a demo of HyperVBackup.\r\n') },
    { path: 'Accounts/2026/Ledger of the whole year.csv', data: ledger(24 * MIB, 1) },
    { path: 'Accounts/2025/Ledger of the whole year.csv', data: ledger(24 * MIB, 2) },
    { path: 'Pictures/Summer party.jpg', data: noise(20 * MIB, 3) },
  ]);
  const year = files.find((file) => file.path.startsWith('Accounts/2026/'))!;
  const system = rawImage(join(folder, 'web-system.img'), 1024 * MIB, [
    { offset: 0, data: ledger(16 * MIB, 4) },
    { offset: 700 * MIB, data: noise(8 * MIB, 5) },
  ]);
  const data = rawImage(join(folder, 'web-data.img'), 512 * MIB, [{ offset: 100 * MIB, data: ledger(32 * MIB, 6) }]);
  return [
    {
      name: 'Office server',
      disks: [disk(office, 256 * MIB)],
      work: [
        {
          disk: 0,
          offset: year.offset + MIB,
          data: ledger(300_000, 7),
          about: "books into 'Ledger of the whole year.csv'",
        },
      ],
    },
    {
      name: 'Web server',
      disks: [disk(system, 1024 * MIB), disk(data, 512 * MIB)],
      work: [
        { disk: 0, offset: 900 * MIB + 512, data: noise(2 * MIB, 8), about: 'writes a log where nothing was before' },
        { disk: 1, offset: 110 * MIB, data: ledger(4096, 9), about: 'updates one database page' },
      ],
    },
  ];
}

function rawImage(path: string, size: number, parts: { offset: number; data: Uint8Array }[]): string {
  const file = openSync(path, 'wx');
  ftruncateSync(file, size);
  for (const part of parts) writeSync(file, part.data, 0, part.data.length, part.offset);
  closeSync(file);
  return path;
}

function disk(image: string, size: number): GuestDisk {
  return {
    image,
    size,
    apply(offset, data) {
      const file = openSync(image, 'r+');
      writeSync(file, data, 0, data.length, offset);
      closeSync(file);
    },
  };
}
