/**
 * A storage whose calls are repeated when they fail for the moment ({@link Patience}; docs/storage.md). Every call may
 * be repeated: reads and listings change nothing, deleting what is gone is no error, and a put that finds its name
 * taken after an attempt of its own looks whether what is there is its own object.
 */

import type { ObjectInfo, PutStream, Storage, StorageEntry, StorageRoom } from '../storage.ts';
import { HeldPut } from './held-put.ts';
import { isOwn } from './own-object.ts';
import type { Patience } from './patience.ts';

export class RetryingStorage implements Storage {
  readonly location: string;
  readonly grain?: number;
  readonly room?: StorageRoom;
  readonly folders?: (prefix: string) => Promise<Map<string, string>>;
  readonly entries?: (folder: string) => Promise<StorageEntry[]>;
  readonly clock?: () => Promise<number>;
  readonly #inner: Storage;
  readonly #patience: Patience;
  readonly #closed: () => void;

  /** @param closed called once when the storage is closed */
  constructor(inner: Storage, patience: Patience, closed: () => void = () => undefined) {
    this.#inner = inner;
    this.#patience = patience;
    this.#closed = closed;
    this.location = inner.location;
    this.grain = inner.grain;
    // What fails there has another way.
    this.room = inner.room;
    if (inner.folders !== undefined) this.folders = (prefix) => patience.run(prefix, () => inner.folders!(prefix));
    if (inner.clock !== undefined) this.clock = () => patience.run('tmp/', () => inner.clock!());
    if (inner.entries !== undefined) this.entries = (folder) => patience.run(folder, () => inner.entries!(folder));
  }

  put(name: string, data: Uint8Array): Promise<boolean> {
    return this.#patience.run(name, async (failed) => {
      if (await this.#inner.put(name, data)) return true;
      return failed > 0 && isOwn(this.#inner, name, [data]);
    });
  }

  async createPut(name: string): Promise<PutStream> {
    const first = await this.#patience.run(name, () => this.#inner.createPut(name));
    // A local disk does not come back: when it fails a flush it has failed, and memory would be held for nothing.
    if (first.local) return first;
    return new HeldPut(name, this.#inner, first, this.#patience);
  }

  get(name: string, limit?: number): Promise<Buffer> {
    return this.#patience.run(name, () => this.#inner.get(name, limit));
  }

  read(name: string, offset: number, target: Uint8Array): Promise<void> {
    return this.#patience.run(name, () => this.#inner.read(name, offset, target));
  }

  list(prefix: string, options?: { sizes?: boolean }): Promise<ObjectInfo[]> {
    return this.#patience.run(prefix, () => this.#inner.list(prefix, options));
  }

  delete(name: string): Promise<void> {
    return this.#patience.run(name, () => this.#inner.delete(name));
  }

  settle(name: string): Promise<void> {
    return this.#patience.run(name, () => this.#inner.settle(name));
  }

  housekeep(): Promise<number> {
    return this.#patience.run('tmp/', () => this.#inner.housekeep());
  }

  async close(): Promise<void> {
    await this.#inner.close();
    this.#closed();
  }
}
