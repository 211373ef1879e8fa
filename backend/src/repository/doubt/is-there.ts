/** Whether an object lies there, asked for by its own name: a listing may lack what is being put, or be short. */
import { isHvError } from '../../support/errors.ts';
import type { Storage } from '../storage/storage.ts';

/** @throws what the storage throws where it does not know */
export async function isThere(storage: Storage, name: string): Promise<boolean> {
  try {
    await storage.read(name, 0, Buffer.alloc(1));
    return true;
  } catch (error) {
    // What is in its place and cannot be read is none that may count.
    if (isHvError(error, 'FILE_NOT_FOUND', 'REPOSITORY_DAMAGED', 'NOT_A_DIRECTORY', 'NOT_A_FILE')) return false;
    throw error;
  }
}
