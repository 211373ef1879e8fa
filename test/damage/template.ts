/**
 * What a damage campaign starts from: a simulated host with three VMs, a repository with ten of their restore points, a
 * second one with copies of all, and what this machine remembers of both. Made once, and laid out anew for every
 * scenario.
 */
import { createHash } from 'node:crypto';
import { cp, link, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as operations from '../../backend/src/operations/index.ts';
import { createInvoke, type Invoke } from '../../backend/src/protocol/invoke.ts';
import type { Operations } from '../../backend/src/protocol/methods.ts';
import { initRepository } from '../../backend/src/repository/open.ts';
import { FolderStorage } from '../../backend/src/repository/storage/folder/folder.ts';
import { below, seeded } from '../fuzz/random.ts';

const BLOCK_SIZE = 64 * 1024;
/** Small: what a scenario costs is the reading of all of them again and again. */
const DISK_SIZE = 512 * 1024;
const VMS = ['alpha', 'beta', 'gamma'];
const POINTS = 10;
/** What a passphrase costs here: thousands of repositories are opened. */
const CHEAP_KEY = { n: 1 << 10, r: 8, p: 1 };

/** A guest's disk as it must be restored. */
export interface Guest {
  name: string;
  disk: Buffer;
}

export interface Template {
  /** Everything lies here while the template is made, and while a scenario runs: hosts remember paths. */
  readonly folder: string;
  readonly passphrase: string | undefined;
  readonly guests: readonly Guest[];
  /** SHA-256 of disk 0, by restore point; the disk's content repeats in both repositories. */
  readonly points: ReadonlyMap<string, string>;
}

export const placesOf = (folder: string) => ({
  host: `sim:${join(folder, 'host')}`,
  first: join(folder, 'first'),
  second: join(folder, 'second'),
  state: join(folder, 'state'),
});

export const digest = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

export function newInvoke(onDefect: (message: string) => void): Invoke {
  return createInvoke(operations as unknown as Operations, onDefect);
}

/** @param folder of the campaign, missing. @param seed of what the guests write */
export async function makeTemplate(folder: string, seed: number, passphrase: string | undefined): Promise<Template> {
  const random = seeded(seed);
  const work = join(folder, 'work');
  const { host, first, second, state } = placesOf(work);
  await mkdir(work, { recursive: true });
  process.env.HVBACKUP_STATE_DIR = state;
  const invoke = newInvoke((message) => {
    throw new Error(message);
  });
  await invoke('host/create', { directory: join(work, 'host') }, {});
  for (const location of [first, second]) {
    const storage = new FolderStorage(location);
    await mkdir(location);
    await initRepository(storage, { blockSize: BLOCK_SIZE, passphrase, kdfCost: CHEAP_KEY });
    await storage.close();
  }
  const guests: Guest[] = [];
  for (const name of VMS) {
    const disk = Buffer.alloc(DISK_SIZE);
    for (let i = 0; i < 5; i++) scribble(disk, random);
    const image = join(work, `${name}.raw`);
    await writeFile(image, disk);
    await invoke('vm/create', { host, name, disks: [image] }, {});
    await rm(image);
    guests.push({ name, disk });
  }
  const points = new Map<string, string>();
  for (let i = 0; i < POINTS; i++) {
    const guest = guests[i % guests.length]!;
    if (i >= guests.length) await guestWrites(invoke, host, guest, random, work);
    const { restorePointId } = await invoke('vm/backup', { host, vm: guest.name, repository: first, passphrase }, {});
    points.set(restorePointId, digest(guest.disk));
  }
  const both = { passphrase, toPassphrase: passphrase };
  await invoke('point/copy', { repository: first, to: second, ...both }, {});
  await cp(work, join(folder, 'template'), { recursive: true, preserveTimestamps: true });
  return { folder, passphrase, guests, points };
}

/** Lays everything out as it was. Objects of repositories are never written again: a second name of each is enough. */
export async function layOut(template: Template, withMemory: boolean): Promise<string> {
  const work = join(template.folder, 'work');
  const from = join(template.folder, 'template');
  await rm(work, { recursive: true, force: true });
  await mkdir(work);
  await cp(join(from, 'host'), join(work, 'host'), { recursive: true, preserveTimestamps: true });
  if (withMemory) await cp(join(from, 'state'), join(work, 'state'), { recursive: true });
  for (const name of ['first', 'second']) await linkTree(join(from, name), join(work, name));
  process.env.HVBACKUP_STATE_DIR = placesOf(work).state;
  return work;
}

async function linkTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (entry.isDirectory()) await linkTree(join(from, entry.name), join(to, entry.name));
    else await link(join(from, entry.name), join(to, entry.name));
  }
}

/** Writes on the guest's disk and in its model. */
export async function guestWrites(
  invoke: Invoke,
  host: string,
  guest: Guest,
  random: () => number,
  scratch: string,
): Promise<void> {
  const { offset, data } = scribble(guest.disk, random);
  const file = join(scratch, 'written');
  await writeFile(file, data);
  await invoke('vm/write', { host, vm: guest.name, write: { type: 'file', offset, file } }, {});
  await rm(file);
}

function scribble(disk: Buffer, random: () => number): { offset: number; data: Buffer } {
  const length = 512 * (1 + below(random, 300));
  const offset = 512 * below(random, (DISK_SIZE - length) / 512);
  const data = Buffer.alloc(length);
  // Half of it compresses.
  for (let at = 0; at < length; at += 8) data.writeUInt32LE((random() * 2 ** 32) >>> 0, at);
  data.copy(disk, offset);
  return { offset, data };
}
