/** Reads and writes documents (docs/format.md §2.2) of one repository. */
import { isHvError } from '../../support/errors.ts';
import { parseDocument, renderDocument } from '../format/document.ts';
import { objectLimit } from '../format/document-limits.ts';
import type { RepositoryKeys } from '../format/keys.ts';
import type { Storage } from '../storage/storage.ts';

export class DocumentStore {
  readonly #storage: Storage;
  readonly #repositoryId: string;
  readonly #keys: RepositoryKeys | null;

  /** @param keys of an encrypted repository, else null */
  constructor(storage: Storage, repositoryId: string, keys: RepositoryKeys | null) {
    this.#storage = storage;
    this.#repositoryId = repositoryId;
    this.#keys = keys;
  }

  /** @returns bytes stored, or 0 when the name is taken */
  async put(name: string, value: unknown): Promise<number> {
    const bytes = renderDocument(value, name, this.#repositoryId, this.#keys);
    return (await this.#storage.put(name, bytes)) ? bytes.length : 0;
  }

  /**
   * What does not decode is read again: a tombstone that counts as damaged hides nothing, and a read may go wrong once.
   * @throws FILE_NOT_FOUND, REPOSITORY_DAMAGED, NOT_SUPPORTED
   */
  async get(name: string): Promise<unknown> {
    return this.#read(name).catch((error) => {
      if (isHvError(error, 'REPOSITORY_DAMAGED')) return this.#read(name);
      throw error;
    });
  }

  async #read(name: string): Promise<unknown> {
    return parseDocument(await this.#storage.get(name, objectLimit(name)), name, this.#repositoryId, this.#keys);
  }

  /** @returns null when absent */
  async find(name: string): Promise<unknown> {
    try {
      return await this.get(name);
    } catch (error) {
      if (isHvError(error, 'FILE_NOT_FOUND')) return null;
      throw error;
    }
  }
}
