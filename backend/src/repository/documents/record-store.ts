/** Small JSON records of the operations: chain records and the crash journal, one document each. */
import { HvError, isHvError } from '../../support/errors.ts';
import { hiddenName, type RepositoryKeys } from '../format/keys.ts';
import { Folder, folderOf, parseVmRecord } from '../format/names.ts';
import type { RecordStore } from '../port/records.ts';
import type { Storage } from '../storage/storage.ts';
import type { DocumentStore } from './document-store.ts';

/** Where operations may keep records; everything else belongs to the repository itself. */
const FOLDERS = [Folder.chains, Folder.jobs, Folder.holds];

export class DocumentRecordStore implements RecordStore {
  readonly #storage: Storage;
  readonly #documents: DocumentStore;
  readonly #keys: RepositoryKeys | null;

  /** @param keys of an encrypted repository, else null */
  constructor(storage: Storage, documents: DocumentStore, keys: RepositoryKeys | null) {
    this.#storage = storage;
    this.#documents = documents;
    this.#keys = keys;
  }

  async put(path: string, value: unknown): Promise<void> {
    if ((await this.#documents.put(this.#nameOf(path), value)) > 0) return;
    throw new HvError('FILE_EXISTS', `The record exists already: ${path}`, { data: { path } });
  }

  get(path: string): Promise<unknown> {
    return this.#documents.find(this.#nameOf(path));
  }

  async list(prefix: string): Promise<string[]> {
    // The storage lists folders; a prefix may end inside a name.
    const folder = folderOf(prefix);
    const stored = this.#nameOf(folder);
    return (await this.#storage.list(stored))
      .map(({ name }) => folder + name.slice(stored.length))
      .filter((path) => path.startsWith(prefix));
  }

  settle(path: string): Promise<void> {
    return this.#storage.settle(this.#nameOf(path));
  }

  async delete(path: string): Promise<boolean> {
    try {
      await this.#storage.delete(this.#nameOf(path));
      return true;
    } catch (error) {
      if (isHvError(error, 'ACCESS_DENIED', 'IO_ERROR')) return false;
      throw error;
    }
  }

  /** The object's name: that of the record, but in an encrypted repository without the VM's id (docs/format.md §7). */
  #nameOf(path: string): string {
    if (!FOLDERS.some((folder) => path.startsWith(folder)))
      throw new HvError('INTERNAL', `Records lie below chains/, jobs/ or holds/, not at ${path}`);
    const ofVm = parseVmRecord(path);
    if (this.#keys === null || ofVm === null) return path;
    const { folder, vm, rest } = ofVm;
    // Hidden names cannot be turned back: who asks for all VMs at once would get nothing he can use.
    if (vm === '' || rest === undefined) throw new HvError('INTERNAL', `Records are listed for one VM, not at ${path}`);
    return folder + hiddenName(this.#keys, vm) + rest;
  }
}
