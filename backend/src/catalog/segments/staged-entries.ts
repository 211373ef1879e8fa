/** Entries of indexes on their way into a segment. Packs go by their position in `packs` until they have a number. */

import { RecordKind } from '../../repository/format/constants.ts';
import type { IndexRecords } from '../../repository/format/index-view.ts';
import type { CatalogPack } from '../../repository/port/catalog.ts';
import { ENTRY_WORDS, PACK_WORD, writeEntry } from './segment-format.ts';
import type { SegmentWriter } from './segment-writer.ts';
import { MAX_SORT, sortEntries } from './sort-entries.ts';

export interface StagedPack extends Omit<CatalogPack, 'number'> {
  blocks: number;
  blockBytes: number;
  nodes: number;
  bases: { ordinal: number; base: Buffer }[];
}

export interface StagedIndex {
  name: string;
  supersedes: readonly string[];
  /** Positions in `packs`. */
  first: number;
  end: number;
}

/** As many entries as are sorted at once; each becomes a segment. */
class Chunk {
  words = new Uint32Array(4096 * ENTRY_WORDS);
  entries = Buffer.from(this.words.buffer);
  count = 0;

  /** Makes room for one more. */
  grow(): void {
    if ((this.count + 1) * ENTRY_WORDS <= this.words.length) return;
    const larger = new Uint32Array(Math.min(MAX_SORT * ENTRY_WORDS, this.words.length * 2));
    larger.set(this.words);
    this.words = larger;
    this.entries = Buffer.from(larger.buffer);
  }
}

export class StagedEntries {
  readonly indexes: StagedIndex[] = [];
  readonly packs: StagedPack[] = [];
  #chunks: Chunk[] = [new Chunk()];
  /** Of all chunks. */
  count = 0;

  add(name: string, index: IndexRecords): void {
    const first = this.packs.length;
    for (let i = 0; i < index.packs.length; i++) this.#addPack(index, i);
    this.indexes.push({ name, supersedes: index.supersedes, first, end: this.packs.length });
  }

  /**
   * @param numbers of the packs; 0 where the entries are known already;
   * @param open makes a segment for at most so many entries
   */
  write(numbers: Uint32Array, open: (entries: number) => SegmentWriter): void {
    for (const { words, entries, count } of this.#chunks) {
      const target = open(count);
      const order = sortEntries(entries, count);
      for (let i = 0; i < count; i++) {
        const at = order[i]! * ENTRY_WORDS;
        const number = numbers[words[at + PACK_WORD]!]!;
        if (number > 0) target.append(words, at, number);
      }
    }
  }

  clear(): void {
    this.indexes.length = 0;
    this.packs.length = 0;
    // The first is used again: its memory would be garbage of 10 MB each time.
    const [first] = this.#chunks as [Chunk];
    first.count = 0;
    this.#chunks = [first];
    this.count = 0;
  }

  #addPack(index: IndexRecords, position: number): void {
    const { id, length, sessionId, packClass } = index.packs[position]!;
    const pack: StagedPack = {
      ...{ id, length, sessionId, packClass, records: 0 },
      ...{ blocks: 0, blockBytes: 0, nodes: 0, bases: [] },
    };
    const number = this.packs.push(pack) - 1;
    index.eachRecord(position, (record, ordinal) => {
      const { data, idAt, rawLength, kind, base } = record;
      let chunk = this.#chunks.at(-1)!;
      if (chunk.count === MAX_SORT) {
        chunk = new Chunk();
        this.#chunks.push(chunk);
      }
      chunk.grow();
      writeEntry(chunk.words, chunk.count * ENTRY_WORDS, data, idAt, number, ordinal, record);
      chunk.count += 1;
      pack.records += 1;
      if (kind === RecordKind.node) pack.nodes += 1;
      else if (kind === RecordKind.block) {
        pack.blocks += 1;
        pack.blockBytes += rawLength;
        // A copy: as a view it would keep all of the index.
      } else if (base !== undefined) pack.bases.push({ ordinal, base: Buffer.from(base) });
    });
    this.count += pack.records;
  }
}
