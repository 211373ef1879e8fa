/** The catalog's segments: what was put in is found, merged or not, and what is not as it was written is noticed. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { SqliteCatalog } from '../../../backend/src/catalog/sqlite-catalog.ts';
import { PackClass, RecordKind } from '../../../backend/src/repository/format/constants.ts';
import { randomId } from '../../../backend/src/repository/format/ids.ts';
import { type IndexObject, recordsOf } from '../../../backend/src/repository/format/index-format.ts';
import type { RecordEntry } from '../../../backend/src/repository/format/pack-format.ts';

const scratch = mkdtempSync(join(tmpdir(), 'hvb-segments-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
let counter = 0;
const freshFile = (): string => join(scratch, `c${counter++}`, 'catalog.sqlite');
const newName = (): string => randomBytes(32).toString('hex');

function record(offset: number, id: Buffer = randomBytes(32), kind: RecordKind = RecordKind.block): RecordEntry {
  const base = kind === RecordKind.delta ? randomBytes(32) : undefined;
  return { id, kind, encoding: 1, offset, rawLength: 262_144, storedLength: 99_000, ...(base && { base }) };
}

function indexOf(ids: (Buffer | undefined)[][]): IndexObject {
  const packs = ids.map((pack) => ({
    id: randomId(),
    length: 32_000_000,
    sessionId: randomId(),
    packClass: PackClass.blocks,
    records: pack.map((id, i) => record(96 + i * 900, id)),
  }));
  return { sessionId: randomId(), supersedes: [], packs };
}

/** Every record of every index is found with all it has; ids that are nowhere are not. */
function expectAll(catalog: SqliteCatalog, indexes: readonly IndexObject[]): void {
  const packs = new Map(catalog.packs().map((pack) => [pack.number, pack.id]));
  for (const { packs: listed } of indexes)
    for (const pack of listed)
      for (const [ordinal, { id, ...fields }] of pack.records.entries()) {
        const kind = fields.kind === RecordKind.node ? RecordKind.node : RecordKind.block;
        const found = catalog.find(kind, id).find((one) => packs.get(one.pack) === pack.id && one.ordinal === ordinal);
        expect(found).toMatchObject({
          kind: fields.kind,
          offset: fields.offset,
          rawLength: 262_144,
          storedLength: 99_000,
        });
        expect(found!.base).toEqual(fields.base ? new Uint8Array(fields.base) : null);
      }
  for (let i = 0; i < 200; i++) expect(catalog.find(RecordKind.block, randomBytes(32))).toEqual([]);
}

describe('the records of a catalog', () => {
  it.each(['a file', 'memory'])(
    'are found in %s, one by one, staged, merged, and by another process',
    async (where) => {
      const file = where === 'memory' ? null : freshFile();
      const catalog = new SqliteCatalog(file, 'r');
      const indexes: IndexObject[] = [];
      for (let i = 0; i < 40; i++) {
        const index = indexOf([new Array(30 + i).fill(undefined), new Array(5).fill(undefined)]);
        // The same block twice, and one that begins like another.
        index.packs[0]!.records[3]!.id = index.packs[1]!.records[2]!.id;
        index.packs[0]!.records[5]!.id = Buffer.from(index.packs[0]!.records[4]!.id);
        index.packs[0]!.records[5]!.id[12]! ^= 1;
        index.packs[0]!.records[7] = record(96 + 7 * 100_000, randomBytes(32), RecordKind.delta);
        index.packs[0]!.records[8] = record(96 + 8 * 100_000, randomBytes(32), RecordKind.node);
        indexes.push(index);
        if (i < 20) catalog.addIndex(newName(), index);
        else catalog.stageIndex(newName(), recordsOf(index));
      }
      catalog.commitStaged();
      expectAll(catalog, indexes);
      await catalog.settle();
      await new Promise((resolve) => setTimeout(resolve, 50));
      expectAll(catalog, indexes);
      if (file !== null) {
        // In the background; settling again goes on where a busy machine broke it off.
        await expect
          .poll(() => catalog.settle().then(() => readdirSync(`${file}.records`).length), { timeout: 20_000 })
          .toBeLessThan(10);
        const other = new SqliteCatalog(file, 'r');
        expectAll(other, indexes);
        other.close();
      }
      catalog.close();
    },
  );

  it.each([900, 40_000])('go with their indexes, for good once there are many: %i kept', async (count) => {
    const file = freshFile();
    const catalog = new SqliteCatalog(file, 'r');
    const [keep, drop] = [indexOf([new Array(count).fill(undefined)]), indexOf([new Array(count * 2).fill(undefined)])];
    const name = newName();
    catalog.addIndex(newName(), keep);
    catalog.addIndex(name, drop);
    const before = readdirSync(`${file}.records`).length;
    catalog.removeIndexes([name]);
    expect(catalog.packs()).toHaveLength(1);
    await catalog.settle();
    expect(before).toBe(2);
    await expect
      .poll(() => catalog.settle().then(() => readdirSync(`${file}.records`).length), { timeout: 20_000 })
      .toBe(1);
    expectAll(catalog, [keep]);
    expect(catalog.find(RecordKind.block, drop.packs[0]!.records[0]!.id)).toEqual([]);
    catalog.close();
  });

  it.each(['flipped', 'cut', 'swapped', 'zeroed', 'gone'])(
    'that were %s give no answer: the catalog begins anew',
    (how) => {
      const file = freshFile();
      const catalog = new SqliteCatalog(file, 'r');
      const indexes = [indexOf([new Array(300).fill(undefined)]), indexOf([new Array(300).fill(undefined)])];
      for (const index of indexes) catalog.addIndex(newName(), index);
      catalog.close();
      const [one, two] = readdirSync(`${file}.records`).map((name) => join(`${file}.records`, name));
      if (how === 'gone') rmSync(one!);
      else if (how === 'cut') truncateSync(one!, 5000);
      else if (how === 'swapped') writeFileSync(one!, readFileSync(two!));
      else {
        const bytes = readFileSync(one!);
        if (how === 'zeroed') bytes.fill(0, 4096, 8192);
        else bytes[5000]! ^= 4;
        writeFileSync(one!, bytes);
      }
      const again = new SqliteCatalog(file, 'r');
      for (const { packs } of indexes)
        for (const { id } of packs[0]!.records)
          for (const found of again.find(RecordKind.block, id)) expect(again.pack(found.pack)).toBeDefined();
      expect(again.indexes().size).toBe(0);
      expect(again.path).toBe(file);
      again.addIndex(newName(), indexes[0]!);
      expectAll(again, [indexes[0]!]);
      again.close();
    },
  );

  it('of more than a million at once are all found', () => {
    const catalog = new SqliteCatalog(null, 'r');
    const index = indexOf([new Array(1_100_000).fill(undefined)]);
    catalog.addIndex(newName(), index);
    const { records } = index.packs[0]!;
    for (let i = 0; i < records.length; i += 1009)
      expect(catalog.find(RecordKind.block, records[i]!.id)[0]?.ordinal).toBe(i);
    catalog.close();
  });
});
