/**
 * A bounded cache of file pages for tables that may be far larger than memory should be spent on: block allocation
 * tables, sector bitmaps. Changed pages stay until written back; only the sectors that changed are written.
 */
import { alignedMemory } from '../support/aligned-memory.ts';
import { isZero } from '../support/bytes.ts';
import type { RandomAccessFile } from '../support/file.ts';

/** Bytes a page, and bytes a unit of writing back: small enough that a power cut tears nothing that matters. */
export const PAGE_SIZE = 65536;
const WRITE_UNIT = 4096;
/** Pages read at once when a table is walked in order. */
const READ_AHEAD = 16;
/** What all pages of zeros share until they change. */
const ZERO_PAGE = Buffer.alloc(PAGE_SIZE);

/**
 * Fresh memory costs more than the read itself: one buffer serves all walks, unless two overlap. Aligned, so that a
 * table can be read past the system's cache.
 */
let walk: { buffer: Buffer; busy: boolean } | undefined;

export interface Page {
  data: Buffer;
  /** Only zeros; lets a scan step over it. */
  zero: boolean;
  /** One bit per WRITE_UNIT that changed. */
  dirty: number;
}

export class PageCache {
  readonly #file: RandomAccessFile;
  readonly #capacity: number;
  /** Page number → page, least recently used first. */
  readonly #pages = new Map<number, Page>();
  readonly #loading = new Map<number, Promise<Page>>();
  readonly #dirty = new Set<number>();
  #lastLoaded = -2;

  /** @param capacity clean pages kept */
  constructor(file: RandomAccessFile, capacity = 64) {
    this.#file = file;
    this.#capacity = capacity;
  }

  get dirtyPages(): number {
    return this.#dirty.size;
  }

  /** Page `number` of the file, at file offset number × PAGE_SIZE. Past the end of the file it is zeros. */
  async page(number: number): Promise<Page> {
    const known = this.#pages.get(number);
    if (known !== undefined) {
      this.#pages.delete(number);
      this.#pages.set(number, known);
      return known;
    }
    return this.#loading.get(number) ?? this.#load(number);
  }

  /** Loads a page, and those after it when the one before it was loaded last: whole tables are walked in order. */
  #load(number: number): Promise<Page> {
    const ahead = number === this.#lastLoaded + 1 ? READ_AHEAD : 1;
    let count = 1;
    while (count < ahead && !this.#pages.has(number + count) && !this.#loading.has(number + count)) count++;
    this.#lastLoaded = number + count - 1;
    const all = this.#read(number, count).finally(() => {
      for (let index = 0; index < count; index++) this.#loading.delete(number + index);
    });
    for (let index = 0; index < count; index++) {
      const one = all.then((pages) => pages[index]!);
      // Pages read ahead may have no caller waiting for them; a caller that asks for one gets the failure.
      one.catch(() => undefined);
      this.#loading.set(number + index, one);
    }
    return this.#loading.get(number)!;
  }

  async #read(number: number, count: number): Promise<Page[]> {
    walk ??= { buffer: Buffer.from(alignedMemory(READ_AHEAD * PAGE_SIZE)), busy: false };
    if (walk.busy) return this.#readInto(Buffer.allocUnsafeSlow(count * PAGE_SIZE), number, count);
    walk.busy = true;
    try {
      return await this.#readInto(walk.buffer, number, count);
    } finally {
      walk.busy = false;
    }
  }

  async #readInto(buffer: Buffer, number: number, count: number): Promise<Page[]> {
    const bytes = buffer.subarray(0, count * PAGE_SIZE);
    bytes.fill(0, await this.#file.readUpTo(number * PAGE_SIZE, bytes));
    const pages = Array.from({ length: count }, (_, index): Page => {
      const data = bytes.subarray(index * PAGE_SIZE, (index + 1) * PAGE_SIZE);
      const zero = isZero(data);
      return { data: zero ? ZERO_PAGE : Buffer.from(data), zero, dirty: 0 };
    });
    pages.forEach((page, index) => {
      this.#pages.set(number + index, page);
    });
    this.#evict();
    return pages;
  }

  #evict(): void {
    if (this.#pages.size - this.#dirty.size <= this.#capacity) return;
    for (const [number, page] of this.#pages) {
      if (page.dirty !== 0) continue;
      this.#pages.delete(number);
      if (this.#pages.size - this.#dirty.size <= this.#capacity) return;
    }
  }

  /**
   * Changes bytes of the file in memory; writeBack() writes them.
   * @param change gets the page's bytes and the position of `fileOffset` in them; the range stays within one page
   */
  async modify(fileOffset: number, length: number, change: (data: Buffer, at: number) => void): Promise<void> {
    const number = Math.floor(fileOffset / PAGE_SIZE);
    let page = await this.page(number);
    // Between loading and this line another reader may have pushed it out: a change to it would be lost.
    while (this.#pages.get(number) !== page) page = await this.page(number);
    if (page.zero) page.data = Buffer.alloc(PAGE_SIZE);
    page.zero = false;
    const at = fileOffset % PAGE_SIZE;
    change(page.data, at);
    const last = Math.floor((at + length - 1) / WRITE_UNIT);
    for (let unit = Math.floor(at / WRITE_UNIT); unit <= last; unit++) page.dirty |= 1 << unit;
    this.#dirty.add(number);
  }

  /** Writes what changed to the file, in ascending order. Does not flush the file. */
  async writeBack(): Promise<void> {
    for (const number of [...this.#dirty].sort((a, b) => a - b)) {
      const page = this.#pages.get(number)!;
      for (let unit = 0; unit < PAGE_SIZE / WRITE_UNIT; unit++) {
        if ((page.dirty & (1 << unit)) === 0) continue;
        const from = unit * WRITE_UNIT;
        await this.#file.writeFully(number * PAGE_SIZE + from, page.data.subarray(from, from + WRITE_UNIT));
      }
      page.dirty = 0;
      this.#dirty.delete(number);
    }
    this.#evict();
  }

  /** Forgets everything, changes included. */
  clear(): void {
    this.#pages.clear();
    this.#dirty.clear();
  }
}
