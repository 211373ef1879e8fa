/**
 * Writing past the page cache (O_DIRECT), for files that are written once, in large pieces, and flushed at the end:
 * copying into the cache costs more than the write itself, and pushes out what others had there.
 */
import { constants, promises as fs } from 'node:fs';
import { toHvError } from './errors.ts';

/**
 * Offsets, lengths and addresses of direct reads and writes are multiples of this: the page, which no disk's sectors
 * exceed.
 */
export const DIRECT_GRAIN = 4096;
/** Smaller pieces are better left to the cache, which gathers and reads ahead. Bytes. */
export const DIRECT_MINIMUM = 65536;
/** f_type of ext2 to ext4 and XFS: local, and known to do as O_DIRECT says. */
const FILE_SYSTEMS = new Set([0xef53, 0x58465342]);

/** Whether a file lies where O_DIRECT is known to work. @throws the system's own error */
export async function knowsDirect(path: string): Promise<boolean> {
  return process.platform === 'linux' && FILE_SYSTEMS.has((await fs.statfs(path)).type);
}

export class DirectWrites {
  readonly #path: string;
  #handle: fs.FileHandle | null;

  private constructor(path: string, handle: fs.FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  /** @returns null where there are no direct writes; the file is then written as any other */
  static async open(path: string): Promise<DirectWrites | null> {
    try {
      if (!(await knowsDirect(path))) return null;
      return new DirectWrites(path, await fs.open(path, constants.O_WRONLY | constants.O_DIRECT));
    } catch {
      return null;
    }
  }

  /**
   * Writes the beginning of `data`, as far as it can be written directly. Not durable before the file is flushed.
   * @returns bytes written, 0 when nothing of it can: the rest is the caller's
   * @throws as any write
   */
  async write(offset: number, data: Uint8Array): Promise<number> {
    let done = 0;
    const whole = data.length - (data.length % DIRECT_GRAIN);
    if (whole < DIRECT_MINIMUM || offset % DIRECT_GRAIN !== 0) return 0;
    while (this.#handle !== null && done < whole && done % DIRECT_GRAIN === 0) {
      try {
        const { bytesWritten } = await this.#handle.write(data, done, whole - done, offset + done);
        if (bytesWritten === 0) break;
        done += bytesWritten;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw toHvError(error, this.#path);
        // The disk asks for more than our grain, or the memory is not aligned: it will not be the next time either.
        await this.close();
      }
    }
    return done;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    await handle?.close().catch(() => undefined);
  }
}
