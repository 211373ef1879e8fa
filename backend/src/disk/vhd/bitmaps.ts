/**
 * Sector bitmaps: before each block, a bit a sector, the highest bit of the first byte first. Clear means: in a
 * differencing disk the parent's, in a dynamic one never written, zeros.
 */
import type { RandomAccessFile } from '../../support/file.ts';
import { MIB, SECTOR } from './format/constants.ts';
import type { DynamicLayout } from './layout.ts';

/** A run of sectors of one block, [from, to), all present or all absent. */
export interface SectorRun {
  from: number;
  to: number;
  present: boolean;
}

/** Memory for bitmaps that are not all ones. */
const CACHE_BYTES = 4 * MIB;
const MAX_CACHED = 8192;

export class BlockBitmaps {
  readonly #file: RandomAccessFile;
  /** Bytes used of a bitmap; it is filled up to whole sectors. */
  readonly #length: number;
  readonly #sectors: number;
  readonly #capacity: number;
  /** File offset → bitmap, `full` when all bits are set; least recently used first. */
  readonly #cache = new Map<number, Buffer | 'full'>();

  constructor(file: RandomAccessFile, { blockSize }: DynamicLayout) {
    this.#file = file;
    this.#sectors = blockSize / SECTOR;
    this.#length = this.#sectors / 8;
    this.#capacity = Math.min(MAX_CACHED, Math.max(16, CACHE_BYTES / this.#length));
  }

  /** The runs of sectors [from, to) of the block whose bitmap is at `fileOffset`, ascending and gapless. */
  async runs(fileOffset: number, from: number, to: number): Promise<Iterable<SectorRun>> {
    const bitmap = this.#cache.get(fileOffset) ?? (await this.#load(fileOffset));
    return bitmap === 'full' ? [{ from, to, present: true }] : bitRuns(bitmap, from, to);
  }

  async #load(fileOffset: number): Promise<Buffer | 'full'> {
    const bytes = Buffer.alloc(this.#length);
    await this.#file.readFully(fileOffset, bytes);
    const bitmap = bytes.every((byte) => byte === 0xff) ? 'full' : bytes;
    this.#cache.set(fileOffset, bitmap);
    if (this.#cache.size > this.#capacity) this.#cache.delete(this.#cache.keys().next().value!);
    return bitmap;
  }
}

function* bitRuns(bits: Uint8Array, from: number, to: number): Generator<SectorRun> {
  let at = from;
  while (at < to) {
    const present = bitAt(bits, at);
    const whole = present ? 0xff : 0;
    let end = at + 1;
    while (end < to) {
      if (end % 8 === 0 && bits[end / 8] === whole) end += 8;
      else if (bitAt(bits, end) === present) end++;
      else break;
    }
    yield { from: at, to: Math.min(end, to), present };
    at = end;
  }
}

const bitAt = (bits: Uint8Array, bit: number): boolean => ((bits[bit >>> 3]! >>> (7 - (bit & 7))) & 1) === 1;
