/** The segments of a catalog: what is looked up in all of them, and when some are put together. */
import { join } from 'node:path';
import type { RecordKind } from '../../repository/format/constants.ts';
import { type Page, Segment } from './segment.ts';
import { type EntryFields, prefixOf, readEntry, type SegmentInfo } from './segment-format.ts';

/** Checked pages kept: 8 MiB. A small repository lies in memory with them, a large one is not meant to. */
const CACHED_PAGES = 2048;
/** More than this many segments make looking up slow. */
const MANY = 8;
/** A segment this many times as large as all smaller ones together is left alone: rewriting it would not pay. */
const TIER = 4;

interface Cached {
  name: string;
  number: number;
  page: Page;
}

export class SegmentSet {
  readonly #folder: string | null;
  #segments = new Map<string, Segment>();
  readonly #memory = new Map<string, Buffer>();
  /**
   * Of each segment the number of its first page, counted over all: as long as all pages fit, each has a slot of its
   * own.
   */
  #firstPages = new Map<Segment, number>();
  readonly #cache: (Cached | undefined)[] = new Array(CACHED_PAGES).fill(undefined);

  /** @param folder of the files; null: segments are kept in memory */
  constructor(folder: string | null) {
    this.#folder = folder;
  }

  get segments(): readonly Segment[] {
    return [...this.#segments.values()];
  }

  /** Of all, as one text: another one whenever one was replaced. */
  names(): string {
    return [...this.#segments.keys()].join();
  }

  /** Takes over what the catalog lists now. */
  replace(infos: readonly SegmentInfo[]): void {
    const next = new Map<string, Segment>();
    // The small ones are the latest: what is looked for is most likely there.
    for (const info of infos.toSorted((a, b) => a.entries - b.entries))
      next.set(info.name, this.#segments.get(info.name) ?? this.#make(info));
    for (const [name, segment] of this.#segments) if (!next.has(name)) segment.close();
    this.#segments = next;
    this.#firstPages = new Map();
    let pages = 0;
    for (const segment of next.values()) {
      this.#firstPages.set(segment, pages);
      pages += segment.info.pages;
    }
  }

  /** Keeps the bytes of a segment that has no file. */
  keep(name: string, bytes: Buffer): void {
    this.#memory.set(name, bytes);
  }

  forget(name: string): void {
    this.#memory.delete(name);
  }

  /**
   * Entries with this id and one of two kinds, segment after segment.
   * @param isEnough called with each; when one is, no further segment is read. @throws SegmentDamage
   */
  find(id: Uint8Array, kind: RecordKind, otherKind: RecordKind, isEnough: (entry: EntryFields) => boolean): void {
    const prefix = prefixOf(id);
    let enough = false;
    for (const segment of this.#segments.values()) {
      segment.find(id, prefix, this.#load, (page, at) => {
        const entry = readEntry(page, at);
        if (entry.kind === kind || entry.kind === otherKind) enough = isEnough(entry) || enough;
      });
      if (enough) return;
    }
  }

  /**
   * Reads filters of large segments in the background, which spares most look-ups of what is not there their page.
   * Never fails.
   */
  loadFilters(): void {
    for (const segment of this.#segments.values()) void segment.loadFilter();
  }

  /** Segments that should become one, smallest first; none when all is well. */
  worthMerging(): Segment[] {
    const ascending = [...this.#segments.values()].sort((a, b) => a.info.entries - b.info.entries);
    if (ascending.length <= MANY) return [];
    let sum = 0;
    let count = 0;
    for (const { info } of ascending) {
      if (count >= 2 && info.entries > sum * TIER) break;
      sum += info.entries;
      count += 1;
    }
    return ascending.slice(0, count);
  }

  close(): void {
    for (const segment of this.#segments.values()) segment.close();
  }

  readonly #load = (segment: Segment, number: number): Page => {
    const { name } = segment.info;
    const slot = ((this.#firstPages.get(segment) ?? 0) + number) % CACHED_PAGES;
    const cached = this.#cache[slot];
    if (cached?.number === number && cached.name === name) return cached.page;
    // Before its memory is written to: a page that turns out to be damaged must not be found under the old name.
    this.#cache[slot] = undefined;
    const page = segment.readPage(number, this.#folder === null ? undefined : cached?.page.bytes);
    this.#cache[slot] = { name, number, page };
    return page;
  };

  #make(info: SegmentInfo): Segment {
    const path = this.#folder === null ? '' : join(this.#folder, info.name);
    return new Segment(info, path, this.#memory.get(info.name) ?? null);
  }
}
