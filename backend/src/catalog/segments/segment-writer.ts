/** Writes a segment from entries that come in order. */
import { randomBytes } from 'node:crypto';
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { FILTER_FROM, IdFilter } from './id-filter.ts';
import {
  ENTRY_WORDS,
  PACK_WORD,
  PAGE_ENTRIES,
  PAGE_LENGTH,
  PAGE_WORDS,
  prefixOf,
  renderFences,
  type SegmentInfo,
  sealPage,
} from './segment-format.ts';

/** Pages written at once. */
const BATCH = 256;

export class SegmentWriter {
  readonly name = randomBytes(12).toString('hex');
  readonly #tag = randomBytes(4).readUInt32LE(0);
  readonly #path: string | null;
  readonly #file: number;
  /** What lies in memory instead of a file. */
  readonly #memory: Buffer[] = [];
  readonly #batch = new Uint32Array(BATCH * PAGE_WORDS);
  readonly #bytes = Buffer.from(this.#batch.buffer);
  #fences = new Float64Array(1024);
  #pages = 0;
  /** In the page being filled. */
  #count = 0;
  #entries = 0;
  #over = false;
  readonly #filter: IdFilter | null;

  /** @param folder null: the segment is kept in memory; @param expected number of entries at most */
  constructor(folder: string | null, expected: number) {
    this.#filter = folder !== null && expected >= FILTER_FROM ? IdFilter.for(expected) : null;
    this.#path = folder === null ? null : join(folder, this.name);
    this.#file = this.#path === null ? -1 : openSync(this.#path, 'wx', 0o600);
  }

  /**
   * @param words entries; @param at of the entry, in words; must not be below the one before
   * @param pack its pack number, when it is to be another than the entry says
   */
  append(words: Uint32Array, at: number, pack = words[at + PACK_WORD]!): void {
    const start = (this.#pages % BATCH) * PAGE_WORDS + this.#count * ENTRY_WORDS;
    for (let i = 0; i < ENTRY_WORDS; i++) this.#batch[start + i] = words[at + i]!;
    this.#batch[start + PACK_WORD] = pack;
    if (this.#entries > 0 && this.#repeats(start)) return;
    this.#filter?.add(this.#bytes, start * 4);
    this.#count += 1;
    this.#entries += 1;
    if (this.#count === PAGE_ENTRIES) this.#endPage();
  }

  /** Makes it durable. @returns what it is, and its bytes when it is in memory; null when it has no entries */
  finish(): { info: SegmentInfo; memory: Buffer | null } | null {
    if (this.#entries === 0) {
      this.abort();
      return null;
    }
    if (this.#count > 0) this.#endPage();
    this.#writeBatch(this.#pages % BATCH);
    this.#write(renderFences(this.#fences.subarray(0, this.#pages), this.#tag));
    for (const part of this.#filter?.render(this.#tag) ?? []) this.#write(part);
    if (this.#path !== null) {
      fdatasyncSync(this.#file);
      closeSync(this.#file);
      this.#over = true;
    }
    const info = { name: this.name, tag: this.#tag, pages: this.#pages, entries: this.#entries };
    return { info, memory: this.#path === null ? Buffer.concat(this.#memory) : null };
  }

  /** Gives up; idempotent, also after finish(). */
  abort(): void {
    if (this.#path === null || this.#over) return;
    this.#over = true;
    closeSync(this.#file);
    rmSync(this.#path, { force: true });
  }

  /** Two processes may have loaded the same index at once. */
  #repeats(start: number): boolean {
    if (this.#count === 0) return false;
    for (let i = 0; i < ENTRY_WORDS; i++)
      if (this.#batch[start + i] !== this.#batch[start + i - ENTRY_WORDS]) return false;
    return true;
  }

  #endPage(): void {
    const at = (this.#pages % BATCH) * PAGE_LENGTH;
    sealPage(this.#bytes.subarray(at, at + PAGE_LENGTH), this.#count, this.#tag, this.#pages);
    if (this.#pages === this.#fences.length) {
      const larger = new Float64Array(this.#fences.length * 2);
      larger.set(this.#fences);
      this.#fences = larger;
    }
    this.#fences[this.#pages] = prefixOf(this.#bytes, at);
    this.#pages += 1;
    this.#count = 0;
    if (this.#pages % BATCH === 0) this.#writeBatch(BATCH);
  }

  #writeBatch(pages: number): void {
    this.#write(this.#bytes.subarray(0, pages * PAGE_LENGTH));
  }

  #write(bytes: Buffer): void {
    if (this.#path === null) this.#memory.push(Buffer.from(bytes));
    else for (let done = 0; done < bytes.length; ) done += writeSync(this.#file, bytes, done, bytes.length - done);
  }
}
