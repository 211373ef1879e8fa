/** Keeps the bytes of an object below `quarantine/`, where no command reads or deletes them. */
import { isHvError } from '../../support/errors.ts';
import { quarantineName } from '../format/names.ts';
import type { Storage } from './storage.ts';

/** @returns false when its bytes cannot be read. Under a further name when the first one is taken by other bytes */
export async function keepAside(storage: Storage, name: string): Promise<boolean> {
  try {
    await keepBytes(storage, name, await storage.get(name, 2 ** 30));
    return true;
  } catch (error) {
    if (isHvError(error, 'FILE_NOT_FOUND', 'REPOSITORY_DAMAGED')) return false;
    throw error;
  }
}

export async function keepBytes(storage: Storage, name: string, bytes: Buffer): Promise<void> {
  for (let copy = 1; ; copy++) {
    const kept = quarantineName(name, copy);
    if (await storage.put(kept, bytes)) return;
    const there = await storage.get(kept, 2 ** 30).catch((error) => {
      if (isHvError(error, 'FILE_NOT_FOUND', 'REPOSITORY_DAMAGED')) return null;
      throw error;
    });
    if (there !== null && bytes.equals(there)) return;
  }
}
