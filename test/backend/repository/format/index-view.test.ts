/**
 * Indexes are read where they lie: the same records as ever, and nothing that cannot be right, whatever its checksum
 * says.
 */
import { hash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ENTRY_LENGTH } from '../../../../backend/src/catalog/segments/segment-format.ts';
import { sortEntries } from '../../../../backend/src/catalog/segments/sort-entries.ts';
import { PackClass, RecordKind } from '../../../../backend/src/repository/format/constants.ts';
import { randomId } from '../../../../backend/src/repository/format/ids.ts';
import {
  type IndexObject,
  parseIndex,
  recordsOf,
  renderIndex,
} from '../../../../backend/src/repository/format/index-format.ts';
import { type IndexRecords, IndexView } from '../../../../backend/src/repository/format/index-view.ts';
import type { RecordEntry } from '../../../../backend/src/repository/format/pack-format.ts';
import { newKeys } from '../../../../backend/src/repository/keys/key-store.ts';

const REPOSITORY = '0a51d2f4-7b0c-4f6e-9d55-3f1c2b7a8e90';
const HEAD = 44;
const BODY = HEAD + 16;

function record(i: number): RecordEntry {
  const kind = [RecordKind.block, RecordKind.delta, RecordKind.node][i % 3]!;
  const sizes = { rawLength: 4096 + (i % 100), storedLength: 300 + (i % 50), offset: 96 + i * 500 };
  const base = kind === RecordKind.delta ? { base: randomBytes(32) } : {};
  return { id: randomBytes(32), kind, encoding: i % 2 === 0 ? 1 : 0, ...sizes, ...base };
}

function indexOf(...counts: number[]): IndexObject {
  const packs = counts.map((count, i) => ({
    ...{ id: randomId(), length: 1_000_000 + i, sessionId: randomId() },
    ...{
      packClass: i % 2 === 0 ? PackClass.blocks : PackClass.nodes,
      records: Array.from({ length: count }, (_, n) => record(n)),
    },
  }));
  return { sessionId: randomId(), supersedes: [randomBytes(32).toString('hex')], packs };
}

/** What is told of each record, copied. */
const told = (index: IndexRecords): RecordEntry[][] =>
  index.packs.map((_, pack) => {
    const records: RecordEntry[] = [];
    index.eachRecord(pack, ({ bytes, idAt, kind, encoding, offset, rawLength, storedLength, base }, ordinal) => {
      expect(ordinal).toBe(records.length);
      const id = Buffer.from(bytes.subarray(idAt, idAt + 32));
      records.push({ id, kind, encoding, offset, rawLength, storedLength, ...(base && { base: Buffer.from(base) }) });
    });
    return records;
  });

describe('an index', () => {
  it.each([
    ['plain', null],
    ['encrypted', newKeys()],
  ])('tells the records of each pack in their order: %s', (_, keys) => {
    const index = indexOf(70, 1, 0, 200, 3);
    index.packs[3]!.records[5]!.id = index.packs[0]!.records[0]!.id;
    const { name, bytes } = renderIndex(index, REPOSITORY, keys);
    const view = new IndexView(bytes, `indexes/${name}`, REPOSITORY, keys);
    expect(told(view)).toEqual(index.packs.map(({ records }) => records));
    expect(told(recordsOf(index))).toEqual(told(view));
    expect(parseIndex(bytes, `indexes/${name}`, REPOSITORY, keys)).toEqual(index);
    expect(view.packs.map(({ id, length }) => [id, length])).toEqual(index.packs.map(({ id, length }) => [id, length]));
  });

  /** Offsets are of the body: 1 superseded index, 2 packs, then entries. */
  const PACKS = BODY + 32;
  const ENTRIES = PACKS + 2 * 48;
  it.each<[string, (bytes: Buffer) => void, RegExp]>([
    ['more records than it has room for', (b) => b.writeUInt32LE(2 ** 31, HEAD + 8), /counts/],
    ['counts that only fit together', (b) => b.writeBigUInt64LE(3n << 32n, HEAD), /counts/],
    ['a pack of an impossible length', (b) => b.writeBigUInt64LE(2n ** 62n, PACKS + 16), /impossible length/],
    ['a pack of no class', (b) => b.writeUInt16LE(7, PACKS + 44), /impossible length or class/],
    ['a pack with another number of records', (b) => b.writeUInt32LE(4, PACKS + 40), /all records of pack/],
    ['a record in no pack', (b) => b.writeUInt32LE(2, ENTRIES + 32), /no pack of this index/],
    [
      'a record in the other pack',
      (b) => b.writeUInt32LE(b.readUInt32LE(ENTRIES + 32) ^ 1, ENTRIES + 32),
      /all records/,
    ],
    ['a record before the first', (b) => b.writeUInt32LE(95, ENTRIES + 36), /impossible lengths/],
    ['a record behind the last', (b) => b.writeUInt32LE(2 ** 30, ENTRIES + 36), /impossible lengths/],
    ['a record of 4 GiB', (b) => b.writeUInt32LE(2 ** 32 - 1, ENTRIES + 40), /impossible lengths/],
    ['a record that is stored as nothing', (b) => b.writeUInt32LE(0, ENTRIES + 44), /impossible lengths/],
    ['a record of no kind', (b) => b.writeUInt8(9, ENTRIES + 48), /impossible lengths or kinds/],
    ['a record in no encoding', (b) => b.writeUInt8(2, ENTRIES + 49), /impossible lengths or kinds/],
    ['a base of what is not there', (b) => b.writeUInt32LE(99, ENTRIES + 6 * 52), /no delta/],
    [
      'a base of a block',
      (b) => b.writeUInt32LE([0, 1, 2, 3, 4, 5].find((i) => b[ENTRIES + i * 52 + 48] === 1)!, ENTRIES + 6 * 52),
      /no delta/,
    ],
    [
      'two bases of one delta, none of the other',
      (b) => b.copy(b, ENTRIES + 6 * 52, ENTRIES + 6 * 52 + 36, ENTRIES + 6 * 52 + 72),
      /no base/,
    ],
  ])('is refused with %s, though its checksum is right', (_, change, expected) => {
    const { bytes } = renderIndex(indexOf(3, 3), REPOSITORY, null);
    change(bytes);
    const digest = hash('sha256', bytes.subarray(0, -32), 'buffer');
    digest.copy(bytes, bytes.length - 32);
    const path = `indexes/${digest.toString('hex')}`;
    expect(() => new IndexView(bytes, path, REPOSITORY, null)).toThrow(expected);
    expect(() => parseIndex(bytes, path, REPOSITORY, null)).toThrow(expected);
  });

  it('is refused wherever a bit is flipped', () => {
    const { name, bytes } = renderIndex(indexOf(2), REPOSITORY, null);
    for (let i = 0; i < bytes.length; i++) {
      const changed = Buffer.from(bytes);
      changed[i]! ^= 1 << (i % 8);
      expect(() => new IndexView(changed, `indexes/${name}`, REPOSITORY, null)).toThrow();
    }
  });
});

describe('entries are sorted', () => {
  it.each<[string, number, (entries: Buffer, i: number) => void]>([
    ['by their ids', 5000, () => undefined],
    ['of a narrow range', 5000, (entries, i) => entries.fill(7, i * ENTRY_LENGTH, i * ENTRY_LENGTH + 2)],
    ['few of them', 9, () => undefined],
    ['none', 0, () => undefined],
    // Nobody promised that ids are hashes: quadratic time would be hours.
    ['that begin alike', 50_000, (entries, i) => entries.fill(0, i * ENTRY_LENGTH, i * ENTRY_LENGTH + 8)],
  ])('%s', (_, count, change) => {
    const entries = randomBytes(count * ENTRY_LENGTH);
    for (let i = 0; i < count; i++) change(entries, i);
    const order = sortEntries(entries, count);
    expect(order).toHaveLength(count);
    expect(new Set(order).size).toBe(count);
    const at = (i: number): Buffer => entries.subarray(order[i]! * ENTRY_LENGTH, (order[i]! + 1) * ENTRY_LENGTH);
    let wrong = 0;
    for (let i = 1; i < count; i++) if (Buffer.compare(at(i - 1), at(i)) > 0) wrong += 1;
    expect(wrong).toBe(0);
  });

  it('into memory of their own', () => {
    const entries = randomBytes(3000 * ENTRY_LENGTH);
    const first = sortEntries(entries, 3000);
    const copy = first.slice();
    sortEntries(randomBytes(3000 * ENTRY_LENGTH), 3000);
    expect(first).toEqual(copy);
  });
});
