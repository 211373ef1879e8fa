/**
 * A bounded cache of file pages for tables that may be far larger than memory should be spent on: block allocation
 * tables, sector bitmaps. Changed pages stay until written back; only the sectors that changed are written.
 */
import { isZero } from '../support/bytes.ts';
import type { RandomAccessFile } from '../support/file.ts';

/** Bytes a page, and bytes a unit of writing back: small enough that a power cut tears nothing that matters. */
export const PAGE_SIZE = 65536;
const WRITE_UNIT = 4096;

export interface Page {
  readonly data: Buffer;
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
    let loading = this.#loading.get(number);
    if (loading === undefined) {
      loading = this.#load(number).finally(() => this.#loading.delete(number));
      this.#loading.set(number, loading);
    }
    return loading;
  }

  async #load(number: number): Promise<Page> {
    const data = Buffer.allocUnsafeSlow(PAGE_SIZE);
    const got = await this.#file.readUpTo(number * PAGE_SIZE, data);
    data.fill(0, got);
    const page: Page = { data, zero: isZero(data), dirty: 0 };
    this.#pages.set(number, page);
    this.#evict();
    return page;
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
    const at = fileOffset % PAGE_SIZE;
    change(page.data, at);
    page.zero = false;
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
