/**
 * Appending to a file past the page cache: pieces of any length are gathered in aligned memory and written from there.
 */
import { alignedMemory } from './aligned-memory.ts';
import { copyBytes } from './copy-bytes.ts';
import { DirectWrites } from './direct-writes.ts';
import type { RandomAccessFile } from './file.ts';

/** Bytes of a buffer, a multiple of what direct writes ask for. */
const LENGTH = 1 << 20;
/** One is filled while the other is written. */
const BUFFERS = 2;
/** Buffers made at once: each piece of aligned memory takes much address space. */
const GROUP = 8;
const idle: Buffer[] = [];

function takeBuffer(): Buffer {
  if (idle.length === 0) {
    const memory = alignedMemory(GROUP * LENGTH);
    for (let i = 0; i < GROUP; i++) idle.push(Buffer.from(memory, i * LENGTH, LENGTH));
  }
  return idle.pop()!;
}

/** Runs a write, again where that may help. */
export type WriteGuard = <T>(write: () => Promise<T>) => Promise<T>;

/** Memory: at most two buffers of 1 MiB, taken when needed and given back by end(). */
export class GatheredWrites {
  readonly #file: RandomAccessFile;
  readonly #direct: Pick<DirectWrites, 'write' | 'close'>;
  readonly #free: Buffer[] = [];
  #made = 0;
  /** What is being filled, and how far. */
  #buffer: Buffer | undefined;
  #filled = 0;
  /** Where in the file the buffer belongs. */
  #position = 0;
  readonly #writing = new Set<Promise<void>>();
  #failure: unknown;
  /** Pieces are gathered one after the other. */
  #tail: Promise<void> = Promise.resolve();

  constructor(file: RandomAccessFile, direct: Pick<DirectWrites, 'write' | 'close'>) {
    this.#file = file;
    this.#direct = direct;
  }

  /**
   * @param file empty, and the caller's to flush and close
   * @param guard runs each write, and may run it again
   * @returns null where there are no direct writes
   */
  static async open(file: RandomAccessFile, guard: WriteGuard = (write) => write()): Promise<GatheredWrites | null> {
    const direct = await DirectWrites.open(file.path);
    if (direct === null) return null;
    const write = (offset: number, data: Uint8Array) => guard(() => direct.write(offset, data));
    return new GatheredWrites(file, { write, close: () => direct.close() });
  }

  /**
   * Adds `chunk` at the end. Calls may overlap; they count in the order they were made. The chunk is free for reuse
   * when it resolves; written it is only after end(). @throws what any write failed with
   */
  append(chunk: Uint8Array): Promise<void> {
    const gathered = this.#tail.then(() => this.#gather(chunk));
    this.#tail = gathered.catch(() => undefined);
    return gathered;
  }

  /** Writes what is left and gives the memory back. Not durable before the file is flushed. @throws as append() */
  async end(): Promise<void> {
    await this.#tail;
    this.#write();
    await Promise.all(this.#writing);
    idle.push(...this.#free.splice(0));
    await this.#direct.close();
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #gather(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      if (this.#failure !== undefined) throw this.#failure;
      this.#buffer ??= await this.#nextBuffer();
      const count = Math.min(chunk.length - at, LENGTH - this.#filled);
      copyBytes(Buffer.from(chunk.buffer, chunk.byteOffset + at, count), this.#buffer, this.#filled);
      this.#filled += count;
      at += count;
      if (this.#filled === LENGTH) this.#write();
    }
  }

  async #nextBuffer(): Promise<Buffer> {
    if (this.#free.length === 0 && this.#made < BUFFERS) {
      this.#made += 1;
      return takeBuffer();
    }
    while (this.#free.length === 0) await Promise.race(this.#writing);
    return this.#free.pop()!;
  }

  /** Starts writing what was gathered. */
  #write(): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    const [offset, length] = [this.#position, this.#filled];
    this.#buffer = undefined;
    this.#position += length;
    this.#filled = 0;
    const writing = this.#writeOut(offset, buffer.subarray(0, length))
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#writing.delete(writing);
        this.#free.push(buffer);
      });
    this.#writing.add(writing);
  }

  async #writeOut(offset: number, data: Buffer): Promise<void> {
    const done = await this.#direct.write(offset, data);
    if (done < data.length) await this.#file.writeFully(offset + done, data.subarray(done));
  }
}
