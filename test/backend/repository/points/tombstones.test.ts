/** Removing leaves a tombstone, in an order that survives a kill. */
import { describe, expect, it } from 'vitest';
import { TOMBSTONE_LIFETIME } from '../../../../backend/src/repository/points/tombstones.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { HvError } from '../../../../backend/src/support/errors.ts';
import { ulid } from '../../../../backend/src/support/ulid.ts';
import { closedAfterEach } from '../support/closing.ts';
import { FaultStorage, MemoryStorage } from '../support/memory-storage.ts';
import { BLOCK, backup, createMemoryRepository, GROUP, openMemory, sampleBytes, verifyAll } from '../support/model.ts';
import { World } from '../support/process.ts';

const open = closedAfterEach<StoredRepository>();

async function fixture() {
  const world = new World();
  const storage = new MemoryStorage();
  await (await createMemoryRepository(storage, { environment: world.process() })).close();
  const connect = async (through: MemoryStorage | FaultStorage = storage) => {
    const repository = await openMemory(through, world.process());
    open.push(repository);
    return repository;
  };
  return { world, storage, connect };
}

const stop = new HvError('IO_ERROR', 'killed here');

describe('tombstones', () => {
  it('tell who removed a restore point and why, after it is gone', async () => {
    const { storage, connect } = await fixture();
    const repository = await connect();
    const { id } = await backup(repository, sampleBytes(3 * BLOCK, 1));
    expect(await repository.tombstone(id)).toBeNull();
    await repository.removeManifest(id.slice(0, 12), { reason: 'retention' });
    expect(await repository.tombstone(id)).toMatchObject({ point: id, group: GROUP, by: 'one', reason: 'retention' });
    expect([...(await repository.core.tombstones.list()).keys()]).toEqual([id]);
    expect([...storage.objects.keys()].filter((name) => name.startsWith('manifests/'))).toEqual([]);
  });

  it('come before the manifest goes, and take it off the list by themselves', async () => {
    const { storage, connect } = await fixture();
    const kept = await backup(await connect(), sampleBytes(3 * BLOCK, 1));
    const { id } = await backup(await connect(), sampleBytes(40 * BLOCK, 2));
    const order: string[] = [];
    const cut = new FaultStorage(storage, {
      before: (operation, name) => {
        if (/put|delete/.test(operation)) order.push(`${operation} ${name.split('/')[0]}`);
        if (operation === 'delete' && name.startsWith('manifests/')) throw stop;
      },
    });
    await expect((await connect(cut)).removeManifest(id)).rejects.toBe(stop);
    expect(order).toEqual(['put removed', 'delete manifests']);

    const after = await connect();
    expect((await after.listManifests()).map((point) => point.id)).toEqual([kept.id]);
    await expect(after.readManifest(id)).rejects.toMatchObject({ code: 'POINT_NOT_FOUND' });
    // Who does not trust the tombstone neither deletes the manifest nor what it needs.
    expect(await after.prune({ finish: () => false })).toMatchObject({ packsDeleted: 0 });
    const about = () => [...storage.objects.keys()].filter((name) => name.endsWith(id) && !name.startsWith('ledger/'));
    expect(about()).toHaveLength(2);
    expect(await after.prune()).toMatchObject({ packsDeleted: 2 });
    expect(about()).toEqual([`removed/${id}`]);
    expect(await verifyAll(after)).toEqual([kept.id]);
  });

  it('are finished by removing again', async () => {
    const { storage, connect } = await fixture();
    const { id } = await backup(await connect(), sampleBytes(BLOCK, 1));
    const cut = new FaultStorage(storage, {
      before: (operation) => {
        if (operation === 'delete') throw stop;
      },
    });
    await expect((await connect(cut)).removeManifest(id)).rejects.toBe(stop);
    const again = await connect();
    await again.removeManifest(id);
    expect(await again.core.manifests.unfinished()).toEqual([]);
  });

  it('are withdrawn when the last question is answered with no', async () => {
    const { connect } = await fixture();
    const repository = await connect();
    const { id } = await backup(repository, sampleBytes(BLOCK, 1));
    const confirm = async () => {
      expect(await repository.tombstone(id)).not.toBeNull();
      throw stop;
    };
    await expect(repository.removeManifest(id, { confirm })).rejects.toBe(stop);
    expect(await repository.tombstone(id)).toBeNull();
    expect(await verifyAll(repository)).toEqual([id]);
  });

  it('of a manifest that was put back, keep it off the list, and its missing blocks do not stop a prune', async () => {
    const { storage, connect } = await fixture();
    const repository = await connect();
    const { id } = await backup(repository, sampleBytes(40 * BLOCK, 1));
    const name = `manifests/${GROUP}/${id}`;
    const copy = storage.objects.get(name)!;
    await repository.removeManifest(id);
    await repository.prune();
    storage.objects.set(name, copy);
    const other = await connect();
    expect(await other.listManifests()).toEqual([]);
    await other.prune({ finish: () => false });
    await other.prune();
    expect(storage.objects.has(name)).toBe(false);
  });

  it('go after two years, not sooner, and not by a clock alone that is ahead', async () => {
    const { world, connect } = await fixture();
    const repository = await connect();
    const { id } = await backup(repository, sampleBytes(BLOCK, 1), { id: ulid(world.time) });
    await backup(repository, sampleBytes(BLOCK, 2), { id: ulid(world.time) });
    await repository.removeManifest(id);
    world.time += 10 * TOMBSTONE_LIFETIME;
    await repository.prune();
    expect(await repository.tombstone(id)).not.toBeNull();
    world.time -= 9 * TOMBSTONE_LIFETIME + 60_000;
    // What a clock dated that was ahead proves nothing.
    await backup(repository, sampleBytes(BLOCK, 3), { id: ulid(world.time + 2 * TOMBSTONE_LIFETIME) });
    await backup(repository, sampleBytes(BLOCK, 3), { id: ulid(world.time) });
    await repository.prune();
    expect(await repository.tombstone(id)).not.toBeNull();
    world.time += 120_000;
    await backup(repository, sampleBytes(BLOCK, 4), { id: ulid(world.time) });
    await repository.prune();
    expect(await repository.tombstone(id)).toBeNull();
  });

  it('hide a restore point, or make room for it, also when they are misread once', async () => {
    const { storage, connect } = await fixture();
    let [reads, bad] = [0, 0];
    const flaky = new MemoryStorage(storage.objects);
    flaky.get = async (name, limit) => {
      const data = await storage.get(name, limit);
      if (name.startsWith('removed/') && ++reads === bad) data[data.length >> 1]! ^= 4;
      return data;
    };
    const repository = await connect();
    const { id } = await backup(repository, sampleBytes(BLOCK, 1));
    await repository.core.tombstones.put({ id, group: GROUP }, 'removed');
    bad = 1;
    const reader = await connect(flaky);
    expect(await reader.listManifests()).toEqual([]);
    expect(reads).toBe(2);
    // What an attempt to publish it left behind goes when it is published, whichever look at it goes wrong.
    for (bad = 1; bad <= 2; bad++) {
      const again = ulid();
      await repository.core.tombstones.put({ id: again, group: GROUP }, 'its backup did not get to an end', 'gone');
      reads = 0;
      await backup(await connect(flaky), sampleBytes(BLOCK, 2), { id: again });
      expect(reads).toBeGreaterThan(2);
      expect((await repository.listManifests()).map((point) => point.id)).toContain(again);
    }
  });
});
