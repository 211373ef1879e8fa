/**
 * Lays changed parts of blocks out in slots (see engine/patch.ts): which page list or delta of the repository and which
 * pages of the disk it takes to know the new block (docs/format.md §4, "When a writer makes a delta").
 */
import { changedBitmapLength, deltaLimit, patchRoom } from '../engine/patch.ts';
import { META_FIELDS, Meta, type Slot } from '../engine/slot.ts';
import { type BlockScheme, listLength, pagesOf, recordRoom } from '../format/block-scheme.ts';
import { ID_LENGTH, RECORD_HEADER_LENGTH, RecordKind } from '../format/constants.ts';
import type { BlockPatch } from '../port/writing.ts';
import type { RecordLocation } from '../records/record-index.ts';
import type { BaseBlocks } from './base-blocks.ts';
import type { SessionStore } from './session-store.ts';

/** A part of the content that goes to `at` of the slot's input, all within one block. Bytes. */
export interface DiskPart {
  offset: number;
  length: number;
  at: number;
}

/** An old record, or the beginning of one, that goes to `at` of the slot's input. */
export interface OldPart {
  entry: number;
  location: RecordLocation;
  length: number;
  at: number;
}

/** What fills a slot, and what it holds then. */
export interface PatchBatch {
  /** Block numbers, ascending: one an entry. */
  indices: number[];
  disk: DiskPart[];
  old: OldPart[];
  /** Parts of the input that nothing is read into. */
  zeros: { at: number; length: number }[];
  /** By entry: pack of the whole record that a delta is made over. */
  basePacks: (string | undefined)[];
}

/** What is known of a patch before it has a place. */
interface Sketch {
  patch: BlockPatch;
  /** Changed pages, ascending; all when the block is read whole. */
  pages: number[];
  /** `zero`: the block was zeros, so what did not change still is. */
  over: 'nothing' | 'zero' | { id: Buffer; location: RecordLocation; basePack: string };
  /** Bytes of the slot's input and output. */
  input: number;
  output: number;
}

export class PatchPlanner {
  readonly #store: SessionStore;
  readonly #base: BaseBlocks;
  readonly #wholeFrom: number;
  #waiting: Sketch | undefined;

  /** @param wholeFrom number of the first block that must be read whole: the base has more of it than there is now */
  constructor(store: SessionStore, base: BaseBlocks, wholeFrom: number) {
    this.#store = store;
    this.#base = base;
    this.#wholeFrom = wholeFrom;
  }

  /** Takes patches from the iterator until the slot is full. */
  async plan(patches: Iterator<BlockPatch>, slot: Slot): Promise<PatchBatch> {
    const batch: PatchBatch = { indices: [], disk: [], old: [], zeros: [], basePacks: [] };
    let input = 0;
    let output = 0;
    while (batch.indices.length < slot.entries) {
      const sketch = this.#waiting ?? (await this.#next(patches));
      this.#waiting = sketch;
      if (sketch === undefined) break;
      if (input + sketch.input > slot.input.length || output + sketch.output > slot.output.length) break;
      this.#waiting = undefined;
      this.#place(batch, slot, sketch, input);
      input += sketch.input;
      output += sketch.output;
    }
    return batch;
  }

  async #next(patches: Iterator<BlockPatch>): Promise<Sketch | undefined> {
    const { done, value: patch } = patches.next();
    if (done) return undefined;
    const { scheme } = this.#store.core;
    const whole: Omit<Sketch, 'over'> = { patch, pages: [], input: scheme.blockSize, output: recordRoom(scheme) };
    if (scheme.pageSize === 0 || patch.index >= this.#wholeFrom) return { ...whole, over: 'nothing' };
    const pages = changedPages(patch, scheme.blockSize, scheme.pageSize);
    const most = pagesOf(scheme, scheme.blockSize);
    const id = await this.#base.idOf(patch.index);
    if (id === null) {
      // Behind the last changed page it still is zeros.
      const input = ((pages.at(-1) ?? -1) + 1) * scheme.pageSize;
      return { patch, pages, over: 'zero', input, output: recordRoom(scheme) - scheme.blockSize + input };
    }
    if (pages.length > deltaLimit(most)) return { ...whole, over: 'nothing' };
    const below = this.#store.findBelow(id);
    if (below === undefined) return { ...whole, over: 'nothing' };
    const { location, base } = below;
    const room = patchRoom(scheme, location.base ? deltaLimit(most) : pages.length);
    const input = oldLength(location, scheme) + room;
    const output = RECORD_HEADER_LENGTH + most * ID_LENGTH + room;
    return { patch, pages, over: { id, location, basePack: base.packId }, input, output };
  }

  #place(batch: PatchBatch, slot: Slot, sketch: Sketch, at: number): void {
    const { scheme } = this.#store.core;
    const { patch, pages, over } = sketch;
    const entry = batch.indices.push(patch.index) - 1;
    const start = patch.index * scheme.blockSize;
    const meta = slot.meta.subarray(entry * META_FIELDS, (entry + 1) * META_FIELDS);
    batch.basePacks.push(typeof over === 'object' ? over.basePack : undefined);
    if (typeof over === 'string') {
      meta[Meta.kind] = RecordKind.block;
      meta[Meta.plain] = at;
      meta[Meta.plainLength] = sketch.input;
      if (over === 'nothing') {
        batch.disk.push({ offset: start, length: scheme.blockSize, at });
        return;
      }
      batch.zeros.push({ at, length: sketch.input });
      for (const { first, count } of runsOf(pages)) {
        const within = first * scheme.pageSize;
        batch.disk.push({ offset: start + within, length: count * scheme.pageSize, at: at + within });
      }
      return;
    }
    over.id.copy(slot.baseIds, entry * ID_LENGTH);
    const length = oldLength(over.location, scheme);
    batch.old.push({ entry, location: over.location, length, at });
    const bitmapEnd = at + length + changedBitmapLength(scheme);
    slot.input.fill(0, at + length, bitmapEnd);
    for (const page of pages) slot.input[at + length + (page >> 3)]! |= 1 << (page & 7);
    meta[Meta.kind] = RecordKind.delta;
    meta[Meta.baseOffset] = at;
    meta[Meta.baseLength] = length;
    meta[Meta.plain] = bitmapEnd;
    meta[Meta.plainLength] = at + sketch.input - bitmapEnd;
    let into = at + sketch.input - pages.length * scheme.pageSize;
    for (const { first, count } of runsOf(pages)) {
      batch.disk.push({ offset: start + first * scheme.pageSize, length: count * scheme.pageSize, at: into });
      into += count * scheme.pageSize;
    }
  }
}

/** Of a whole record, header and page list; of a delta all of it. */
function oldLength(location: RecordLocation, scheme: BlockScheme): number {
  const body = location.base ? location.storedLength : listLength(scheme, location.rawLength);
  return RECORD_HEADER_LENGTH + body;
}

function changedPages(patch: BlockPatch, blockSize: number, pageSize: number): number[] {
  const start = patch.index * blockSize;
  const pages: number[] = [];
  for (const { offset, length } of patch.ranges) {
    const from = Math.max(0, Math.floor((offset - start) / pageSize), (pages.at(-1) ?? -1) + 1);
    const to = Math.min(blockSize, offset + length - start) / pageSize;
    for (let page = from; page < to; page++) pages.push(page);
  }
  return pages;
}

function* runsOf(pages: readonly number[]): Generator<{ first: number; count: number }> {
  for (let i = 0; i < pages.length; ) {
    let count = 1;
    while (pages[i + count] === pages[i]! + count) count += 1;
    yield { first: pages[i]!, count };
    i += count;
  }
}
