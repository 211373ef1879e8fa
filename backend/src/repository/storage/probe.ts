/** Asks for an object by its own name: a listing may be short, and may lack what is being put at the moment. */
import { isHvError } from '../../support/errors.ts';
import type { Storage } from './storage.ts';

/**
 * @returns what is found in its place: `unreadable` when it is empty or cannot be read any more. Whether that counts as
 *   there or as gone is the caller's to say: the answer that deletes nothing
 * @throws what says nothing about this object: an outage of the storage
 */
export async function probe(storage: Storage, name: string): Promise<'readable' | 'unreadable' | 'gone'> {
  try {
    await storage.read(name, 0, Buffer.alloc(1));
    return 'readable';
  } catch (error) {
    if (isHvError(error, 'FILE_NOT_FOUND')) return 'gone';
    if (isHvError(error, 'REPOSITORY_DAMAGED')) return 'unreadable';
    throw error;
  }
}
