/** A file in the making: under a temporary name beside its final one until it is complete and durable. */

import { nonZeroStretches } from '../support/bytes.ts';
import { allDone } from '../support/concurrency.ts';
import { DirectWrites } from '../support/direct-writes.ts';
import { HvError } from '../support/errors.ts';
import { exists, type FileOpener, openFile, publishFile, type RandomAccessFile, removeFile } from '../support/file.ts';
import { removeDeadTemporaries, temporaryName } from '../support/temporary-files.ts';

/** Zeros are left as holes in runs of at least this many bytes. */
const HOLE_GRAIN = 65536;
/** Bytes. */
const FLUSH_EVERY = 64 << 20;

export class NewFile {
  readonly path: string;
  readonly file: RandomAccessFile;
  readonly #direct: DirectWrites | null;
  #state: 'open' | 'published' | 'gone' = 'open';
  #unflushed = 0;
  #flushing: Promise<void> | null = null;
  #failure: unknown = null;

  private constructor(path: string, file: RandomAccessFile, direct: DirectWrites | null) {
    this.path = path;
    this.file = file;
    this.#direct = direct;
  }

  /** @throws FILE_EXISTS when the final name is taken already */
  static async create(path: string, opener: FileOpener = openFile): Promise<NewFile> {
    if (await exists(path)) {
      throw new HvError('FILE_EXISTS', `The file exists already: ${path}`, {
        advice: 'Choose another name, or remove the file first.',
        data: { path },
      });
    }
    await removeDeadTemporaries(path);
    const file = await opener(temporaryName(path), 'create');
    // An opener of its own is there to see every write.
    return new NewFile(path, file, opener === openFile ? await DirectWrites.open(file.path) : null);
  }

  /**
   * Writes (calls may overlap), and has what was written so far flushed on the side now and then: left to publish()
   * alone, flushing would only begin when everything else is done.
   */
  async write(offset: number, data: Uint8Array): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    const done = (await this.#direct?.write(offset, data)) ?? 0;
    if (done < data.length) await this.file.writeFully(offset + done, data.subarray(done));
    this.#unflushed += data.length;
    if (this.#unflushed < FLUSH_EVERY || this.#flushing !== null) return;
    this.#unflushed = 0;
    this.#flushing = this.file
      .sync()
      .catch((error: unknown) => {
        this.#failure = error;
      })
      .finally(() => {
        this.#flushing = null;
      });
  }

  /** As write(), leaving zeros out: they must not lie over anything else. */
  async writeSparse(offset: number, data: Uint8Array): Promise<void> {
    const writes: Promise<void>[] = [];
    for (const { start, end } of nonZeroStretches(data, HOLE_GRAIN))
      writes.push(this.write(offset + start, data.subarray(start, end)));
    await allDone(writes);
  }

  /** Content durable, then the name, then the folder. @throws FILE_EXISTS when the name was taken meanwhile */
  async publish(): Promise<void> {
    await this.#flushing;
    // A failed flush is reported once: the next one would succeed without what was lost.
    if (this.#failure !== null) throw this.#failure;
    await this.file.sync();
    await this.#direct?.close();
    await this.file.close();
    await publishFile(this.file.path, this.path);
    this.#state = 'published';
  }

  /** Removes what was written. Idempotent; does nothing once published. */
  async abort(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'gone';
    await this.#flushing;
    await this.#direct?.close();
    await this.file.close().catch(() => undefined);
    await removeFile(this.file.path);
  }
}
