/**
 * Second copies of what a repository cannot do without: its configuration and its key objects (docs/format.md §2.5).
 * One flipped bit in one small file must not cost everything. A copy counts only where its original is missing or
 * cannot be read.
 */
import { isHvError, toHvError } from '../../support/errors.ts';
import { parseConfig } from '../format/config.ts';
import { CONFIG_NAME } from '../format/constants.ts';
import { MAX_KEY_OBJECT_LENGTH, parseKeyObject } from '../format/key-object.ts';
import { Folder, keyObjectName, originalOf, parseKeyName, spareOf } from '../format/names.ts';
import type { Damage } from '../port/damage.ts';
import type { Storage } from '../storage/storage.ts';

export const MAX_CONFIG_LENGTH = 64 * 1024;

/** What reading an object that may have a copy is refused with, when the copy is worth a look. */
export const UNUSABLE = ['FILE_NOT_FOUND', 'NOT_A_FILE', 'NOT_A_DIRECTORY', 'REPOSITORY_DAMAGED', 'IO_ERROR'] as const;

/** @returns bytes of an intact copy; null when there is none. @param id of the key */
export async function readSpareKey(storage: Storage, id: string): Promise<Buffer | null> {
  return readIntact(storage, keyObjectName(id), spareOf(keyObjectName(id)));
}

/** @returns bytes of an intact copy of the configuration; null when there is none */
export const readSpareConfig = (storage: Storage): Promise<Buffer | null> =>
  readIntact(storage, CONFIG_NAME, spareOf(CONFIG_NAME));

/** Ids of the keys of which there is a copy. */
export async function spareKeyIds(storage: Storage): Promise<string[]> {
  try {
    const spares = await storage.list(spareOf(Folder.keys));
    return spares.flatMap(({ name }) => parseKeyName(originalOf(name) ?? '') ?? []);
  } catch (error) {
    if (isHvError(error, 'IO_ERROR')) return [];
    throw error;
  }
}

/** @param name of the original, which the content is judged by. @param path where it is read */
export async function readIntact(storage: Storage, name: string, path: string): Promise<Buffer | null> {
  try {
    const bytes = await storage.get(path, name === CONFIG_NAME ? MAX_CONFIG_LENGTH : MAX_KEY_OBJECT_LENGTH);
    requireIntact(storage, name, bytes);
    return bytes;
  } catch (error) {
    if (isHvError(error, ...UNUSABLE, 'NOT_SUPPORTED', 'REPOSITORY_VERSION')) return null;
    throw error;
  }
}

function requireIntact(storage: Storage, name: string, bytes: Buffer): void {
  if (name === CONFIG_NAME) parseConfig(bytes, storage.location);
  else parseKeyObject(bytes, name);
}

export const originals = async (storage: Storage): Promise<string[]> => {
  const keys = (await storage.list(Folder.keys)).map(({ name }) => name).filter(isKeyName);
  return [CONFIG_NAME, ...keys];
};

/**
 * Copies what has no copy yet. Best effort: what cannot be written now is written by a later prune.
 * @param names of originals; default: all there are
 */
export async function keepSpares(storage: Storage, names?: readonly string[]): Promise<void> {
  try {
    const there = new Set((await storage.list(Folder.spares)).map(({ name }) => name));
    for (const name of names ?? (await originals(storage)))
      if (!there.has(spareOf(name))) await keepSpare(storage, name);
  } catch (error) {
    if (!isHvError(error)) throw error;
  }
}

async function keepSpare(storage: Storage, name: string): Promise<void> {
  const bytes = await readIntact(storage, name, name);
  // Who put it may have died before it was durable: a copy that outlives it would indicate a loss.
  if (bytes !== null) await storage.settle(name);
  if (bytes === null || !(await storage.put(spareOf(name), bytes))) return;
  if (name === CONFIG_NAME) return;
  // A key that was removed meanwhile must not live on in its copy.
  const still = (await storage.list(Folder.keys)).some((object) => object.name === name);
  if (!still) await storage.delete(spareOf(name));
}

/** What is wrong with the copies, and with originals that only a copy stands for. */
export async function spareDamage(storage: Storage): Promise<Damage[]> {
  const found: Damage[] = [];
  for (const { name: path } of await storage.list(Folder.spares)) {
    const name = originalOf(path);
    if (name === null || (name !== CONFIG_NAME && !isKeyName(name))) continue;
    const copy = await readIntact(storage, name, path);
    const original = await readIntact(storage, name, name);
    if (copy === null || (original !== null && !original.equals(copy)))
      found.push({
        object: 'spare',
        path,
        message: `the second copy of ${name} cannot be read or differs from it. Run "hvbackup repair".`,
      });
    else if (original === null && isKeyName(name)) {
      const what = (await isThere(storage, name)) ? 'cannot be read' : 'is gone';
      const message = `the key object ${what}, and its second copy is there. Run "hvbackup repair" with its passphrase.`;
      found.push({ object: 'key', path: name, message });
    }
  }
  return found;
}

const isKeyName = (name: string): boolean => parseKeyName(name) !== null;

export async function isThere(storage: Storage, name: string): Promise<boolean> {
  return (await storage.list(Folder.keys)).some((object) => object.name === name);
}

/** What opening by a copy comes to, for listings. @param error what the original was refused with */
export function spareUsed(name: string, error: unknown): Damage {
  const why = isHvError(error, 'FILE_NOT_FOUND') ? 'it is gone' : toHvError(error).message;
  return {
    object: name === CONFIG_NAME ? 'config' : 'key',
    path: name,
    message: `${why}; its second copy was used. Run "hvbackup repair".`,
  };
}
