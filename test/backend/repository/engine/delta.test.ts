/** Deltas: whatever is written small, in whatever order, what is restored is what an array would hold. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { SqliteCatalog } from '../../../../backend/src/catalog/sqlite-catalog.ts';
import { RecordKind } from '../../../../backend/src/repository/format/constants.ts';
import { initRepository, openStoredRepository } from '../../../../backend/src/repository/open.ts';
import type { Damage } from '../../../../backend/src/repository/port/damage.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { walkBlocks } from '../../../../backend/src/repository/tree/tree-walk.ts';
import { closedAfterEach } from '../support/closing.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { backup, randomSource, readAll, sampleBytes, verifyAll } from '../support/model.ts';
import { patchBackup, type Range } from '../support/patch-backup.ts';

const open = closedAfterEach<StoredRepository>();

interface Kind {
  blockSize: number;
  version: 1 | 2;
  encrypted: boolean;
}

/** A storage with a repository on it, and what opens it with an empty catalog. */
async function create(kind: Kind): Promise<{ storage: MemoryStorage; again: () => Promise<StoredRepository> }> {
  const storage = new MemoryStorage();
  const secret = kind.encrypted ? { passphrase: 'geheim', kdfCost: { n: 1024, r: 8, p: 1 } } : {};
  await initRepository(storage, { blockSize: kind.blockSize, version: kind.version, ...secret });
  const again = async () => {
    const options = { catalog: (id: string) => new SqliteCatalog(null, id), workers: 0, ...secret };
    const repository = await openStoredRepository(storage, options);
    open.push(repository);
    return repository;
  };
  return { storage, again };
}

/** Blocks of `ref` that are stored as deltas only. */
async function deltasIn(repository: StoredRepository): Promise<number> {
  await repository.core.refresh();
  let deltas = 0;
  for (const { contents } of await repository.listManifests())
    for (const ref of contents) {
      const load = repository.core.nodes.load.bind(repository.core.nodes);
      for await (const run of walkBlocks(ref, repository.blockSize, load, { from: 0, to: Number.MAX_SAFE_INTEGER }))
        for (let i = 0; i < run.count; i++)
          if (repository.core.index.findAll(RecordKind.block, run.ids.subarray(i * 32, i * 32 + 32))[0]?.base)
            deltas += 1;
    }
  return deltas;
}

/** One round of what a guest does. @returns what changed, as RCT would tell: at least that */
function scribble(disk: Buffer, random: () => number, seed: number): Range[] {
  const ranges: Range[] = [];
  const write = (offset: number, length: number, fill: (part: Buffer) => void) => {
    const part = disk.subarray(offset, Math.min(disk.length, offset + length));
    if (part.length === 0) return;
    fill(part);
    ranges.push({ offset, length: part.length });
  };
  for (let i = 0; i < 12; i++) {
    const offset = Math.floor(random() * disk.length);
    const kind = random();
    if (kind < 0.5) write(offset, 1 + Math.floor(random() * 5000), (part) => randomBytes(part.length).copy(part));
    else if (kind < 0.7) write(offset, Math.floor(random() * 60_000), (part) => part.fill(0));
    else if (kind < 0.85) write(offset, 16384, (part) => sampleBytes(part.length + 4, seed + i).copy(part));
    else if (kind < 0.95) write(offset, 4096, () => undefined);
    else write(offset, 300_000, (part) => sampleBytes(part.length + 4, seed * 77 + i).copy(part));
  }
  return ranges;
}

const KINDS: [string, Kind][] = [
  ['64 KiB blocks', { blockSize: 65536, version: 2, encrypted: false }],
  ['256 KiB blocks, encrypted', { blockSize: 262144, version: 2, encrypted: true }],
  ['4 MiB blocks', { blockSize: 4194304, version: 2, encrypted: false }],
  ['64 KiB blocks, encrypted', { blockSize: 65536, version: 2, encrypted: true }],
  ['version 1', { blockSize: 65536, version: 1, encrypted: false }],
];

describe('deltas', () => {
  it.each(KINDS)('match a plain-array model through generations, resizes and prunes: %s', async (_, kind) => {
    const { again } = await create(kind);
    let repository = await again();
    const seeds = kind.blockSize > 2 ** 20 ? 1 : 4;
    for (let seed = 1; seed <= seeds; seed++) {
      const random = randomSource(seed);
      let disk = Buffer.alloc(kind.blockSize * 6 + 12_345);
      sampleBytes(kind.blockSize * 3, seed).copy(disk);
      sampleBytes(70_000, seed + 50).copy(disk, kind.blockSize * 4);
      let base = (await backup(repository, disk)).ref;
      for (let round = 0; round < 10; round++) {
        let next = Buffer.from(disk);
        if (round % 5 === 3) {
          next = Buffer.alloc(Math.floor(kind.blockSize * (3 + random() * 6)));
          disk.copy(next);
        }
        const ranges = scribble(next, random, seed * 1000 + round);
        // Ranges of one round overlap: as a tracker gives them they do not.
        const merged: Range[] = [];
        for (const range of ranges.toSorted((a, b) => a.offset - b.offset)) {
          const last = merged.at(-1);
          if (last && range.offset <= last.offset + last.length)
            last.length = Math.max(last.length, range.offset + range.length - last.offset);
          else merged.push({ ...range });
        }
        const { ref } = await patchBackup(repository, next, base, merged);
        expect((await readAll(repository, ref)).equals(next)).toBe(true);
        base = ref;
        disk = next;
        if (round % 4 === 2) {
          const points = await repository.listManifests();
          await repository.removeManifest(points[Math.floor(random() * (points.length - 1))]!.id);
          await repository.prune();
          await verifyAll(repository);
        }
      }
      // The same content has the same reference, however it was built.
      const session = await repository.beginSession();
      const writer = await session.openContent(disk.length);
      for (let index = 0; index * kind.blockSize < disk.length; index++)
        await writer.write([index], async (buffer) => {
          buffer.fill(0);
          disk.copy(buffer, 0, index * kind.blockSize, (index + 1) * kind.blockSize);
        });
      expect((await writer.finish()).ref).toEqual(base);
      await session.close();
    }
    const deltas = await deltasIn(repository);
    if (kind.version === 2) expect(deltas).toBeGreaterThan(0);
    else expect(deltas).toBe(0);
    repository = await again();
    await verifyAll(repository);
    expect((await repository.check()).damages).toEqual([]);
    const contents = (await repository.listManifests()).flatMap((manifest) => manifest.contents);
    const found: unknown[] = [];
    await repository.verify(contents, { onDamage: (damage) => found.push(damage) });
    expect(found).toEqual([]);
  });

  it('cost what changed, in reading and in storing', async () => {
    const { again } = await create({ blockSize: 262144, version: 2, encrypted: true });
    const repository = await again();
    const disk = randomBytes(40 * 262144);
    let { ref } = await backup(repository, disk);
    for (let round = 0; round < 4; round++) {
      const ranges = Array.from({ length: 40 }, (_, i) => ({
        offset: i * 262144 + (((i * 4 + round) * 4096) % 262144),
        length: 4096,
      }));
      for (const { offset, length } of ranges) randomBytes(length).copy(disk, offset);
      const result = await patchBackup(repository, disk, ref, ranges);
      ref = result.ref;
      expect(result.readBytes).toBe(40 * 16384);
      expect(result.stats.newBytes).toBeLessThan(40 * (16384 * (round + 1) + 2000) + 10_000);
      expect(result.stats.newBlocks).toBe(40);
    }
    expect((await readAll(repository, ref)).equals(disk)).toBe(true);
    expect(await deltasIn(repository)).toBeGreaterThan(100);
  });

  it('become whole blocks when most has changed, and when the base is gone or damaged', async () => {
    const { storage, again } = await create({ blockSize: 65536, version: 2, encrypted: false });
    const repository = await again();
    const disk = sampleBytes(20 * 65536, 1);
    const first = await backup(repository, disk);
    const touch = (round: number): Range[] =>
      Array.from({ length: 20 }, (_, i) => {
        const range = { offset: i * 65536 + round * 16384 + 100, length: 1000 };
        randomBytes(1000).copy(disk, range.offset);
        return range;
      });
    const second = await patchBackup(repository, disk, first.ref, touch(0));
    const third = await patchBackup(repository, disk, second.ref, touch(1));
    expect(third.readBytes).toBe(20 * 16384);
    // Three of four pages: no delta any more.
    const fourth = await patchBackup(repository, disk, third.ref, touch(2));
    expect(fourth.readBytes).toBe(20 * (16384 + 65536));
    await verifyAll(repository);
    // The base record of the first block is damaged: its deltas are, and both are named.
    for (const [name, data] of storage.objects)
      if (name.startsWith('packs/') && data.readUInt16LE(10) === 0 && data.length > 500_000) data[96 + 96 + 1000]! ^= 1;
    const other = await again();
    await expect(readAll(other, third.ref)).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED' });
    await expect(readAll(other, third.ref)).rejects.toThrow(/is a delta over it/);
    const damages: { damage: Damage; places: unknown[] }[] = [];
    const points = await other.listManifests();
    const contents = points.flatMap((point) => point.contents);
    await other.verify(contents, { onDamage: (damage, places) => damages.push({ damage, places }) });
    // The base itself in the first point, its deltas in the next two; the fourth has the block whole, damaged likewise.
    expect(damages.map(({ places }) => places.length)).toEqual([1, 1, 1, 1]);
    expect(damages.filter(({ damage }) => /is a delta over (a damaged one|it)/.test(damage.message))).toHaveLength(2);
    const session = await other.beginSession();
    const damaged = await session.damagedBlocks(third.ref);
    await session.close();
    expect(damaged).toHaveLength(1);
  });
});
