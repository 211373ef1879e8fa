import { appendFile, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { formatRctId, parseRctId } from '../../../../backend/src/hosts/simulated/rct-id.ts';
import {
  changesBetween,
  compactJournal,
  createJournal,
  GRANULARITY,
  type JournalMark,
  JournalWriter,
  readJournal,
} from '../../../../backend/src/hosts/simulated/rct-journal.ts';
import { coarsen, type GranuleSet, granulesOf, unite } from '../../../../backend/src/hosts/simulated/rct-ranges.ts';
import { newGuid } from '../../../../backend/src/support/guid.ts';
import { randomSource } from '../../../fixtures/content.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { codeOf } from '../support.ts';

const members = (set: GranuleSet): Set<number> => {
  const all = new Set<number>();
  for (let i = 0; i < set.length; i += 2) for (let g = set[i]!; g < set[i + 1]!; g++) all.add(g);
  return all;
};

describe('RCT ids', () => {
  it("have Hyper-V's shape and survive the way there and back", () => {
    const text = 'rctX:5bfde23b:ce75:4303:b54f:6c18394f105c:00000001';
    expect(parseRctId(text)).toEqual({ tracker: '5bfde23b-ce75-4303-b54f-6c18394f105c', counter: 1 });
    expect(formatRctId({ tracker: '5bfde23b-ce75-4303-b54f-6c18394f105c', counter: 0x1f })).toMatch(/:0000001f$/);
    for (const bad of ['', 'rctX', text.slice(1), `${text}0`, text.replace('c', 'x')])
      expect(parseRctId(bad)).toBeNull();
  });
});

describe('granule sets', () => {
  it('agree with sets of numbers, whatever overlaps', () => {
    const random = randomSource(1);
    for (let round = 0; round < 500; round++) {
      const ranges = Array.from({ length: random() % 12 }, () => ({ offset: random() % 100, length: random() % 12 }));
      const expected = new Set<number>();
      for (const { offset, length } of ranges) {
        if (length > 0) for (let g = Math.floor(offset / 4); g < Math.ceil((offset + length) / 4); g++) expected.add(g);
      }
      const half = ranges.length >> 1;
      const set = unite([granulesOf(ranges.slice(0, half), 4), granulesOf(ranges.slice(half), 4)]);
      expect(members(set)).toEqual(expected);
      for (let i = 2; i < set.length; i += 2) expect(set[i]!).toBeGreaterThan(set[i - 1]!);
      const wide = members(coarsen(set, 4));
      expect([...expected].every((granule) => wide.has(granule))).toBe(true);
    }
  });
});

describe('RCT journal', () => {
  const scratch = scratchForEach('rct');
  let file: string;
  let mark: JournalMark;
  const header = () => ({
    granularity: GRANULARITY,
    tracker: newGuid(),
    diskId: newGuid(),
    diskSize: 2 ** 46,
    generation: 1,
  });

  beforeEach(async () => {
    file = join(await scratch(), 'disk.vhdx.rct');
    mark = await createJournal(file, header(), 1);
  });

  async function append(...steps: (GranuleSet | number)[]): Promise<void> {
    const writer = await JournalWriter.open(file, await readJournal(file, mark));
    for (const step of steps) {
      if (typeof step === 'number') await writer.seal(step);
      else await writer.append(step);
    }
    mark = writer.mark;
    await writer.close();
  }
  const set = (...numbers: number[]) => Float64Array.from(numbers);
  const between = async (since: number, until: number) => [
    ...changesBetween(await readJournal(file, mark), since, until),
  ];

  it('keeps epochs apart, at any offset up to 64 TiB', async () => {
    const far = 2 ** 46 / 4096 - 1;
    await append(set(0, 1, 5, 9), set(8, 12, far, far + 1), 2, set(3, 4), 3);
    expect(await between(1, 2)).toEqual([0, 1, 5, 12, far, far + 1]);
    expect(await between(2, 3)).toEqual([3, 4]);
    expect(await between(1, 3)).toEqual([0, 1, 3, 4, 5, 12, far, far + 1]);
    expect(await between(3, 3)).toEqual([]);
    for (const [since, until] of [
      [0, 3],
      [3, 2],
      [2, 4],
    ] as const) {
      expect(await codeOf(between(since, until))).toBe('TRACKING_ID_INVALID');
    }
  });

  it('ignores a record that was torn, and goes on after it', async () => {
    await append(set(1, 2), 2);
    const whole = await readFile(file);
    await append(set(7, 8));
    const longer = await readFile(file);
    // The mark is what the state knew when power failed; the record after it is cut anywhere.
    mark = { ...mark, length: whole.length };
    for (let cut = whole.length; cut < longer.length; cut += 3) {
      await writeFile(file, longer.subarray(0, cut));
      expect(await between(1, 2)).toEqual([1, 2]);
    }
    await append(set(9, 10), 3);
    expect(await between(2, 3)).toEqual([9, 10]);
  });

  it('is lost rather than incomplete: missing, cut, old, foreign, or damaged at any byte', async () => {
    await append(set(1, 2), 2, set(3, 4));
    const good = await readFile(file);
    for (let at = 0; at < good.length; at++) {
      const bad = Buffer.from(good);
      bad[at]! ^= 0x10;
      await writeFile(file, bad);
      expect(await codeOf(readJournal(file, mark)), `byte ${at}`).toBe('TRACKING_LOST');
    }
    for (let length = 0; length < good.length; length++) {
      await writeFile(file, good.subarray(0, length));
      expect(await codeOf(readJournal(file, mark))).toBe('TRACKING_LOST');
    }
    await writeFile(file, good);
    expect(await codeOf(readJournal(file, { ...mark, tracker: newGuid() }))).toBe('TRACKING_LOST');
    expect(await codeOf(readJournal(file, { ...mark, generation: 2 }))).toBe('TRACKING_LOST');
    await rm(file);
    expect(await codeOf(readJournal(file, mark))).toBe('TRACKING_LOST');
  });

  it('does not take bytes of an earlier life for records', async () => {
    await append(set(1, 2), 2);
    const old = await readFile(file);
    mark = await compactJournal(file, await readJournal(file, mark), 2);
    const length = (await stat(file)).size;
    await appendFile(file, old.subarray(length));
    expect((await readJournal(file, mark)).length).toBe(length);
    await truncate(file, length);
  });

  it('drops what nobody needs and merges the rest when it is rewritten', async () => {
    const random = randomSource(2);
    const writes = Array.from({ length: 300 }, () => ({ offset: (random() % 1000) * 4096, length: 4096 }));
    await append(set(1, 2), 2, ...writes.map((write) => granulesOf([write], GRANULARITY)), 3, set(8, 9));
    const expected = await between(2, 3);
    const before = (await stat(file)).size;
    const journal = await readJournal(file, mark);
    mark = await compactJournal(file, journal, 2);
    expect((await stat(file)).size).toBeLessThan(before / 2);
    expect(await between(2, 3)).toEqual(expected);
    expect(await codeOf(between(1, 3))).toBe('TRACKING_ID_INVALID');
    await append(set(20, 21), 4);
    expect(await between(3, 4)).toEqual([8, 9, 20, 21]);
  });

  it('accepts a rewrite its owner did not live to record', async () => {
    await append(set(1, 2), 2);
    const old = mark;
    await compactJournal(file, await readJournal(file, mark), 1);
    mark = old;
    expect(await between(1, 2)).toEqual([1, 2]);
    const handle = await open(file, 'r+');
    await handle.truncate((await handle.stat()).size - 1);
    await handle.close();
    expect(await codeOf(readJournal(file, mark))).toBe('TRACKING_LOST');
  });

  it('holds a million random writes in a few bytes each', async () => {
    const random = randomSource(3);
    const place = () => Math.floor((random() / 2 ** 32) * (2 ** 46 / 4096)) * 4096;
    const writes = Array.from({ length: 1_000_000 }, () => ({ offset: place(), length: 4096 }));
    const changed = granulesOf(writes, GRANULARITY);
    await append(changed, 2);
    mark = await compactJournal(file, await readJournal(file, mark), 1);
    expect((await stat(file)).size).toBeLessThan(6_000_000);
    expect(
      Buffer.from(changesBetween(await readJournal(file, mark), 1, 2).buffer).equals(Buffer.from(changed.buffer)),
    ).toBe(true);
  });
});
