/** Sector bitmaps of differencing disks ([MS-VHDX] 2.4): bit n of a block's slice = sector n is in this file. */
import { corrupt } from '../errors.ts';
import { PAGE_SIZE, PageCache } from '../page-cache.ts';
import type { AllocationTable } from './allocation.ts';
import { bitmapSlice } from './geometry.ts';
import type { VhdxLayout } from './layout.ts';

/** A run of sectors of one block, [from, to), all present or all absent. */
export interface SectorRun {
  from: number;
  to: number;
  present: boolean;
}

export class SectorBitmaps {
  readonly #layout: VhdxLayout;
  readonly #table: AllocationTable;
  readonly #cache: PageCache;

  constructor(layout: VhdxLayout, table: AllocationTable) {
    this.#layout = layout;
    this.#table = table;
    this.#cache = new PageCache(layout.file, 64);
  }

  get dirtyPages(): number {
    return this.#cache.dirtyPages;
  }

  /** File offset of the block's slice. Slices never cross a page: both are powers of two, a slice at most 64 KiB. */
  async #slice(block: number): Promise<{ fileOffset: number; length: number }> {
    const { geometry } = this.#layout;
    const chunk = Math.floor(block / geometry.chunkRatio);
    const start = await this.#table.bitmap(chunk);
    if (start === null) {
      throw corrupt(
        this.#layout.file.path,
        `block ${block} is partially present but chunk ${chunk} has no sector bitmap`,
      );
    }
    const { offset, length } = bitmapSlice(geometry, block);
    return { fileOffset: start + offset, length };
  }

  /** The runs of sectors [from, to) of a partially present block, ascending and gapless. */
  async runs(block: number, from: number, to: number): Promise<SectorRun[]> {
    const { fileOffset } = await this.#slice(block);
    const page = await this.#cache.page(Math.floor(fileOffset / PAGE_SIZE));
    return [...bitRuns(page.data, fileOffset % PAGE_SIZE, from, to)];
  }

  /**
   * Marks sectors [from, to) of a block as present, in memory; writeBack() writes it.
   * @param fresh the block was not partially present before: what its slice held means nothing
   */
  async set(block: number, from: number, to: number, fresh: boolean): Promise<void> {
    const { fileOffset, length } = await this.#slice(block);
    await this.#cache.modify(fileOffset, length, (data, at) => {
      if (fresh) data.fill(0, at, at + length);
      setBits(data, at, from, to);
    });
  }

  writeBack(): Promise<void> {
    return this.#cache.writeBack();
  }
}

/** @param start byte of `data` where bit 0 lies */
export function* bitRuns(data: Uint8Array, start: number, from: number, to: number): Generator<SectorRun> {
  let at = from;
  while (at < to) {
    const present = bitAt(data, start, at);
    const whole = present ? 0xff : 0;
    let end = at + 1;
    while (end < to) {
      if (end % 8 === 0 && data[start + end / 8] === whole) end += 8;
      else if (bitAt(data, start, end) === present) end++;
      else break;
    }
    yield { from: at, to: Math.min(end, to), present };
    at = end;
  }
}

const bitAt = (data: Uint8Array, start: number, bit: number): boolean =>
  ((data[start + (bit >>> 3)]! >>> (bit & 7)) & 1) === 1;

/** Sets bits [from, to). @param start byte of `data` where bit 0 lies */
export function setBits(data: Buffer, start: number, from: number, to: number): void {
  let bit = from;
  while (bit < to) {
    if (bit % 8 === 0 && to - bit >= 8) {
      const bytes = Math.floor((to - bit) / 8);
      data.fill(0xff, start + bit / 8, start + bit / 8 + bytes);
      bit += bytes * 8;
    } else {
      data[start + (bit >>> 3)]! |= 1 << (bit & 7);
      bit++;
    }
  }
}
