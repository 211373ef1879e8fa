/** The block allocation table, paged: which block lies where ([MS-VHDX] 2.5). */
import { corrupt } from '../errors.ts';
import { PAGE_SIZE, type Page, PageCache } from '../page-cache.ts';
import { type BatEntry, readBatEntry, writeBatEntry } from './format/bat-entry.ts';
import {
  BAT_ENTRY_SIZE,
  BITMAP_PRESENT,
  HEADER_SECTION_SIZE,
  PAYLOAD_FULLY_PRESENT,
  PAYLOAD_NOT_PRESENT,
  PAYLOAD_PARTIALLY_PRESENT,
  PAYLOAD_UNDEFINED,
  PAYLOAD_UNMAPPED,
  PAYLOAD_UNMAPPED_DRAFT,
  PAYLOAD_ZERO,
  SECTOR_BITMAP_BLOCK_SIZE,
} from './format/constants.ts';
import { bitmapIndex, blockFromIndex, payloadIndex } from './geometry.ts';
import type { VhdxLayout } from './layout.ts';

const ENTRIES_PER_PAGE = PAGE_SIZE / BAT_ENTRY_SIZE;

/** What a payload block's state means for reading. `here`: all of it in this file; `mixed`: sector by sector. */
export type BlockContent = 'here' | 'mixed' | 'zero' | 'parent';

export class AllocationTable {
  readonly #layout: VhdxLayout;
  readonly #cache: PageCache;

  constructor(layout: VhdxLayout) {
    this.#layout = layout;
    this.#cache = new PageCache(layout.file, 64);
  }

  get dirtyPages(): number {
    return this.#cache.dirtyPages;
  }

  /** File offset of BAT entry `index`. */
  #offset(index: number): number {
    return this.#layout.regions.bat.offset + index * BAT_ENTRY_SIZE;
  }

  /** File offset of a payload block's entry. */
  entryOffset(block: number): number {
    return this.#offset(payloadIndex(this.#layout.geometry, block));
  }

  /** The page that holds the entry of `block`, and the first block whose entry is beyond it. */
  async pageOf(block: number): Promise<{ page: Page; nextBlock: number }> {
    const index = payloadIndex(this.#layout.geometry, block);
    // The region starts at a megabyte: its pages are the file's.
    const page = await this.#cache.page(Math.floor(this.#offset(index) / PAGE_SIZE));
    const nextIndex = (Math.floor(index / ENTRIES_PER_PAGE) + 1) * ENTRIES_PER_PAGE;
    return { page, nextBlock: blockFromIndex(this.#layout.geometry, nextIndex) };
  }

  /** Decodes a block's entry from the page pageOf() gave. @throws DISK_CORRUPT for an impossible entry */
  entryIn(page: Page, block: number): BatEntry & { content: BlockContent } {
    const index = payloadIndex(this.#layout.geometry, block);
    const entry = readBatEntry(page.data, (index % ENTRIES_PER_PAGE) * BAT_ENTRY_SIZE);
    const content = this.#meaning(entry, index);
    if (content === 'here' || content === 'mixed') this.#checkPlace(entry, index, this.#payloadLength(block));
    return { ...entry, content };
  }

  /** File offset of a block from the page pageOf() gave; null when it has none, or its entry is damaged. */
  placeIn(page: Page, block: number): number | null {
    const index = payloadIndex(this.#layout.geometry, block);
    const { state, fileOffset } = readBatEntry(page.data, (index % ENTRIES_PER_PAGE) * BAT_ENTRY_SIZE);
    if (state !== PAYLOAD_FULLY_PRESENT && state !== PAYLOAD_PARTIALLY_PRESENT) return null;
    return fileOffset + this.#payloadLength(block) <= this.#layout.fileSize ? fileOffset : null;
  }

  async payload(block: number): Promise<BatEntry & { content: BlockContent }> {
    return this.entryIn((await this.pageOf(block)).page, block);
  }

  #meaning(entry: BatEntry, index: number): BlockContent {
    const differencing = this.#layout.metadata.locator !== null;
    switch (entry.state) {
      case PAYLOAD_FULLY_PRESENT:
        return 'here';
      case PAYLOAD_NOT_PRESENT:
        return differencing ? 'parent' : 'zero';
      // Undefined and unmapped may read as anything, also in a differencing disk; zeros leak nothing.
      case PAYLOAD_UNDEFINED:
      case PAYLOAD_ZERO:
      case PAYLOAD_UNMAPPED:
      case PAYLOAD_UNMAPPED_DRAFT:
        return 'zero';
      case PAYLOAD_PARTIALLY_PRESENT:
        if (differencing) return 'mixed';
    }
    throw corrupt(this.#layout.file.path, `BAT entry ${index} has state ${entry.state}`, this.#offset(index));
  }

  /** The last block of the disk may stick out; what sticks out is never read. */
  #payloadLength(block: number): number {
    const { size, blockSize } = this.#layout.geometry;
    return Math.min(blockSize, size - block * blockSize);
  }

  #checkPlace(entry: BatEntry, index: number, length: number): void {
    const { fileOffset } = entry;
    const end = fileOffset + length;
    const { regions, headers, fileSize, file } = this.#layout;
    const { logOffset, logLength } = headers.header;
    const hits = (offset: number, size: number): boolean => fileOffset < offset + size && end > offset;
    if (
      fileOffset < HEADER_SECTION_SIZE ||
      end > fileSize ||
      hits(logOffset, logLength) ||
      regions.all.some((region) => hits(region.offset, region.length))
    ) {
      const what = `BAT entry ${index} points to an impossible place`;
      throw corrupt(file.path, what, this.#offset(index), { fileOffset, length, fileSize });
    }
  }

  /** File offset of a chunk's sector bitmap block; null when it has none. */
  async bitmap(chunk: number): Promise<number | null> {
    const index = bitmapIndex(this.#layout.geometry, chunk);
    const offset = this.#offset(index);
    const page = await this.#cache.page(Math.floor(offset / PAGE_SIZE));
    const entry = readBatEntry(page.data, offset % PAGE_SIZE);
    if (entry.state === PAYLOAD_NOT_PRESENT) return null;
    if (entry.state !== BITMAP_PRESENT) {
      throw corrupt(this.#layout.file.path, `BAT entry ${index} of a sector bitmap has state ${entry.state}`, offset);
    }
    this.#checkPlace(entry, index, SECTOR_BITMAP_BLOCK_SIZE);
    return entry.fileOffset;
  }

  /** Changes a block's entry in memory; writeBack() writes it. */
  setPayload(block: number, state: number, fileOffset: number): Promise<void> {
    return this.#set(payloadIndex(this.#layout.geometry, block), state, fileOffset);
  }

  /** Makes a sector bitmap block's entry durable at once: no payload entry may rely on it before. */
  async setBitmap(chunk: number, fileOffset: number): Promise<void> {
    const index = bitmapIndex(this.#layout.geometry, chunk);
    const bytes = Buffer.alloc(BAT_ENTRY_SIZE);
    writeBatEntry(bytes, 0, BITMAP_PRESENT, fileOffset);
    await this.#layout.file.writeFully(this.#offset(index), bytes);
    await this.#layout.file.sync();
    await this.#set(index, BITMAP_PRESENT, fileOffset);
  }

  #set(index: number, state: number, fileOffset: number): Promise<void> {
    return this.#cache.modify(this.#offset(index), BAT_ENTRY_SIZE, (data, at) => {
      writeBatEntry(data, at, state, fileOffset);
    });
  }

  writeBack(): Promise<void> {
    return this.#cache.writeBack();
  }

  clear(): void {
    this.#cache.clear();
  }
}
