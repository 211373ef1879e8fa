/**
 * Filters of large segments: nothing that is there is missed, most of what is not is told without a page, and nothing
 * false is believed.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { IdFilter } from '../../../backend/src/catalog/segments/id-filter.ts';
import { Segment } from '../../../backend/src/catalog/segments/segment.ts';
import {
  ENTRY_WORDS,
  fencesLength,
  PAGE_LENGTH,
  type SegmentInfo,
  writeEntry,
} from '../../../backend/src/catalog/segments/segment-format.ts';
import { SegmentWriter } from '../../../backend/src/catalog/segments/segment-writer.ts';
import { RecordKind } from '../../../backend/src/repository/format/constants.ts';
import { dataOf } from '../../../backend/src/repository/format/pack-format.ts';

const scratch = mkdtempSync(join(tmpdir(), 'hvb-filter-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const randomIds = (count: number): Buffer[] => {
  const bytes = randomBytes(count * 20);
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * 20, i * 20 + 20));
};

const passing = (filter: IdFilter, ids: readonly Buffer[]): number => ids.filter((id) => filter.mayHave(id)).length;

function edited(bytes: Buffer, edit: () => void): Buffer {
  edit();
  return bytes;
}

/** A segment of its own, without a catalog. */
function segmentOf(ids: readonly Buffer[], expected = ids.length): { info: SegmentInfo; path: string } {
  const writer = new SegmentWriter(scratch, expected);
  const words = new Uint32Array(ENTRY_WORDS);
  const record = { offset: 96, kind: RecordKind.block, encoding: 1, rawLength: 4096, storedLength: 99 } as const;
  for (const id of ids.toSorted(Buffer.compare)) {
    writeEntry(words, 0, dataOf(id), 0, 7, 1, record);
    writer.append(words, 0);
  }
  const { info } = writer.finish()!;
  return { info, path: join(scratch, info.name) };
}

/** Pages that looking these up takes, and how many are found. */
function lookUp(segment: Segment, ids: readonly Buffer[]): { pages: number; found: number } {
  const seen = { pages: 0, found: 0 };
  for (const id of ids)
    segment.find(
      id,
      id.readUIntBE(0, 6),
      (one, number) => {
        seen.pages += 1;
        return one.readPage(number);
      },
      () => {
        seen.found += 1;
      },
    );
  return seen;
}

describe('a filter', () => {
  it.each([
    [200_000, 200_000, 0.03],
    // Written for fewer than came.
    [200_000, 400_000, 0.3],
    [1, 0, 0],
  ])('for %i ids that has %i passes all of these and few others', (expected, count, others) => {
    const filter = IdFilter.for(expected);
    const ids = randomIds(count);
    for (const id of ids) filter.add(id);
    const again = IdFilter.parse(Buffer.concat(filter.render(5)), 5)!;
    for (const one of [filter, again]) {
      expect(passing(one, ids)).toBe(ids.length);
      expect(passing(one, randomIds(20_000))).toBeLessThanOrEqual(20_000 * others);
    }
  });

  it('takes 16 MiB and no more, however many ids there are', () => {
    const bytes = IdFilter.for(500_000_000).render(1);
    expect(bytes.reduce((sum, part) => sum + part.length, 0)).toBe(16 * 1024 * 1024 + 4096 * 4 + 12);
  });

  it.each([
    ['of another segment', (bytes: Buffer) => bytes, 6],
    [
      'with a bit of its table flipped',
      (bytes: Buffer) => edited(bytes, () => bytes.writeUInt8(bytes[13]! ^ 8, 13)),
      5,
    ],
    ['of another length', (bytes: Buffer) => edited(bytes, () => bytes.writeUInt32LE(3, 4)), 5],
    ['with more blocks than may be', (bytes: Buffer) => edited(bytes, () => bytes.writeUInt32LE(0xffffffff, 4)), 5],
    ['with no hashes', (bytes: Buffer) => edited(bytes, () => bytes.writeUInt32LE(0, 0)), 5],
    [
      'with more hashes than an id has bits for',
      (bytes: Buffer) => edited(bytes, () => bytes.writeUInt32LE(200, 0)),
      5,
    ],
    ['cut within a block', (bytes: Buffer) => bytes.subarray(0, -4), 5],
    ['cut to its header', (bytes: Buffer) => bytes.subarray(0, 8), 5],
    ['with nothing at all', () => Buffer.alloc(0), 5],
  ])('%s is none', (_what, change, tag) => {
    const filter = IdFilter.for(1000);
    for (const id of randomIds(1000)) filter.add(id);
    expect(IdFilter.parse(change(Buffer.concat(filter.render(5))), tag)).toBeNull();
  });
});

it('a filter with a bit flipped lets all ids of that section through, and no others', () => {
  const filter = IdFilter.for(50_000);
  const ids = randomIds(50_000);
  for (const id of ids) filter.add(id);
  const bytes = Buffer.concat(filter.render(5));
  // Of sixteen sections, the last but one.
  bytes.writeUInt8(bytes.at(-5000)! ^ 8, bytes.length - 5000);
  for (const shift of [0, 1]) {
    const damaged = IdFilter.parse(Buffer.concat([Buffer.alloc(shift), bytes]).subarray(shift), 5)!;
    expect(passing(damaged, ids)).toBe(ids.length);
    const share = passing(damaged, randomIds(20_000)) / 20_000;
    expect(share).toBeGreaterThan(0.05);
    expect(share).toBeLessThan(0.11);
  }
});

describe('a large segment', () => {
  const ids = randomIds(120_000);
  const others = randomIds(2000);
  const { info, path } = segmentOf(ids);

  it('tells without a page what is not in it, once its filter is loaded', async () => {
    const segment = new Segment(info, path);
    // Not all: an id before the first entry of the segment takes no page either.
    expect(lookUp(segment, others).pages).toBeGreaterThan(others.length * 0.99);
    await segment.loadFilter();
    const without = lookUp(segment, others);
    expect(without.found).toBe(0);
    expect(without.pages).toBeLessThan(others.length / 20);
    expect(lookUp(segment, ids).found).toBe(ids.length);
    segment.close();
  });

  const filterAt = info.pages * PAGE_LENGTH + fencesLength(info.pages);
  it.each([
    [
      'flipped',
      (file: string) => {
        const bytes = readFileSync(file);
        bytes[bytes.length - 1000]! ^= 1;
        writeFileSync(file, bytes);
      },
    ],
    ['cut', (file: string) => truncateSync(file, statSync(file).size - 64)],
    ['missing, as in segments of before', (file: string) => truncateSync(file, filterAt)],
    ['grown', (file: string) => truncateSync(file, statSync(file).size + 64 * 1024 * 1024)],
  ])('finds all the same when its filter is %s', async (_how, damage) => {
    const copy = join(scratch, 'damaged');
    writeFileSync(copy, readFileSync(path));
    damage(copy);
    const segment = new Segment(info, copy);
    await segment.loadFilter();
    const sample = ids.filter((_, i) => i % 17 === 0);
    expect(lookUp(segment, sample).found).toBe(sample.length);
    expect(lookUp(segment, others).found).toBe(0);
    segment.close();
  });

  it('that is gone, or is closed meanwhile, is no error to the filter', async () => {
    const gone = new Segment(info, join(scratch, 'gone'));
    await expect(gone.loadFilter()).resolves.toBeUndefined();
    const closed = new Segment(info, path);
    const loading = closed.loadFilter();
    closed.close();
    await expect(loading).resolves.toBeUndefined();
  });

  it('has one, and a small one has none', () => {
    const small = segmentOf(randomIds(500));
    expect(statSync(small.path).size).toBe(small.info.pages * PAGE_LENGTH + fencesLength(small.info.pages));
    expect(statSync(path).size).toBeGreaterThan(filterAt + info.entries);
  });
});
