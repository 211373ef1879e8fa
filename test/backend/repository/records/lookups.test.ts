/**
 * What writers rely on: any sound record there is, the latest first, and none that will be deleted, is damaged, or is
 * not theirs.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { SqliteCatalog } from '../../../../backend/src/catalog/sqlite-catalog.ts';
import { PackClass, RecordKind } from '../../../../backend/src/repository/format/constants.ts';
import { randomId } from '../../../../backend/src/repository/format/ids.ts';
import type { IndexedPack } from '../../../../backend/src/repository/format/index-format.ts';
import { damageKey } from '../../../../backend/src/repository/format/names.ts';
import type { RecordEntry } from '../../../../backend/src/repository/format/pack-format.ts';
import { RecordIndex } from '../../../../backend/src/repository/records/record-index.ts';

const scratch = mkdtempSync(join(tmpdir(), 'hvb-lookups-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
let counter = 0;
const freshFile = (): string => join(scratch, `c${counter++}`, 'catalog.sqlite');
const newName = (): string => randomBytes(32).toString('hex');

const whole = (id: Buffer): Omit<RecordEntry, 'offset'> => ({
  id,
  kind: RecordKind.block,
  encoding: 1,
  rawLength: 4096,
  storedLength: 900,
});
const delta = (id: Buffer, base: Buffer): Omit<RecordEntry, 'offset'> => ({
  ...whole(id),
  kind: RecordKind.delta,
  base,
});

function packOf(...records: Omit<RecordEntry, 'offset'>[]): IndexedPack {
  const placed = records.map((record, i) => ({ ...record, offset: 96 + i * 1000 }));
  return { id: randomId(), length: 99_000, sessionId: randomId(), packClass: PackClass.blocks, records: placed };
}

function indexWith(...packs: IndexedPack[][]): RecordIndex {
  const catalog = new SqliteCatalog(freshFile(), 'r');
  for (const some of packs) catalog.addIndex(newName(), { sessionId: randomId(), supersedes: [], packs: some });
  return new RecordIndex(catalog);
}

const filler = (count: number) => Array.from({ length: count }, () => whole(randomBytes(32)));

describe('a writer finds', () => {
  const id = randomBytes(32);
  const base = randomBytes(32);

  it('the latest record, and looks no further', () => {
    const [old, young] = [packOf(whole(id), ...filler(5000)), packOf(whole(id))];
    const index = indexWith([old], [young]);
    expect(index.findUsable(RecordKind.block, id)?.packId).toBe(young.id);
    expect(index.findAll(RecordKind.block, id).map((one) => one.packId)).toEqual([young.id, old.id]);
    const told: number[] = [];
    index.catalog.find(RecordKind.block, id, (record) => told.push(record.pack) > 0);
    expect(told).toHaveLength(1);
  });

  it.each(['marked', 'missing', 'damaged'] as const)('another one when that is %s, and nothing when all are', (how) => {
    const [old, young] = [packOf(whole(id), ...filler(50)), packOf(whole(id))];
    const index = indexWith([old], [young]);
    const spoil = (pack: IndexedPack): void => {
      if (how === 'marked') index.marked = new Set([...index.marked, pack.id]);
      else if (how === 'missing') index.missing.add(pack.id);
      else index.damaged.add(damageKey({ packId: pack.id, offset: 96 }));
    };
    spoil(young);
    expect(index.findUsable(RecordKind.block, id)?.packId).toBe(old.id);
    expect(index.findSound(RecordKind.block, id)?.packId).toBe(old.id);
    spoil(old);
    expect(index.findUsable(RecordKind.block, id)).toBeUndefined();
    expect(index.findSound(RecordKind.block, id)).toBeUndefined();
  });

  it('a delta only when its base is sound', () => {
    const [bases, deltas] = [packOf(whole(base), ...filler(50)), packOf(delta(id, base))];
    const index = indexWith([bases], [deltas]);
    const found = index.findUsable(RecordKind.block, id)!;
    expect([found.packId, index.findBase(found)?.packId]).toEqual([deltas.id, bases.id]);
    index.marked = new Set([bases.id]);
    expect(index.findUsable(RecordKind.block, id)).toBeUndefined();
  });

  it('the whole record where the delta of a younger pack has lost its base', () => {
    const [old, deltas] = [packOf(whole(id), ...filler(50)), packOf(delta(id, base))];
    const index = indexWith([old], [deltas]);
    expect(index.findUsable(RecordKind.block, id)?.packId).toBe(old.id);
  });

  it('what is in packs of its own that no index names, and not what is in those of others', () => {
    const index = indexWith([packOf(...filler(10))]);
    const [own, foreign] = [packOf(whole(id)), packOf(whole(base))];
    index.addUnindexed(own);
    index.addUnindexed(foreign);
    expect(index.findUsable(RecordKind.block, id, new Set([own.id]))?.packId).toBe(own.id);
    expect(index.findUsable(RecordKind.block, id)).toBeUndefined();
    expect(index.findUsable(RecordKind.block, base, new Set([own.id]))).toBeUndefined();
    // Of a delta over it too.
    const over = packOf(delta(randomBytes(32), base));
    index.addUnindexed(over);
    expect(index.findUsable(RecordKind.block, over.records[0]!.id, new Set([over.id]))).toBeUndefined();
    expect(index.findUsable(RecordKind.block, over.records[0]!.id, new Set([over.id, foreign.id]))).toBeDefined();
  });

  it('no record of a pack that went with its index', () => {
    const catalog = new SqliteCatalog(freshFile(), 'r');
    const name = newName();
    const [old, young] = [packOf(whole(id), ...filler(50)), packOf(whole(id))];
    catalog.addIndex(newName(), { sessionId: randomId(), supersedes: [], packs: [old] });
    catalog.addIndex(name, { sessionId: randomId(), supersedes: [], packs: [young] });
    const index = new RecordIndex(catalog);
    catalog.removeIndexes([name]);
    expect(index.findUsable(RecordKind.block, id)?.packId).toBe(old.id);
  });
});

describe('the names of the indexes', () => {
  it('are not read again before something was written, by whichever process', () => {
    const file = freshFile();
    const [one, two] = [new SqliteCatalog(file, 'r'), new SqliteCatalog(file, 'r')];
    const add = (catalog: SqliteCatalog, supersedes: string[] = []): [string, Buffer] => {
      const [name, id] = [newName(), randomBytes(32)];
      catalog.addIndex(name, { sessionId: randomId(), supersedes, packs: [packOf(whole(id))] });
      return [name, id];
    };
    const [first] = add(one);
    const before = two.indexes();
    expect([...before.keys()]).toEqual([first]);
    expect(two.indexes()).toBe(before);
    const [second, id] = add(one, [first]);
    expect(two.indexes()).toEqual(
      new Map([
        [first, []],
        [second, [first]],
      ]),
    );
    // With them came the segment.
    expect(two.find(RecordKind.block, id)).toHaveLength(1);
    two.removeIndexes([first]);
    expect([...two.indexes().keys()]).toEqual([second]);
    expect([...one.indexes().keys()]).toEqual([second]);
    two.clear();
    expect(two.indexes().size).toBe(0);
    one.close();
    two.close();
  });
});
