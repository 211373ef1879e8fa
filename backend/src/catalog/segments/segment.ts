/** Reads a segment: an id costs one page. */
import { closeSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { IdFilter, MOST_FILTER_BYTES } from './id-filter.ts';
import {
  checkPage,
  ENTRY_LENGTH,
  fencesLength,
  KEY_LENGTH,
  PAGE_LENGTH,
  parseFences,
  prefixOf,
  SegmentDamage,
  type SegmentInfo,
} from './segment-format.ts';

export interface Page {
  bytes: Buffer;
  count: number;
}

export class Segment {
  readonly info: SegmentInfo;
  readonly #path: string;
  readonly #memory: Buffer | null;
  #file: number | undefined;
  #fences: Float64Array | undefined;
  #filter: IdFilter | null = null;
  #filterAsked = false;

  /** Nothing is read before it is needed. @param memory the segment itself, when it is not in the file `path` */
  constructor(info: SegmentInfo, path: string, memory: Buffer | null = null) {
    this.info = info;
    this.#path = path;
    this.#memory = memory;
  }

  /** Calls `found` with page and offset of every entry of this id. @throws SegmentDamage */
  find(id: Uint8Array, prefix: number, load: (segment: Segment, page: number) => Page, found: Found): void {
    if (this.#filter?.mayHave(id) === false) return;
    const fences = this.#loadFences();
    // The page before the first that begins with the prefix or behind it may end with it.
    for (let page = Math.max(0, this.pageOf(prefix) - 1); page < fences.length && fences[page]! <= prefix; page++) {
      const { bytes, count } = load(this, page);
      for (let i = lowerBound(bytes, count, prefix); i < count; i++) {
        const at = i * ENTRY_LENGTH;
        if (prefixOf(bytes, at) !== prefix) break;
        if (bytes.compare(id, 0, KEY_LENGTH, at, at + KEY_LENGTH) === 0) found(bytes, at);
      }
    }
  }

  /** First page whose first id is not below `prefix`. */
  pageOf(prefix: number): number {
    const fences = this.#loadFences();
    let low = 0;
    let high = fences.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (fences[middle]! < prefix) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Pages [first, first + count), not checked yet. @param room for them, where they need not lie then */
  readPages(first: number, count: number, room: Buffer): Buffer {
    return this.#read(first * PAGE_LENGTH, count * PAGE_LENGTH, room);
  }

  /** @param spare a page's memory that is no longer in use: millions of new ones would only be garbage */
  readPage(number: number, spare?: Buffer): Page {
    const bytes = this.#read(number * PAGE_LENGTH, PAGE_LENGTH, spare);
    return { bytes, count: checkPage(bytes, this.info, number) };
  }

  /**
   * Reads the filter that lies behind the page table, if there is one and it has not been read before. Never fails:
   * pages give the same answer.
   */
  async loadFilter(): Promise<void> {
    if (this.#memory !== null || this.#filterAsked) return;
    this.#filterAsked = true;
    const { pages, tag } = this.info;
    try {
      // Of its own: the other may be closed, and its number be that of another file, before this has ended.
      await using file = await open(this.#path, 'r');
      const at = pages * PAGE_LENGTH + fencesLength(pages);
      const length = (await file.stat()).size - at;
      if (length <= 0 || length > MOST_FILTER_BYTES) return;
      const bytes = Buffer.allocUnsafeSlow(length);
      const { bytesRead } = await file.read(bytes, 0, length, at);
      if (bytesRead === length) this.#filter = IdFilter.parse(bytes, tag);
    } catch {
      // It may have been merged with others meanwhile.
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #loadFences(): Float64Array {
    const { pages } = this.info;
    this.#fences ??= parseFences(this.#read(pages * PAGE_LENGTH, fencesLength(pages)), this.info);
    return this.#fences;
  }

  #read(offset: number, length: number, spare?: Buffer): Buffer {
    if (this.#memory !== null) return this.#memory.subarray(offset, offset + length);
    // Not from the pool: what is kept of a page would keep the 64 KiB around it.
    const bytes = spare ?? Buffer.allocUnsafeSlow(length);
    try {
      this.#file ??= openSync(this.#path, 'r');
      for (let done = 0; done < length; ) {
        const got = readSync(this.#file, bytes, done, length - done, offset + done);
        if (got === 0) throw new SegmentDamage(`segment ${this.info.name} ends before its time`);
        done += got;
      }
    } catch (cause) {
      if (cause instanceof SegmentDamage) throw cause;
      throw new SegmentDamage(`segment ${this.info.name} cannot be read`, { cause });
    }
    return bytes;
  }
}

export type Found = (page: Buffer, at: number) => void;

/** First entry of a page whose id is not below `prefix`. */
export function lowerBound(page: Buffer, count: number, prefix: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (prefixOf(page, middle * ENTRY_LENGTH) < prefix) low = middle + 1;
    else high = middle;
  }
  return low;
}
