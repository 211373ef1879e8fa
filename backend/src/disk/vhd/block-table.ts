/** The block allocation table, paged: which block lies where ("Block Allocation Table and Data Blocks"). */
import { hex } from '../../support/errors.ts';
import type { RandomAccessFile } from '../../support/file.ts';
import { corrupt } from '../errors.ts';
import { PAGE_SIZE, type Page, PageCache } from '../page-cache.ts';
import { SECTOR, TABLE_ENTRY_SIZE, UNALLOCATED } from './format/constants.ts';
import type { DynamicLayout, VhdLayout } from './layout.ts';

export class BlockTable {
  readonly #file: RandomAccessFile;
  readonly #fileSize: number;
  readonly #size: number;
  readonly #dynamic: DynamicLayout;
  readonly #cache: PageCache;

  constructor(layout: VhdLayout, dynamic: DynamicLayout) {
    this.#file = layout.file;
    this.#fileSize = layout.fileSize;
    this.#size = layout.size;
    this.#dynamic = dynamic;
    this.#cache = new PageCache(layout.file, 16);
  }

  /** File offset of a block's entry, bytes. */
  entryOffset(block: number): number {
    return this.#dynamic.tableOffset + block * TABLE_ENTRY_SIZE;
  }

  /** The page that holds the entry of `block`, and the first block whose entry is beyond it. */
  async pageOf(block: number): Promise<{ page: Page; nextBlock: number }> {
    const number = Math.floor(this.entryOffset(block) / PAGE_SIZE);
    const page = await this.#cache.page(number);
    const nextBlock = ((number + 1) * PAGE_SIZE - this.#dynamic.tableOffset) / TABLE_ENTRY_SIZE;
    return { page, nextBlock: Math.min(nextBlock, this.#dynamic.blockCount) };
  }

  /** The sector number in a block's entry, unchecked. @param page as pageOf() gave it */
  sectorIn(page: Page, block: number): number {
    return page.data.readUInt32BE(this.entryOffset(block) % PAGE_SIZE);
  }

  /**
   * File offset of a block's bitmap, its content follows; null when the block is not allocated.
   * @throws DISK_CORRUPT for an impossible place
   */
  placeIn(page: Page, block: number): number | null {
    const sector = this.sectorIn(page, block);
    if (sector === UNALLOCATED) return null;
    const problem = this.problemOf(block, sector);
    if (problem === null) return sector * SECTOR;
    throw corrupt(this.#file.path, problem, this.entryOffset(block), {
      block,
      fileOffset: sector * SECTOR,
      fileSize: this.#fileSize,
    });
  }

  /** Why a block cannot lie where its entry says; null when it can. */
  problemOf(block: number, sector: number): string | null {
    const { bitmapSize, blockSize, structures } = this.#dynamic;
    const start = sector * SECTOR;
    // The last block of the disk may stick out; what sticks out is never read.
    const end = start + bitmapSize + Math.min(blockSize, this.#size - block * blockSize);
    if (end > this.#fileSize) return `block ${block} at ${hex(start)} reaches beyond the end of the file`;
    const hit = structures.find(({ offset, length }) => start < offset + length && end > offset);
    return hit === undefined ? null : `block ${block} at ${hex(start)} overlaps the ${hit.name}`;
  }
}
