/**
 * Packs that do not read as packs: what they hold is stored anew, whatever of header, records, table of contents and
 * trailer is damaged.
 */
import { afterEach, describe, expect, it } from 'vitest';
import type { ContentRef } from '../../../../backend/src/repository/port/contents.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { CHEAP, PASSPHRASE } from '../support/encrypted.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { BLOCK, backup, createMemoryRepository, openMemory, readAll, sampleBytes, sha256 } from '../support/model.ts';

const HEADER = 96;
const closing: StoredRepository[] = [];
afterEach(async () => {
  for (const one of closing.splice(0)) await one.close();
});

/** Offsets of the record headers of a pack, by the lengths they say. */
function recordsOf(pack: Buffer): number[] {
  const found: number[] = [];
  for (let at = HEADER; pack.toString('latin1', at, at + 4) === 'HVBR'; at += HEADER + pack.readUInt32LE(at + 16))
    found.push(at);
  return found;
}

const flipped = (bytes: Buffer, at: number): Buffer => {
  const out = Buffer.from(bytes);
  out[at < 0 ? out.length + at : at]! ^= 0x04;
  return out;
};
const zeroed = (bytes: Buffer, from: number, to: number): Buffer => Buffer.from(bytes).fill(0, from, to);

/** What is done to every pack, and all of it is still there. */
const HARMLESS: [string, (pack: Buffer) => Buffer][] = [
  ...[0, 9, 10, 13, 29, 45, 61, 95].map((at): [string, (pack: Buffer) => Buffer] => [
    `a bit of the header at ${at}`,
    (pack) => flipped(pack, at),
  ]),
  ['a bit of the trailer', (pack) => flipped(pack, -40)],
  ['a bit of the table of contents', (pack) => flipped(pack, -64 - 30)],
  ['the trailer overwritten', (pack) => zeroed(pack, pack.length - 64, pack.length)],
  ['the trailer cut off', (pack) => pack.subarray(0, pack.length - 64)],
  ['bytes appended', (pack) => Buffer.concat([pack, sampleBytes(5000, 3)])],
  ['itself appended', (pack) => Buffer.concat([pack, pack])],
  ['a bit of a record header', (pack) => flipped(pack, recordsOf(pack)[1]! + 30)],
  ['a record header overwritten', (pack) => zeroed(pack, recordsOf(pack)[1]!, recordsOf(pack)[1]! + HEADER)],
  ['the header with the trailer', (pack) => flipped(flipped(pack, 50), -1)],
];

describe.each([
  ['plain', {}],
  ['encrypted', { passphrase: PASSPHRASE, kdfCost: CHEAP }],
])('packs of a repository that is %s', (kind, options) => {
  async function fixture() {
    const storage = new MemoryStorage();
    await (await createMemoryRepository(storage, options)).close();
    const connect = async () => {
      const repository = await openMemory(storage, undefined, options);
      closing.push(repository);
      return repository;
    };
    const points: { ref: ContentRef; hash: string }[] = [];
    let disk = sampleBytes(20 * BLOCK, 1);
    for (let round = 0; round < 3; round++) {
      const base = points.at(-1)?.ref;
      const { ref } = await backup(await connect(), disk, base ? { base, indices: [round, 2 * round + 7] } : {});
      points.push({ ref, hash: sha256(disk) });
      disk = Buffer.from(disk);
      for (const index of [round + 1, 2 * (round + 1) + 7]) sampleBytes(BLOCK, 100 + round).copy(disk, index * BLOCK);
    }
    const names = (prefix: string) => [...storage.objects.keys()].filter((name) => name.startsWith(prefix));
    const contents = async () => {
      const repository = await connect();
      for (const { ref, hash } of points) expect(sha256(await readAll(repository, ref))).toBe(hash);
    };
    return { storage, connect, points, names, contents };
  }

  const damagePacks = (storage: MemoryStorage, how: (pack: Buffer) => Buffer): void => {
    for (const [name, bytes] of storage.objects)
      if (name.startsWith('packs/') && recordsOf(bytes).length > 1) storage.objects.set(name, how(bytes));
  };

  it.each(HARMLESS)('with %s are whole after a repair, and nothing alarms any more', async (_, how) => {
    for (const withIndexes of [true, false]) {
      const { storage, connect, points, names, contents } = await fixture();
      damagePacks(storage, how);
      if (!withIndexes) for (const name of names('indexes/')) storage.objects.delete(name);
      // Which records are damaged shows when they are read.
      const reading = await connect();
      await reading.verify(points.map(({ ref }) => ref)).catch(() => undefined);
      const result = await (await connect()).repair();
      expect(result.damages).toEqual([]);
      expect((await (await connect()).check()).damages).toEqual([]);
      await contents();
      const before = [...storage.objects.keys()].sort();
      expect(await (await connect()).repair()).toMatchObject({
        damages: [],
        packsRewritten: 0,
        indexesWritten: 0,
        quarantined: [],
        rewritten: [],
      });
      expect([...storage.objects.keys()].sort()).toEqual(before);
      await (await connect()).prune();
      await contents();
      expect((await (await connect()).check()).damages).toEqual([]);
    }
  });

  it('whose header is gone give what they hold, but for what its salt encrypts: that is named, kept, and stored anew', async () => {
    const { storage, connect, points, names, contents } = await fixture();
    const disk = await readAll(await connect(), points[2]!.ref);
    damagePacks(storage, (pack) => zeroed(pack, 0, HEADER));
    const result = await (await connect()).repair();
    if (kind === 'plain') {
      expect(result.damages).toEqual([]);
      return contents();
    }
    expect(result.damages.length).toBeGreaterThan(0);
    expect(result.quarantined.length).toBeGreaterThan(0);
    expect(names('quarantine/packs/').length).toBe(result.quarantined.length);
    // The same again changes nothing, and what a backup sees is whole again.
    const before = [...storage.objects.keys()].sort();
    await (await connect()).repair();
    expect([...storage.objects.keys()].sort()).toEqual(before);
    const { ref } = await backup(await connect(), disk);
    expect((await readAll(await connect(), ref)).equals(disk)).toBe(true);
  });

  it('that are cut in the middle give what is before, and an incremental stores the rest anew', async () => {
    const { storage, connect, points } = await fixture();
    const disk = await readAll(await connect(), points[2]!.ref);
    damagePacks(storage, (pack) =>
      pack.readUInt16LE(10) === 0 && pack.length > 10 * BLOCK ? pack.subarray(0, recordsOf(pack)[9]! + 500) : pack,
    );
    const result = await (await connect()).repair();
    expect(result.packsRewritten).toBe(1);
    expect(result.damages.every(({ object }) => object === 'block')).toBe(true);
    const losses: number[] = [];
    await (await connect()).losses([points[2]!.ref], { onLoss: (_content, _offset, length) => losses.push(length) });
    const lost = losses.reduce((sum, length) => sum + length, 0);
    expect(lost).toBeGreaterThan(0);
    expect(lost).toBeLessThan(12 * BLOCK);
    // Nothing says of these blocks where they were: it is known all the same that some are lost.
    const session = await (await connect()).beginSession();
    expect(await session.damagedBlocks(points[2]!.ref)).toHaveLength(lost / BLOCK);
    await session.close();
    const { ref } = await backup(await connect(), disk);
    expect((await readAll(await connect(), ref)).equals(disk)).toBe(true);
  });

  it('that changed places give what they hold', async () => {
    const { storage, connect, names, contents } = await fixture();
    const [one, two] = names('packs/');
    const bytes = storage.objects.get(one!)!;
    storage.objects.set(one!, storage.objects.get(two!)!);
    storage.objects.set(two!, bytes);
    expect((await (await connect()).repair()).damages).toEqual([]);
    await contents();
    expect((await (await connect()).check()).damages).toEqual([]);
  });
});
