/**
 * Reading past the page cache (O_DIRECT), for what is read once, in large pieces, and not soon again: disks that are
 * backed up, packs that are restored. The cache would cost a copy, and push out what others have there.
 */
import { constants, promises as fs } from 'node:fs';
import { isAligned } from './aligned-memory.ts';
import { allDone } from './concurrency.ts';
import { DIRECT_GRAIN, DIRECT_MINIMUM, knowsDirect } from './direct-writes.ts';
import { toHvError } from './errors.ts';
import { type FileOpener, openFile, type RandomAccessFile } from './file.ts';

/**
 * As openFile(), but that files opened for reading only are read directly where that can be had: pieces of 64 KiB and
 * more, into aligned memory that lies to a page as the offset in the file does. Everything else is read as usual.
 */
export const openUncached: FileOpener = async (filePath, mode) => {
  // Objects of a repository: several accounts may share it, as the mode of its folder says.
  const file = await openFile(filePath, mode, 0o666);
  return mode === 'read' && process.platform === 'linux' ? new DirectFile(file) : file;
};

class DirectFile implements RandomAccessFile {
  readonly #file: RandomAccessFile;
  /** Opened when first needed; null: not to be had. */
  #handle: Promise<fs.FileHandle | null> | undefined;

  constructor(file: RandomAccessFile) {
    this.#file = file;
  }

  get path(): string {
    return this.#file.path;
  }

  async readFully(offset: number, target: Uint8Array): Promise<void> {
    // What is missing is for the other way to say.
    if (!(await this.#read(offset, target))) await this.#file.readFully(offset, target);
  }

  async readUpTo(offset: number, target: Uint8Array): Promise<number> {
    return (await this.#read(offset, target)) ? target.length : this.#file.readUpTo(offset, target);
  }

  /** @returns false when it was not read, or not all of it */
  async #read(offset: number, target: Uint8Array): Promise<boolean> {
    if (target.length < DIRECT_MINIMUM || !isAligned(target, offset, DIRECT_GRAIN)) return false;
    this.#handle ??= this.#open();
    const handle = await this.#handle;
    if (handle === null) return false;
    const start = -offset & (DIRECT_GRAIN - 1);
    const end = target.length - ((offset + target.length) & (DIRECT_GRAIN - 1));
    let got = 0;
    const parts: Promise<void>[] = [
      handle.read(target, start, end - start, offset + start).then(
        ({ bytesRead }) => {
          got += bytesRead;
        },
        (error: unknown) => {
          if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw toHvError(error, this.path);
          // The disk asks for more than our grain: it will not do the next time either.
          this.#handle = Promise.resolve(null);
          return handle.close().catch(() => undefined);
        },
      ),
    ];
    // The rest of the first page and of the last.
    const rest = async (from: number, to: number) => {
      if (from < to) got += await this.#file.readUpTo(offset + from, target.subarray(from, to));
    };
    parts.push(rest(0, start), rest(end, target.length));
    await allDone(parts);
    return got === target.length;
  }

  async #open(): Promise<fs.FileHandle | null> {
    try {
      if (!(await knowsDirect(this.path))) return null;
      return await fs.open(this.path, constants.O_RDONLY | constants.O_DIRECT);
    } catch {
      return null;
    }
  }

  async close(): Promise<void> {
    const handle = await this.#handle;
    this.#handle = Promise.resolve(null);
    await handle?.close().catch(() => undefined);
    await this.#file.close();
  }

  size(): Promise<number> {
    return this.#file.size();
  }
  writeFully(offset: number, data: Uint8Array): Promise<void> {
    return this.#file.writeFully(offset, data);
  }
  truncate(size: number): Promise<void> {
    return this.#file.truncate(size);
  }
  sync(): Promise<void> {
    return this.#file.sync();
  }
}
