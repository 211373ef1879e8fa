/** Kills at every changing operation, and processes that work at once in random order, against a model. */
import { describe, expect, it } from 'vitest';
import type { ContentRef } from '../../../backend/src/repository/port/contents.ts';
import { ulid } from '../../../backend/src/support/ulid.ts';
import { FaultStorage, Killed, MemoryStorage } from './support/memory-storage.ts';
import {
  BLOCK,
  backup,
  createMemoryRepository,
  openMemory,
  randomSource,
  sampleBytes,
  verifyAll,
  withoutTombstones,
} from './support/model.ts';
import { World } from './support/process.ts';

const BLOCKS = 24;

/** Blocks of which only the beginning is not zero: quick to hash and compress, and all different. */
function sparse(blocks: number, seed: number): Buffer {
  const out = Buffer.alloc(blocks * BLOCK);
  for (let i = 0; i < blocks; i++) sampleBytes(3000, seed * 1000 + i).copy(out, i * BLOCK);
  return out;
}

/** What the points of a repository must be, as far as the process that made them was told. */
interface Model {
  /** Acknowledged as published and not asked to be removed. */
  published: Set<string>;
  /** Acknowledged as removed. */
  removed: Set<string>;
}

const change = (disk: Buffer, seed: number): { disk: Buffer; indices: number[] } => {
  const random = randomSource(seed);
  const next = Buffer.from(disk);
  const indices = [...new Set(Array.from({ length: 9 }, () => Math.floor(random() * BLOCKS)))].sort((a, b) => a - b);
  for (const index of indices) sparse(1, seed * 100 + index).copy(next, index * BLOCK);
  return { disk: next, indices };
};

/** Full, incrementals, removals and prunes, one after the other. */
async function script(storage: FaultStorage, world: World, model: Model): Promise<void> {
  const repository = await openMemory(storage, world.process('one'));
  try {
    let disk = sparse(BLOCKS, 1);
    const ids: string[] = [];
    let base: ContentRef | undefined;
    let indices: number[] | undefined;
    const take = async (): Promise<void> => {
      const id = ulid(world.time++);
      ({ ref: base } = await backup(repository, disk, { id, base, indices }));
      ids.push(id);
      model.published.add(id);
    };
    const remove = async (position: number): Promise<void> => {
      const [id] = ids.splice(position, 1);
      model.published.delete(id!);
      await repository.removeManifest(id!);
      model.removed.add(id!);
      await repository.prune();
    };
    await take();
    for (let i = 2; i < 4; i++) {
      ({ disk, indices } = change(disk, i));
      await take();
    }
    await remove(0);
    ({ disk, indices } = change(disk, 9));
    await take();
    await remove(1);
    await remove(0);
  } finally {
    await repository.close();
  }
}

/** What must hold whatever happened before. */
async function aftermath(storage: MemoryStorage, world: World, model: Model): Promise<void> {
  const repository = await openMemory(storage, world.process('one'));
  try {
    const listed = new Set(await verifyAll(repository));
    for (const id of model.published) expect(listed.has(id), `published ${id} is listed`).toBe(true);
    for (const id of model.removed) expect(listed.has(id), `removed ${id} is not listed`).toBe(false);
    expect((await repository.check()).damages).toEqual([]);
    const disk = sparse(BLOCKS, 1);
    const again = await backup(repository, disk);
    const next = change(disk, 77);
    await backup(repository, next.disk, { base: again.ref, indices: next.indices });
    expect(await repository.prune()).toMatchObject({ pendingBytes: 0 });
    expect(await verifyAll(repository)).toHaveLength(listed.size + 2);
    expect((await repository.check()).damages).toEqual([]);
    for (const { id } of await repository.listManifests()) await repository.removeManifest(id);
    await repository.prune();
    expect(withoutTombstones(storage)).toEqual(['hvbackup-repository.json']);
  } finally {
    await repository.close();
  }
}

describe('a process killed at any changing operation', () => {
  it('leaves a repository in which every listed point is right and all space can be had back', async () => {
    const total = await countChanges();
    expect(total).toBeGreaterThan(60);
    for (let killAt = 1; killAt <= total; killAt++) {
      const both = process.env.HVBACKUP_TEST_THOROUGH ? [false, true] : [killAt % 2 === 0];
      for (const effective of both) {
        const world = new World();
        const objects = new MemoryStorage();
        await (await createMemoryRepository(objects)).close();
        const model: Model = { published: new Set(), removed: new Set() };
        const storage = new FaultStorage(objects, { killAt, effective });
        const identity = world.process('one');
        // A session's end is best effort: killed there, the script does not notice.
        await script(storage, world, model).catch((error) => expect(error).toBeInstanceOf(Killed));
        expect(storage.dead).toBe(true);
        // The script's process is the one after.
        world.kill({ pid: identity.pid + 1 });
        await aftermath(objects, world, model).catch((error) => {
          throw new Error(`killed at operation ${killAt}, effective: ${effective}`, { cause: error });
        });
      }
    }
  });

  it('keeps what an interrupted full had stored', async () => {
    const world = new World();
    const objects = new MemoryStorage();
    await (await createMemoryRepository(objects)).close();
    const blocks = 1300;
    const disk = sampleBytes(blocks * BLOCK, 5);
    // The first pack is durable, no index names it; the process dies in the second.
    const storage = new FaultStorage(objects, { killAt: 3 });
    const one = world.process('one');
    const killed = await openMemory(storage, one);
    await expect(backup(killed, disk)).rejects.toBeInstanceOf(Killed);
    await killed.close();
    expect([...objects.objects.keys()].filter((name) => name.startsWith('indexes/'))).toEqual([]);
    world.kill(one);
    const next = await openMemory(objects, world.process('one'));
    const { stats } = await backup(next, disk);
    expect(stats.newBlocks).toBeLessThan(blocks * 0.6);
    expect(await verifyAll(next)).toHaveLength(1);
    expect((await next.check()).damages).toEqual([]);
    await next.close();
  });

  async function countChanges(): Promise<number> {
    const objects = new MemoryStorage();
    await (await createMemoryRepository(objects)).close();
    const storage = new FaultStorage(objects);
    await script(storage, new World(), { published: new Set(), removed: new Set() });
    return storage.changes;
  }
});

describe('operations that fail', () => {
  it('once, at any point, are reported, and nothing wrong is listed', async () => {
    for (let at = 0; at < 70; at += 3) {
      const world = new World();
      const objects = new MemoryStorage();
      await (await createMemoryRepository(objects)).close();
      let failed = false;
      const storage = new FaultStorage(objects, {
        fail: (operation, _name, count) => {
          if (failed || count !== at || !/put|commit|append/.test(operation)) return undefined;
          failed = true;
          return Object.assign(new Error('no space'), { code: 'ENOSPC', syscall: 'write' });
        },
      });
      const model: Model = { published: new Set(), removed: new Set() };
      const process = world.process('one');
      await script(storage, world, model).catch(() => undefined);
      world.kill({ pid: process.pid + 1 });
      await aftermath(objects, world, model);
    }
  });
});

describe('processes at work at once', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('never make a listed point wrong (seed %i)', async (seed) => {
    const random = randomSource(seed);
    const world = new World();
    const objects = new MemoryStorage();
    await (await createMemoryRepository(objects)).close();
    const pause = async (): Promise<void> => {
      for (let i = Math.floor(random() * 4); i > 0; i--) await new Promise((resolve) => setImmediate(resolve));
    };
    const connect = (machine: string) =>
      openMemory(new FaultStorage(objects, { before: pause }), world.process(machine));
    const writer = async (name: string): Promise<void> => {
      const repository = await connect(name);
      let disk = sparse(BLOCKS, 1);
      let base: { id: string; ref: ContentRef } | undefined;
      for (let i = 0; i < 4; i++) {
        const next = change(disk, seed * 50 + i);
        disk = next.disk;
        const id = ulid(world.time++);
        // Somebody else may have removed the base: then a full, as operations do.
        const ref = await backup(repository, disk, {
          id,
          group: name,
          base: base?.ref,
          indices: base && next.indices,
        }).catch((error) => {
          if (base === undefined || !['POINT_NOT_FOUND', 'REPOSITORY_SESSION_EXPIRED'].includes(error.code))
            throw error;
          return backup(repository, disk, { id, group: name });
        });
        base = ref;
      }
      await repository.close();
    };
    const remover = async (name: string): Promise<void> => {
      const repository = await connect(name);
      for (let i = 0; i < 6; i++) {
        const points = await repository.listManifests();
        const victim = points[Math.floor(random() * points.length)];
        if (victim) await repository.removeManifest(victim.id).catch(() => undefined);
        await repository.prune();
        await pause();
      }
      await repository.close();
    };
    await Promise.all([writer('one'), writer('two'), remover('three'), remover('four')]);
    const last = await openMemory(objects, world.process('five'));
    await verifyAll(last);
    expect((await last.check()).damages).toEqual([]);
    await last.prune();
    await verifyAll(last);
    for (const { id } of await last.listManifests()) await last.removeManifest(id);
    expect(await last.prune()).toMatchObject({ pendingBytes: 0 });
    expect(withoutTombstones(objects)).toEqual(['hvbackup-repository.json']);
    await last.close();
  });
});
