/** Verify reads each record once, in the order of the packs, and finds what is damaged even where the tables are. */
import { describe, expect, it } from 'vitest';
import type { ContentRef } from '../../../../backend/src/repository/port/contents.ts';
import type { Damage } from '../../../../backend/src/repository/port/damage.ts';
import type { Repository } from '../../../../backend/src/repository/port/repository.ts';
import { FaultStorage, MemoryStorage } from '../support/memory-storage.ts';
import { BLOCK, backup, createMemoryRepository, openMemory, sampleBytes } from '../support/model.ts';

const RECORD = 96;

/** Three contents that share most of their blocks. */
async function fixture() {
  const storage = new MemoryStorage();
  const repository = await createMemoryRepository(storage);
  const disk = sampleBytes(40 * BLOCK, 1);
  const refs: ContentRef[] = [];
  for (let i = 0; i < 3; i++) {
    sampleBytes(BLOCK, 50 + i).copy(disk, (7 + i) * BLOCK);
    refs.push((await backup(repository, disk)).ref);
  }
  await repository.close();
  return { storage, refs };
}

async function verify(repository: Repository, refs: ContentRef[], samplePercent?: number) {
  const damages: { damage: Damage; places: { content: number; offset: number }[] }[] = [];
  const onDamage = (damage: Damage, places: { content: number; offset: number }[]) => damages.push({ damage, places });
  const result = await repository.verify(refs, { samplePercent, onDamage });
  await repository.close();
  return { ...result, damages };
}

const blockPacks = (storage: MemoryStorage): [string, Buffer][] =>
  [...storage.objects].filter(([name, data]) => name.startsWith('packs/') && data.readUInt16LE(10) === 0);

describe('verify', () => {
  it('reads every record once, however many contents share it, and in the order of the packs', async () => {
    const { storage, refs } = await fixture();
    const reads: { name: string; offset: number; length: number }[] = [];
    const watched = new FaultStorage(storage);
    const read = watched.read.bind(watched);
    watched.read = (name, offset, target) => {
      if (target.length > 4000) reads.push({ name, offset, length: target.length });
      return read(name, offset, target);
    };
    const { damages, verifiedBytes, readBytes } = await verify(await openMemory(watched), refs);
    expect(damages).toEqual([]);
    expect(Math.ceil(verifiedBytes / BLOCK)).toBe(42);
    const blocks = reads.filter(({ name }) => storage.objects.get(name)!.readUInt16LE(10) === 0);
    expect(blocks.reduce((sum, { length }) => sum + length, 0)).toBe(readBytes);
    const places = blocks.map(({ name, offset }) => `${name} ${String(offset).padStart(10, '0')}`);
    expect(places).toEqual([...new Set(places)].sort());
  });

  it('names a damaged block with every content that needs it', async () => {
    const { storage, refs } = await fixture();
    const [path, data] = blockPacks(storage).sort((a, b) => b[1].length - a[1].length)[0]!;
    data[RECORD + RECORD + 500]! ^= 1;
    const { damages } = await verify(await openMemory(storage), refs);
    expect(damages).toHaveLength(1);
    expect(damages[0]!.damage).toMatchObject({ object: 'block', path });
    expect(damages[0]!.places.map(({ content }) => content)).toEqual([0, 1, 2]);
  });

  it('goes by the ids where a table of contents is unreadable', async () => {
    const { storage, refs } = await fixture();
    for (const [, data] of blockPacks(storage)) data[data.length - 70]! ^= 1;
    const clean = await verify(await openMemory(storage), refs);
    expect(clean.damages).toEqual([]);
    expect(Math.ceil(clean.verifiedBytes / BLOCK)).toBe(42);
    blockPacks(storage).sort((a, b) => b[1].length - a[1].length)[0]![1][RECORD + RECORD + 500]! ^= 1;
    const { damages } = await verify(await openMemory(storage), refs);
    expect(damages.map(({ damage }) => damage.object)).toEqual(['block']);
  });

  it.each(['verify', 'check', 'losses'] as const)(
    'looks for what an unreadable node loses once, however many contents share it: %s',
    async (how) => {
      /** Contents that differ in their second leaf; the first, which all share, is damaged. */
      const listings = async (count: number): Promise<{ indexes: number; told: number }> => {
        const storage = new MemoryStorage();
        const writer = await createMemoryRepository(storage);
        const disk = Buffer.alloc(300 * BLOCK);
        for (let i = 0; i < 256; i += 16) sampleBytes(BLOCK, i).copy(disk, i * BLOCK);
        const refs: ContentRef[] = [];
        for (let i = 0; i < count; i++) {
          sampleBytes(BLOCK, 1000 + i).copy(disk, 290 * BLOCK);
          refs.push((await backup(writer, disk)).ref);
        }
        await writer.close();
        const nodes = [...storage.objects].filter(
          ([name, data]) => name.startsWith('packs/') && data.readUInt16LE(10) === 1,
        );
        // The shared leaf was stored once, with the first content: its pack is the largest.
        nodes.sort((one, other) => other[1].length - one[1].length)[0]![1][RECORD + RECORD + 50]! ^= 1;
        const watched = new FaultStorage(storage);
        const list = watched.list.bind(watched);
        let indexes = 0;
        watched.list = (prefix, options) => {
          if (prefix === 'indexes/') indexes += 1;
          return list(prefix, options);
        };
        const repository = await openMemory(watched);
        const lost = new Map<number, number>();
        const onLoss = (content: number, _offset: number, length: number) => lost.set(content, length);
        const damages: Damage[] = [];
        const onDamage = (damage: Damage) => void damages.push(damage);
        if (how === 'check') damages.push(...(await repository.check()).damages);
        else if (how === 'verify') await repository.verify(refs, { onLoss, onDamage });
        else await repository.losses(refs, { onLoss });
        if (how !== 'losses') expect(damages).toHaveLength(1);
        if (how !== 'check') expect([...lost.values()]).toEqual(refs.map(() => 256 * BLOCK));
        await repository.close();
        return { indexes, told: lost.size };
      };
      const few = await listings(3);
      const many = await listings(9);
      expect(many.indexes).toBe(few.indexes);
    },
  );

  it('reports a block that no pack holds', async () => {
    const { storage, refs } = await fixture();
    const [path] = blockPacks(storage).sort((a, b) => a[1].length - b[1].length)[0]!;
    const repository = await openMemory(storage);
    await repository.stats();
    storage.objects.delete(path);
    const { damages } = await verify(repository, refs);
    expect(damages).toHaveLength(1);
    expect(damages[0]!.places.length).toBeGreaterThan(0);
  });

  it('takes a sample when asked, and stops when cancelled', async () => {
    const { storage, refs } = await fixture();
    const { verifiedBytes } = await verify(await openMemory(storage), refs, 20);
    expect(verifiedBytes).toBeLessThan(30 * BLOCK);
    const stopped = await openMemory(storage);
    await expect(stopped.verify(refs, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'CANCELLED' });
    await stopped.close();
  });

  it('believes the packs more than a catalog with wrong entries', async () => {
    const { storage, refs } = await fixture();
    const repository = await openMemory(storage);
    await repository.stats();
    // Two records of a pack under each other's place: the ids that would be checked are not the wanted ones.
    const { catalog } = repository.core;
    const find = catalog.find.bind(catalog);
    catalog.find = (kind, id) =>
      find(kind, id).map((record) => (record.ordinal === 0 ? { ...record, ordinal: record.ordinal + 1 } : record));
    const { damages, verifiedBytes } = await verify(repository, refs);
    expect(damages).toEqual([]);
    expect(verifiedBytes).toBeGreaterThanOrEqual(40 * BLOCK);
  });
});
