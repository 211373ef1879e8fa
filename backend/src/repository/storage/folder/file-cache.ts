/** Keeps files open between ranged reads: opening costs more than reading a block. */
import { isHvError } from '../../../support/errors.ts';
import type { FileOpener, RandomAccessFile } from '../../../support/file.ts';

interface Entry {
  file: Promise<RandomAccessFile>;
  users: number;
  /** Set when it left the cache: the last user closes it. */
  dropped: boolean;
}

export class FileCache {
  readonly #open: FileOpener;
  readonly #limit: number;
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry>();

  constructor(open: FileOpener, limit: number) {
    this.#open = open;
    this.#limit = limit;
  }

  /** Runs `action` with the file opened for reading; it stays open while any action runs. */
  async use<T>(filePath: string, action: (file: RandomAccessFile) => Promise<T>): Promise<T> {
    let entry = this.#entries.get(filePath);
    if (entry === undefined) entry = { file: this.#open(filePath, 'read'), users: 0, dropped: false };
    this.#entries.delete(filePath);
    this.#entries.set(filePath, entry);
    entry.users += 1;
    try {
      this.#evict();
      const file = await entry.file.catch((error) => {
        if (this.#entries.get(filePath) === entry) this.#entries.delete(filePath);
        throw error;
      });
      return await action(file).catch(async (error) => {
        // The handle may be what is at fault: a share that was remounted knows it no more. The next one opens the file
        // again.
        if (isHvError(error, 'IO_ERROR') && this.#entries.get(filePath) === entry) await this.#drop(filePath, entry);
        throw error;
      });
    } finally {
      entry.users -= 1;
      if (entry.dropped && entry.users === 0) await closeQuietly(entry);
    }
  }

  /** Closes the file as soon as no one reads it. */
  async forget(filePath: string): Promise<void> {
    const entry = this.#entries.get(filePath);
    if (entry !== undefined) await this.#drop(filePath, entry);
  }

  async close(): Promise<void> {
    for (const [filePath, entry] of [...this.#entries]) await this.#drop(filePath, entry);
  }

  #evict(): void {
    for (const [filePath, entry] of this.#entries) {
      if (this.#entries.size <= this.#limit) return;
      if (entry.users === 0) void this.#drop(filePath, entry);
    }
  }

  async #drop(filePath: string, entry: Entry): Promise<void> {
    this.#entries.delete(filePath);
    entry.dropped = true;
    if (entry.users === 0) await closeQuietly(entry);
  }
}

async function closeQuietly(entry: Entry): Promise<void> {
  await entry.file.then((file) => file.close()).catch(() => undefined);
}
