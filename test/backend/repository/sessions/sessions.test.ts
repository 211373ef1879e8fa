import { describe, expect, it } from 'vitest';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { ulid } from '../../../../backend/src/support/ulid.ts';
import { closedAfterEach } from '../support/closing.ts';
import { FaultStorage, MemoryStorage } from '../support/memory-storage.ts';
import {
  BLOCK,
  backup,
  createMemoryRepository,
  GROUP,
  openMemory,
  readAll,
  sampleBytes,
  storeDisk,
} from '../support/model.ts';
import { World } from '../support/process.ts';

const open = closedAfterEach<StoredRepository>();

async function fixture() {
  const world = new World();
  const storage = new MemoryStorage();
  await (await createMemoryRepository(storage)).close();
  const connect = async (through: MemoryStorage | FaultStorage = storage, machine = 'one') => {
    const process = world.process(machine);
    const repository = await openMemory(through, process);
    open.push(repository);
    return { repository, process };
  };
  return { world, storage, connect };
}

const manifest = (contents: { size: number; height: number; root: string | null }[]) => ({
  id: ulid(),
  group: GROUP,
  createdAt: '',
  contents,
  body: null,
});

describe('sessions', () => {
  it('of two machines at once store the same content without harm', async () => {
    const { connect } = await fixture();
    const { repository: one } = await connect(undefined, 'one');
    const { repository: two } = await connect(undefined, 'two');
    const disk = sampleBytes(30 * BLOCK, 1);
    const [first, second] = await Promise.all([backup(one, disk), backup(two, disk)]);
    expect(first.ref).toEqual(second.ref);
    expect((await readAll(one, second.ref)).equals(disk)).toBe(true);
    const third = await backup(one, disk);
    expect(third.stats.newBlocks).toBe(0);
    await one.prune();
    expect((await readAll(two, first.ref)).equals(disk)).toBe(true);
    expect(await one.stats()).toMatchObject({ blocks: 30, nodes: 1 });
  });

  it('publish nothing before all of it is durable and indexed', async () => {
    const { storage, connect } = await fixture();
    const order: string[] = [];
    const { repository } = await connect(
      new FaultStorage(storage, {
        before: (operation, name) => {
          if (/put|commit/.test(operation)) order.push(name.split('/')[0]!);
        },
      }),
    );
    await backup(repository, sampleBytes(1100 * BLOCK, 1));
    const last = (folder: string) => order.lastIndexOf(folder);
    expect(order.filter((folder) => folder === 'packs').length).toBeGreaterThan(2);
    expect(last('packs')).toBeLessThan(last('indexes'));
    expect(last('indexes')).toBeLessThan(order.indexOf('manifests'));
    expect(order[0]).toBe('sessions');
  });

  it('are renewed while they work, and publish nothing once expired', async () => {
    const { world, storage, connect } = await fixture();
    const { repository } = await connect();
    const session = await repository.beginSession();
    const { ref } = await storeDisk(session, sampleBytes(3 * BLOCK, 1), BLOCK);
    world.time += 20 * 3600 * 1000;
    await session.publish(manifest([ref]));
    world.time += 20 * 3600 * 1000;
    await session.publish(manifest([ref]));
    world.time += 25 * 3600 * 1000;
    await expect(session.publish(manifest([ref]))).rejects.toMatchObject({ code: 'REPOSITORY_SESSION_EXPIRED' });
    expect(await repository.listManifests()).toHaveLength(2);
    await session.close();
    expect([...storage.objects.keys()].filter((name) => name.startsWith('sessions/'))).toEqual([]);
  });

  it('build only on what a listed restore point has', async () => {
    const { connect } = await fixture();
    const { repository } = await connect();
    const { id, ref } = await backup(repository, sampleBytes(3 * BLOCK, 1));
    await repository.removeManifest(id);
    const session = await repository.beginSession();
    await expect(session.openContent(ref.size, ref)).rejects.toMatchObject({ code: 'POINT_NOT_FOUND' });
    await session.close();
  });

  it('end by a record where nothing can be deleted, and prune elsewhere gives the space back', async () => {
    const { storage, connect } = await fixture();
    const denied = Object.assign(new Error('append-only'), { code: 'EACCES', syscall: 'unlink' });
    const appendOnly = new FaultStorage(storage, {
      fail: (operation) => (operation === 'delete' ? denied : undefined),
    });
    const { repository } = await connect(appendOnly, 'writer');
    await backup(repository, sampleBytes(3 * BLOCK, 1));
    const { id } = await backup(repository, sampleBytes(40 * BLOCK, 2));
    expect([...storage.objects.keys()].filter((name) => name.endsWith('/end'))).toHaveLength(2);
    const { repository: trusted } = await connect(storage, 'trusted');
    await trusted.removeManifest(id);
    expect(await trusted.prune()).toMatchObject({ pendingBytes: 0, packsDeleted: 2 });
    expect([...storage.objects.keys()].filter((name) => name.startsWith('sessions/'))).toEqual([]);
  });

  it('report a source that cannot be read, and store nothing wrong', async () => {
    const { connect } = await fixture();
    const { repository } = await connect();
    const session = await repository.beginSession();
    const writer = await session.openContent(4 * BLOCK);
    await writer.write([0], async (buffer) => void sampleBytes(buffer.length, 1).copy(buffer));
    await expect(writer.write([1], () => Promise.reject(new Error('bad sector')))).rejects.toThrow('bad sector');
    await expect(writer.finish()).rejects.toThrow('bad sector');
    // Another content of the session is not touched by it.
    const { ref } = await storeDisk(session, sampleBytes(4 * BLOCK, 2), BLOCK);
    await session.publish(manifest([ref]));
    await session.close();
    expect((await readAll(repository, ref)).equals(sampleBytes(4 * BLOCK, 2))).toBe(true);
  });

  it('refuse blocks out of order, beyond the end, or too many', async () => {
    const { connect } = await fixture();
    const { repository } = await connect();
    const session = await repository.beginSession();
    const writer = await session.openContent(100 * BLOCK);
    const fill = async (): Promise<void> => undefined;
    await writer.write([5, 7], fill);
    for (const indices of [
      [7],
      [6],
      [9, 8],
      [100],
      [8, 8],
      Array.from({ length: session.maxRun + 1 }, (_, i) => i + 10),
    ])
      await expect(writer.write(indices, fill)).rejects.toMatchObject({ code: 'INTERNAL' });
    await expect(writer.zero(0, 6)).rejects.toMatchObject({ code: 'INTERNAL' });
    await writer.zero(50, 50);
    await expect(writer.zero(99, 1)).rejects.toMatchObject({ code: 'INTERNAL' });
    await writer.finish();
    await session.close();
  });

  it('stop when cancelled', async () => {
    const { connect } = await fixture();
    const { repository } = await connect();
    const controller = new AbortController();
    const session = await repository.beginSession({ signal: controller.signal });
    const writer = await session.openContent(10 * BLOCK);
    controller.abort();
    await expect(writer.write([0], async () => undefined)).rejects.toMatchObject({ code: 'CANCELLED' });
    await session.close();
  });
});
