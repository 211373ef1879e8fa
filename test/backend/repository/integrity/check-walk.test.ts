/** What check says restore points miss: found in a join of all blocks, named by a second walk. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { closedAfterEach } from '../support/closing.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { backup, createMemoryRepository, openMemory, sampleBytes } from '../support/model.ts';
import { patchBackup } from '../support/patch-backup.ts';

const open = closedAfterEach<StoredRepository>();
const BLOCKS = 20;
const NODES = 1;

/** Names of packs, by what is in them. */
const packs = (storage: MemoryStorage, kind: number): string[] =>
  [...storage.objects].flatMap(([name, data]) =>
    name.startsWith('packs/') && data.readUInt16LE(10) === kind ? [name] : [],
  );

/**
 * A full of one disk, an incremental of deltas over it, and a full of another disk; the storage as it was after each.
 */
async function fixture() {
  const storage = new MemoryStorage();
  const repository = await createMemoryRepository(storage);
  const { blockSize } = repository;
  const disk = sampleBytes(BLOCKS * blockSize, 1);
  const first = await backup(repository, disk);
  const whole = packs(storage, 0);
  const ranges = Array.from({ length: BLOCKS }, (_, i) => {
    const range = { offset: i * blockSize + 100, length: 500 };
    randomBytes(500).copy(disk, range.offset);
    return range;
  });
  await patchBackup(repository, disk, first.ref, ranges);
  const deltas = packs(storage, 0).filter((name) => !whole.includes(name));
  const nodes = packs(storage, NODES);
  await backup(repository, sampleBytes(BLOCKS * blockSize, 2));
  const others = packs(storage, NODES).filter((name) => !nodes.includes(name));
  await repository.close();
  return { storage, whole, deltas, others };
}

async function checked(storage: MemoryStorage) {
  const repository = await openMemory(storage);
  open.push(repository);
  const { damages, objects } = await repository.check();
  const blocks = damages.filter(({ object }) => object === 'block');
  return { objects, damages, blocks };
}

const missing = ({ message }: { message: string }): boolean => message.endsWith('no pack holds it');
const broken = ({ message }: { message: string }): boolean => message.includes('a delta over');

describe('what restore points need', () => {
  it('is all there', async () => {
    const { storage, whole, deltas, others } = await fixture();
    expect([whole.length, deltas.length, others.length].every((count) => count > 0)).toBe(true);
    expect((await checked(storage)).damages).toEqual([]);
  });

  it('is missed with what is a delta over it', async () => {
    const { storage, whole } = await fixture();
    const { objects } = await checked(storage);
    for (const name of whole) storage.objects.delete(name);
    const found = await checked(storage);
    expect(found.blocks.filter(missing)).toHaveLength(BLOCKS);
    expect(found.blocks.filter(broken)).toHaveLength(BLOCKS);
    expect(new Set(found.blocks.map(({ id }) => id)).size).toBe(2 * BLOCKS);
    // Looked at twice, counted once.
    expect(found.objects).toBe(objects);
  });

  it('is missed when only deltas are', async () => {
    const { storage, deltas } = await fixture();
    for (const name of deltas) storage.objects.delete(name);
    const { blocks } = await checked(storage);
    expect(blocks).toHaveLength(BLOCKS);
    expect(blocks.every(missing)).toBe(true);
  });

  it('is told once where a block map cannot be read, though it is walked twice', async () => {
    const { storage, deltas, others } = await fixture();
    for (const name of deltas) storage.objects.delete(name);
    for (const name of others) storage.objects.get(name)![96 + 96 + 10]! ^= 1;
    const { damages, blocks } = await checked(storage);
    expect(blocks).toHaveLength(BLOCKS);
    expect(damages.filter(({ object }) => object === 'node')).toHaveLength(1);
    expect(new Set(damages.map(({ path, message }) => `${path} ${message}`)).size).toBe(damages.length);
  });
});
