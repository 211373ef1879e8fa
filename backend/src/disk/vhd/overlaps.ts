/**
 * Blocks that share bytes of the file. Windows and others refuse such a disk, or give one block's data for another's;
 * the table is walked once, with memory that does not grow with it.
 */

import type { BlockTable } from './block-table.ts';
import { MIB, SECTOR, UNALLOCATED } from './format/constants.ts';
import type { DynamicLayout, VhdLayout } from './layout.ts';

/** Buckets looked at in one walk of the table: 16 MiB of memory. Real disks need one walk, or a few. */
const WINDOW = MIB;
/** More walks than this is a table that nothing but an attack has. */
const MAX_WALKS = 64;
/**
 * Entries looked at in all walks but the first: some seconds. The largest disk with blocks of 512 KiB needs 16 million.
 */
const MAX_ENTRIES = 1 << 26;

export interface OverlapReport {
  /** Blocks that share bytes with another, each with the one it was found to share with. At most `limit`. */
  blocks: Map<number, number>;
  /** Whether all were looked at: neither the limit nor the number of walks was reached. */
  complete: boolean;
}

/**
 * The file is cut into buckets as long as a block: two blocks that start in one bucket overlap, and a block can only
 * overlap others that start in its own or a neighbouring one. Impossible places are left out: they are refused anyway.
 */
export async function findOverlaps(
  layout: VhdLayout,
  dynamic: DynamicLayout,
  table: BlockTable,
  limit: number,
): Promise<OverlapReport> {
  const stride = (dynamic.bitmapSize + dynamic.blockSize) / SECTOR;
  const buckets = Math.ceil(layout.fileSize / SECTOR / stride) + 1;
  const blocks = new Map<number, number>();
  const window = new Window(Math.min(WINDOW, buckets), stride, blocks, limit);
  let walks = 0;
  for (let first = 0; first < buckets; first += WINDOW) {
    const tooMany = ++walks > MAX_WALKS || (walks > 1 && walks * dynamic.blockCount > MAX_ENTRIES);
    if (tooMany || blocks.size >= limit) return { blocks, complete: false };
    window.start(first);
    await walk(dynamic, table, window);
  }
  return { blocks, complete: blocks.size < limit };
}

async function walk(dynamic: DynamicLayout, table: BlockTable, window: Window): Promise<void> {
  for (let block = 0; block < dynamic.blockCount; ) {
    const { page, nextBlock } = await table.pageOf(block);
    // Sector 0 holds the footer's copy: none of a page of zeros has a possible place.
    if (page.zero) block = nextBlock;
    for (; block < nextBlock; block++) {
      const sector = table.sectorIn(page, block);
      if (sector !== UNALLOCATED && table.problemOf(block, sector) === null) window.add(block, sector);
    }
  }
}

/** Start sectors of the blocks seen so far, per bucket the lowest and the highest: what lies between overlaps both. */
class Window {
  readonly #stride: number;
  readonly #blocks: Map<number, number>;
  readonly #limit: number;
  readonly #low: Uint32Array;
  readonly #high: Uint32Array;
  readonly #lowBlock: Uint32Array;
  readonly #highBlock: Uint32Array;
  #first = 0;

  constructor(buckets: number, stride: number, blocks: Map<number, number>, limit: number) {
    this.#stride = stride;
    this.#blocks = blocks;
    this.#limit = limit;
    // One more on each side: what starts just outside may reach in.
    [this.#low, this.#high, this.#lowBlock, this.#highBlock] = Array.from(
      { length: 4 },
      () => new Uint32Array(buckets + 2),
    ) as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];
  }

  start(first: number): void {
    this.#first = first - 1;
    // No block starts at sector 0: it holds the footer's copy.
    this.#low.fill(0);
    this.#high.fill(0);
  }

  add(block: number, sector: number): void {
    const index = Math.floor(sector / this.#stride) - this.#first;
    if (index < 0 || index >= this.#low.length) return;
    if (this.#low[index] !== 0) this.#report(block, this.#lowBlock[index]!);
    if (index > 0 && this.#high[index - 1]! !== 0 && this.#high[index - 1]! + this.#stride > sector) {
      this.#report(block, this.#highBlock[index - 1]!);
    }
    const above = this.#low[index + 1] ?? 0;
    if (above !== 0 && above < sector + this.#stride) this.#report(block, this.#lowBlock[index + 1]!);
    if (this.#low[index] === 0 || sector < this.#low[index]!) {
      this.#low[index] = sector;
      this.#lowBlock[index] = block;
    }
    if (sector >= this.#high[index]!) {
      this.#high[index] = sector;
      this.#highBlock[index] = block;
    }
  }

  #report(one: number, other: number): void {
    if (this.#blocks.size >= this.#limit) return;
    if (!this.#blocks.has(one)) this.#blocks.set(one, other);
    if (!this.#blocks.has(other)) this.#blocks.set(other, one);
  }
}
