/**
 * Flipped, cut and swapped bytes in every kind of object: an error with the right code, or the right bytes; and
 * healing.
 */
import { describe, expect, it } from 'vitest';
import type { Damage } from '../../../../backend/src/repository/port/damage.ts';
import { HvError } from '../../../../backend/src/support/errors.ts';
import { FaultStorage, MemoryStorage } from '../support/memory-storage.ts';
import {
  BLOCK,
  backup,
  createMemoryRepository,
  GROUP,
  openMemory,
  randomSource,
  readAll,
  sampleBytes,
  sha256,
} from '../support/model.ts';

const BLOCKS = 12;
const disk = Buffer.alloc(BLOCKS * BLOCK);
for (let i = 0; i < BLOCKS; i++) sampleBytes(5000, i).copy(disk, i * BLOCK);

/** A repository with one point, a chain record and a session that was left behind. */
async function fixture() {
  const storage = new MemoryStorage();
  const repository = await createMemoryRepository(storage);
  const { id, ref } = await backup(repository, disk);
  await repository.records.put(`chains/${GROUP}/00000001`, { pointId: id });
  await repository.close();
  return { storage, id, ref };
}

const copyOf = (storage: MemoryStorage): MemoryStorage =>
  new MemoryStorage(new Map([...storage.objects].map(([name, data]) => [name, Buffer.from(data)])));

/** What anyone would do with it. @returns bytes that were restored, or null when an error said that they cannot be */
async function use(storage: MemoryStorage): Promise<{ restored: Buffer | null; codes: string[] }> {
  const codes: string[] = [];
  const attempt = async <T>(action: () => Promise<T>): Promise<T | null> => {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof HvError)) throw error;
      codes.push(error.code);
      return null;
    }
  };
  const repository = await attempt(() => openMemory(storage));
  if (repository === null) return { restored: null, codes };
  try {
    await attempt(() => repository.records.get(`chains/${GROUP}/00000001`));
    const check = await repository.check();
    if (check.damages.length > 0) codes.push('CHECK');
    const points = await attempt(() => repository.listManifests());
    const ref = points?.[0]?.contents[0];
    return { restored: ref ? await attempt(() => readAll(repository, ref)) : null, codes };
  } finally {
    await repository.close();
  }
}

describe('damaged objects', () => {
  it('never give wrong bytes, and are found by check or by reading, wherever a bit flips', async () => {
    const { storage } = await fixture();
    const random = randomSource(11);
    for (const [name, data] of storage.objects) {
      // Every byte of small objects would take long; the ends and a sample of the middle show the same.
      const places = new Set([0, 8, 9, 12, 28, 44, 60, 92, data.length - 1, data.length - 33, data.length - 60]);
      for (let i = 0; i < 12; i++) places.add(Math.floor(random() * data.length));
      for (const place of places) {
        if (place < 0 || place >= data.length) continue;
        const damaged = copyOf(storage);
        damaged.objects.get(name)![place]! ^= 1 << Math.floor(random() * 8);
        const { restored, codes } = await use(damaged);
        const where = `${name} at ${place}`;
        if (restored !== null) expect(sha256(restored), where).toBe(sha256(disk));
        const expected = /^(REPOSITORY_DAMAGED|REPOSITORY_VERSION|NOT_SUPPORTED|CHECK)$/;
        for (const code of codes) expect(code, where).toMatch(expected);
        expect(codes.length, `${where} goes unnoticed`).toBeGreaterThan(0);
      }
    }
  });

  it('are found when cut, emptied, lost or swapped', async () => {
    const { storage } = await fixture();
    const names = [...storage.objects.keys()];
    for (const name of names) {
      for (const length of [0, 1, 50, storage.objects.get(name)!.length - 2]) {
        const damaged = copyOf(storage);
        damaged.objects.set(name, damaged.objects.get(name)!.subarray(0, length));
        const { restored, codes } = await use(damaged);
        if (restored !== null) expect(sha256(restored)).toBe(sha256(disk));
        expect(codes.length, `${name} cut to ${length}`).toBeGreaterThan(0);
      }
      const lost = copyOf(storage);
      lost.objects.delete(name);
      const { restored } = await use(lost);
      // The index can be had back from the packs, and the configuration from its second copy; the others cannot.
      if (restored !== null) expect(name).toMatch(/^((indexes|chains|ledger|spare)\/|hvbackup-repository\.json$)/);
      for (const other of names) {
        // The second copy of the configuration is the same.
        if (other === name || storage.objects.get(other)!.equals(storage.objects.get(name)!)) continue;
        const swapped = copyOf(storage);
        swapped.objects.set(name, storage.objects.get(other)!);
        const { restored: bytes, codes } = await use(swapped);
        if (bytes !== null) expect(sha256(bytes)).toBe(sha256(disk));
        expect(codes.length, `${name} replaced by ${other}`).toBeGreaterThan(0);
      }
    }
  });

  it('are named by reading: path, offset, id, place on the disk; and the rest is read', async () => {
    const { storage, ref } = await fixture();
    const [pack] = [...storage.objects].filter(
      ([name, data]) => name.startsWith('packs/') && data.readUInt16LE(10) === 0,
    );
    pack![1]![96 + 96 + 10]! ^= 0xff;
    const repository = await openMemory(storage);
    await expect(readAll(repository, ref)).rejects.toMatchObject({
      code: 'REPOSITORY_DAMAGED',
      data: { object: 'block', path: pack![0], offset: 96, diskOffset: expect.any(Number) },
    });
    const reader = await repository.openContent(ref);
    const damages: { damage: Damage; offset: number; length: number }[] = [];
    const out = Buffer.alloc(ref.size);
    for await (const { offset, data } of reader.stream({
      onDamage: (damage, offset, length) => damages.push({ damage, offset, length }),
    }))
      data.copy(out, offset);
    expect(damages).toHaveLength(1);
    expect(damages[0]).toMatchObject({ damage: { object: 'block', path: pack![0], offset: 96 }, length: BLOCK });
    out.set(disk.subarray(damages[0]!.offset, damages[0]!.offset + BLOCK), damages[0]!.offset);
    expect(out.equals(disk)).toBe(true);
    await repository.close();
  });

  it('heal when a later backup sees their content again', async () => {
    const { storage, ref } = await fixture();
    for (const [name, data] of storage.objects)
      if (name.startsWith('packs/') && data.readUInt16LE(10) === 0) data[96 + 96 + 10]! ^= 0xff;
    const one = await openMemory(storage);
    await expect(readAll(one, ref)).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED' });
    await one.close();
    const two = await openMemory(storage);
    expect((await two.check()).damages).toHaveLength(1);
    const { stats } = await backup(two, disk);
    expect(stats.newBlocks).toBe(1);
    expect((await readAll(two, ref)).equals(disk)).toBe(true);
    expect((await two.check()).damages).toEqual([]);
    await two.prune();
    expect((await readAll(two, ref)).equals(disk)).toBe(true);
    await two.close();
  });

  it('heal by an incremental that is told where they are', async () => {
    const { storage, ref } = await fixture();
    for (const [name, data] of storage.objects)
      if (name.startsWith('packs/') && data.readUInt16LE(10) === 0) data[96 + 96 + 10]! ^= 0xff;
    const repository = await openMemory(storage);
    const before = await repository.beginSession();
    expect(await before.damagedBlocks(ref)).toEqual([]);
    await before.close();
    await expect(readAll(repository, ref)).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED' });
    const session = await repository.beginSession();
    const indices = await session.damagedBlocks(ref);
    expect(indices).toHaveLength(1);
    await session.close();
    const { ref: next, stats } = await backup(repository, disk, { base: ref, indices });
    expect(stats.newBlocks).toBe(1);
    expect(next).toEqual(ref);
    expect((await readAll(repository, ref)).equals(disk)).toBe(true);
    await repository.close();
  });

  it('that were only misread are not taken for damaged', async () => {
    const { storage, ref } = await fixture();
    let once = false;
    const flaky = new FaultStorage(storage);
    const read = flaky.read.bind(flaky);
    flaky.read = async (name, offset, target) => {
      await read(name, offset, target);
      if (!once && target.length > 2000 && name.startsWith('packs/')) {
        once = true;
        target[target.length - 1]! ^= 1;
      }
    };
    const repository = await openMemory(flaky);
    expect((await readAll(repository, ref)).equals(disk)).toBe(true);
    expect(once).toBe(true);
    expect([...storage.objects.keys()].filter((name) => name.startsWith('damaged/'))).toEqual([]);
    await repository.close();
  });

  it('of another repository are refused', async () => {
    const { storage } = await fixture();
    const other = await fixture();
    const mixed = copyOf(storage);
    for (const [name, data] of other.storage.objects)
      if (!mixed.objects.has(name) && !name.startsWith('manifests/')) mixed.objects.set(name, data);
    const { restored } = await use(mixed);
    expect(sha256(restored!)).toBe(sha256(disk));
  });
});

describe('what this version does not know', () => {
  it('is refused: features, newer versions, encryption', async () => {
    const { storage } = await fixture();
    const withFeature = copyOf(storage);
    withFeature.objects.set('features/delta', Buffer.from('{}'));
    await expect(openMemory(withFeature)).rejects.toMatchObject({ code: 'REPOSITORY_VERSION' });
    const config = JSON.parse(storage.objects.get('hvbackup-repository.json')!.toString());
    const newer = copyOf(storage);
    newer.objects.set(
      'hvbackup-repository.json',
      Buffer.from(JSON.stringify({ ...config, version: 3, minReaderVersion: 3, check: 'whatever' })),
    );
    await expect(openMemory(newer)).rejects.toMatchObject({ code: 'REPOSITORY_VERSION' });
  });
});
