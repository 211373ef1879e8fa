/** Small JSON records of the operations: chain records and the crash journal, one document each. */
import { HvError, isHvError } from '../support/errors.ts';
import type { DocumentStore } from './document-store.ts';
import type { RecordStore } from './port.ts';
import type { Storage } from './storage/storage.ts';

/** Where operations may keep records; everything else belongs to the repository itself. */
const PREFIXES = /^(chains|jobs|holds)\//;

export class DocumentRecordStore implements RecordStore {
  readonly #storage: Storage;
  readonly #documents: DocumentStore;

  constructor(storage: Storage, documents: DocumentStore) {
    this.#storage = storage;
    this.#documents = documents;
  }

  async put(path: string, value: unknown): Promise<void> {
    if ((await this.#documents.put(requireRecordPath(path), value)) > 0) return;
    throw new HvError('FILE_EXISTS', `The record exists already: ${path}`, { data: { path } });
  }

  get(path: string): Promise<unknown> {
    return this.#documents.find(requireRecordPath(path));
  }

  async list(prefix: string): Promise<string[]> {
    requireRecordPath(prefix);
    // The storage lists folders; a prefix may end inside a name.
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    return (await this.#storage.list(folder)).map(({ name }) => name).filter((name) => name.startsWith(prefix));
  }

  async delete(path: string): Promise<boolean> {
    try {
      await this.#storage.delete(requireRecordPath(path));
      return true;
    } catch (error) {
      if (isHvError(error, 'ACCESS_DENIED', 'IO_ERROR')) return false;
      throw error;
    }
  }
}

function requireRecordPath(path: string): string {
  if (PREFIXES.test(path)) return path;
  throw new HvError('INTERNAL', `Records lie below chains/, jobs/ or holds/, not at ${path}`);
}
