/** Ids looked up together find what a look-up of each finds; packs go by rows. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { IdRuns } from '../../../backend/src/catalog/segments/id-runs.ts';
import { SqliteCatalog } from '../../../backend/src/catalog/sqlite-catalog.ts';
import { PackClass, RecordKind } from '../../../backend/src/repository/format/constants.ts';
import { randomId } from '../../../backend/src/repository/format/ids.ts';
import type { IndexObject } from '../../../backend/src/repository/format/index-format.ts';
import { PackIds } from '../../../backend/src/repository/records/pack-ids.ts';

const scratch = mkdtempSync(join(tmpdir(), 'hvb-batch-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** An index of one pack. */
function indexOf(ids: readonly Buffer[], kindOf: (i: number) => RecordKind): IndexObject {
  const records = ids.map((id, i) => {
    const kind = kindOf(i);
    const base = kind === RecordKind.delta ? randomBytes(32) : undefined;
    const sizes = { encoding: 1 as const, rawLength: 262_144, storedLength: 5000 + i };
    return { id, kind, offset: 96 + i * 6000, ...sizes, ...(base && { base }) };
  });
  const pack = { id: randomId(), length: 32_000_000, sessionId: randomId(), packClass: PackClass.blocks, records };
  return { sessionId: randomId(), supersedes: [], packs: [pack] };
}

const text = (entries: readonly { pack: number; ordinal: number; storedLength: number }[]): string =>
  entries
    .map(({ pack, ordinal, storedLength }) => `${pack}:${ordinal}:${storedLength}`)
    .sort()
    .join(' ');

describe('a batch of ids', () => {
  it.each([
    ['many of them', 1],
    ['few of them', 40],
  ])('finds what single look-ups find: %s', async (_, every) => {
    const catalog = new SqliteCatalog(join(scratch, `c${every}`, 'catalog.sqlite'), 'r');
    const all: Buffer[] = [];
    for (let n = 0; n < 6; n++) {
      const ids: Buffer[] = Array.from({ length: 3000 }, () => randomBytes(32));
      // A block of an earlier index again, one that begins like another, and one of each kind.
      if (n > 0) ids[5] = all[n * 7]!;
      ids[9] = Buffer.concat([ids[8]!.subarray(0, 6), randomBytes(26)]);
      const kinds = [RecordKind.block, RecordKind.block, RecordKind.delta, RecordKind.node];
      catalog.addIndex(
        randomBytes(32).toString('hex'),
        indexOf(ids, (i) => kinds[i % 4]!),
      );
      all.push(...ids);
    }
    const wanted = [...all, ...Array.from({ length: 500 }, () => randomBytes(32))].filter((_id, i) => i % every === 0);
    const batch = catalog.batch();
    for (const id of [...wanted, ...wanted]) batch.add(Buffer.concat([randomBytes(3), id]), 3);
    const found = new Map<number, string[]>();
    const missing: number[] = [];
    const whole = await batch.join({
      found: (entries, prefix) => found.set(prefix, [...(found.get(prefix) ?? []), text(entries)]),
      missing: (prefix) => missing.push(prefix),
    });
    batch.close();
    expect(whole).toBe(true);
    const told = new Set([...found.keys(), ...missing]);
    expect(told.size).toBe(found.size + missing.length);
    for (const id of wanted) {
      const prefix = id.readUIntBE(0, 6);
      const single = catalog.find(RecordKind.block, id);
      expect(told.has(prefix)).toBe(true);
      if (single.length > 0) expect(found.get(prefix)).toContain(text(single));
    }
    expect(told.size).toBe(new Set(wanted.map((id) => id.readUIntBE(0, 6))).size);
    catalog.close();
  });

  it('says so when the catalog began anew meanwhile', async () => {
    const file = join(scratch, 'anew', 'catalog.sqlite');
    const catalog = new SqliteCatalog(file, 'r');
    const ids = Array.from({ length: 500 }, () => randomBytes(32));
    catalog.addIndex(
      randomBytes(32).toString('hex'),
      indexOf(ids, () => RecordKind.block),
    );
    const [cleared, damaged] = [catalog.batch(), () => catalog.batch()];
    for (const id of ids) cleared.add(id);
    catalog.clear();
    expect(await cleared.join({ found: () => {}, missing: () => {} })).toBe(false);
    catalog.addIndex(
      randomBytes(32).toString('hex'),
      indexOf(ids, () => RecordKind.block),
    );
    for (const name of readdirSync(`${file}.records`))
      writeFileSync(join(`${file}.records`, name), randomBytes(30_000));
    const batch = damaged();
    for (const id of ids) batch.add(id);
    expect(await batch.join({ found: () => {}, missing: () => {} })).toBe(false);
    catalog.close();
  });

  it('of any number takes a file, and memory where there is no place for one', () => {
    const ids = Array.from({ length: 200_000 }, () => randomBytes(7));
    for (const id of ids) id[0]! &= 3;
    const byRun = (run: number) =>
      [...new Set(ids.filter((id) => id[0] === run).map((id) => id.readUIntBE(0, 6)))].sort((a, b) => a - b);
    for (const folder of [scratch, null, join(scratch, 'nowhere')]) {
      const runs = new IdRuns(folder);
      for (const id of ids) runs.add(id);
      for (let run = 0; run < 5; run++) expect([...runs.sorted(run)]).toEqual(byRun(run));
      const files = () => readdirSync(scratch).filter((name) => name.startsWith('ids-')).length;
      expect(files()).toBe(folder === scratch ? 1 : 0);
      runs.close();
      expect(files()).toBe(0);
    }
  });
});

it('packs by rows are found again, and nothing else is', () => {
  const packs = new PackIds();
  const ids = Array.from({ length: 20_000 }, randomId);
  expect(ids.map((id) => packs.add(id))).toEqual(ids.map((_, row) => row));
  expect(ids.map((id) => packs.add(id))).toEqual(ids.map((_, row) => row));
  expect(ids.map((_, row) => packs.id(row))).toEqual(ids);
  for (const other of [randomId(), '', 'x', ids[0]!.slice(1), `${ids[0]!.slice(0, 31)}x`])
    expect(packs.find(other)).toBe(-1);
});
