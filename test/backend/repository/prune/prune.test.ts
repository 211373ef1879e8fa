import { describe, expect, it } from 'vitest';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import {
  BLOCK,
  backup,
  createMemoryRepository,
  openMemory,
  randomSource,
  sampleBytes,
  sha256,
  storeDisk,
  verifyAll,
  withoutTombstones,
} from '../support/model.ts';
import { World } from '../support/process.ts';

async function fixture() {
  const world = new World();
  const storage = new MemoryStorage();
  const repository = await createMemoryRepository(storage, { environment: world.process() });
  const open: StoredRepository[] = [repository];
  return {
    world,
    storage,
    repository,
    async another(machine?: string) {
      const process = world.process(machine);
      const other = await openMemory(storage, process);
      open.push(other);
      return { repository: other, process };
    },
    async [Symbol.asyncDispose]() {
      for (const one of open) await one.close();
    },
  };
}

const sizeOf = (storage: MemoryStorage, prefix: string): number =>
  [...storage.objects].reduce((sum, [name, data]) => sum + (name.startsWith(prefix) ? data.length : 0), 0);

describe('prune', () => {
  it('removes what came when its mark was gone: of a prune that slept, and of a writer', async () => {
    await using f = await fixture();
    const { core } = f.repository;
    await backup(f.repository, sampleBytes(4 * BLOCK, 1));
    const mark = await core.marks.create(['0'.repeat(32)]);
    await core.marks.remove(mark);
    await core.marks.recordWaiting(mark, []);
    await core.marks.pin(mark, '01ARZ3NDEKTSV4RRFFQ69G5FAV', []);
    expect(sizeOf(f.storage, 'marks/')).toBeGreaterThan(0);
    await f.repository.prune();
    expect(sizeOf(f.storage, 'marks/')).toBe(0);
  });

  it('gives back the space of a removed point at once, and leaves nothing behind', async () => {
    await using f = await fixture();
    const first = await backup(f.repository, sampleBytes(40 * BLOCK, 1));
    const before = sizeOf(f.storage, '');
    const second = await backup(f.repository, sampleBytes(60 * BLOCK, 2));
    await f.repository.removeManifest(second.id);
    const dry = await f.repository.prune({ dryRun: true });
    const result = await f.repository.prune();
    expect(dry.freedBytes).toBeGreaterThan(1_000_000);
    expect(result).toMatchObject({ pendingBytes: 0, packsDeleted: 2, packsRewritten: 0 });
    expect(Math.abs(result.freedBytes - dry.freedBytes)).toBeLessThan(20_000);
    expect(sizeOf(f.storage, '') - before).toBeLessThan(1000);
    expect(await verifyAll(f.repository)).toEqual([first.id]);
    await f.repository.removeManifest(first.id);
    await f.repository.prune();
    expect(withoutTombstones(f.storage)).toEqual(['hvbackup-repository.json']);
    expect(await f.repository.stats()).toMatchObject({ points: 0, packs: 0, blocks: 0, nodes: 0 });
  });

  it('rewrites packs that hold too little, and keeps those that hold enough', async () => {
    await using f = await fixture();
    const disk = sampleBytes(100 * BLOCK, 1);
    const { ref, id } = await backup(f.repository, disk);
    const changed = Buffer.from(disk);
    sampleBytes(90 * BLOCK, 2).copy(changed, 5 * BLOCK);
    const indices = Array.from({ length: 90 }, (_, i) => i + 5);
    const next = await backup(f.repository, changed, { base: ref, indices });
    await f.repository.removeManifest(id);
    const before = sizeOf(f.storage, 'packs/');
    const result = await f.repository.prune();
    expect(result.packsRewritten).toBe(1);
    expect(before - sizeOf(f.storage, 'packs/')).toBeGreaterThan(result.freedBytes * 0.9);
    expect(await verifyAll(f.repository)).toEqual([next.id]);
    const { repository: other } = await f.another();
    expect(await verifyAll(other)).toEqual([next.id]);
    expect((await other.check()).damages).toEqual([]);
    expect(await other.prune()).toMatchObject({ packsDeleted: 0, packsRewritten: 0, pendingBytes: 0 });
  });

  it('removes points in any order and leaves the others right', async () => {
    await using f = await fixture();
    const random = randomSource(3);
    let disk = sampleBytes(60 * BLOCK, 1);
    const points = [await backup(f.repository, disk)];
    for (let i = 0; i < 8; i++) {
      disk = Buffer.from(disk);
      const indices = [...new Set(Array.from({ length: 20 }, () => Math.floor(random() * 60)))].sort((a, b) => a - b);
      for (const index of indices) sampleBytes(BLOCK, i * 1000 + index).copy(disk, index * BLOCK);
      points.push(await backup(f.repository, disk, { base: points.at(-1)!.ref, indices }));
    }
    while (points.length > 0) {
      const [gone] = points.splice(Math.floor(random() * points.length), 1);
      await f.repository.removeManifest(gone!.id);
      const result = await f.repository.prune();
      expect(result.pendingBytes).toBe(0);
      expect(await verifyAll(f.repository)).toEqual(points.map(({ id }) => id));
    }
    expect(withoutTombstones(f.storage)).toEqual(['hvbackup-repository.json']);
  });

  it('leaves alone what a session at work has stored or relies on, and says how much waits', async () => {
    await using f = await fixture();
    const old = sampleBytes(50 * BLOCK, 1);
    const { id, ref } = await backup(f.repository, old);
    const { repository: writer } = await f.another('two');
    const session = await writer.beginSession();
    // It relies on the old point's blocks, builds on it, and has stored some of its own.
    const incremental = Buffer.from(old);
    sampleBytes(BLOCK, 5).copy(incremental, 3 * BLOCK);
    const one = await storeDisk(session, incremental, BLOCK, ref, [3]);
    const two = await storeDisk(session, Buffer.concat([sampleBytes(30 * BLOCK, 9), old]), BLOCK);
    await f.repository.removeManifest(id);
    const first = await f.repository.prune();
    expect(first).toMatchObject({ packsDeleted: 0 });
    expect(first.pendingBytes).toBeGreaterThan(1_000_000);
    expect((await f.repository.prune()).pendingBytes).toBe(first.pendingBytes);
    const body = (disk: Buffer) => ({ sha256: sha256(disk) });
    await session.publish({
      id: '01J00000000000000000000001',
      group: 'vm',
      createdAt: '',
      contents: [one.ref],
      body: body(incremental),
    });
    await session.publish({
      id: '01J00000000000000000000002',
      group: 'vm',
      createdAt: '',
      contents: [two.ref],
      body: body(Buffer.concat([sampleBytes(30 * BLOCK, 9), old])),
    });
    await session.close();
    expect((await f.repository.prune()).pendingBytes).toBe(0);
    expect(await verifyAll(f.repository)).toHaveLength(2);
    expect((await f.repository.check()).damages).toEqual([]);
    expect([...f.storage.objects.keys()].filter((name) => name.startsWith('marks/'))).toEqual([]);
  });

  it('goes on when a session is over: its process is dead, or it expired', async () => {
    await using f = await fixture();
    const { id } = await backup(f.repository, sampleBytes(50 * BLOCK, 1));
    const same = await f.another('one');
    await same.repository.beginSession();
    const far = await f.another('two');
    const paused = await far.repository.beginSession();
    await f.repository.removeManifest(id);
    expect((await f.repository.prune()).pendingBytes).toBeGreaterThan(0);
    f.world.kill(same.process);
    expect((await f.repository.prune()).pendingBytes).toBeGreaterThan(0);
    f.world.time += 26 * 3600 * 1000;
    expect(await f.repository.prune()).toMatchObject({ pendingBytes: 0, packsDeleted: 2 });
    await expect(paused.openContent(10)).rejects.toMatchObject({ code: 'REPOSITORY_SESSION_EXPIRED' });
    expect(withoutTombstones(f.storage)).toEqual(['hvbackup-repository.json']);
  });

  it('puts many small indexes and packs together, and reads packs where an index has become unreadable', async () => {
    await using f = await fixture();
    for (let i = 0; i < 40; i++) await backup(f.repository, sampleBytes(500 * (i + 1), i));
    const { id } = await backup(f.repository, sampleBytes(5 * BLOCK, 99));
    const names = () => [...f.storage.objects.keys()].filter((name) => name.startsWith('indexes/'));
    expect(names()).toHaveLength(41);
    f.storage.objects.get(names()[20]!)![100]! ^= 1;
    await f.repository.removeManifest(id);
    await f.repository.prune();
    expect(names().length).toBeLessThan(4);
    expect([...f.storage.objects.keys()].filter((name) => name.startsWith('packs/')).length).toBeLessThan(4);
    const { repository: other } = await f.another();
    expect(await verifyAll(other)).toHaveLength(40);
    expect((await other.check()).damages).toEqual([]);
  });

  it('gives way to another prune at work', async () => {
    await using f = await fixture();
    const other = await f.another('two');
    await other.repository.core.sessions.register('prune', 'other');
    const warnings: string[] = [];
    expect(await f.repository.prune({ warn: (message) => warnings.push(message) })).toMatchObject({ freedBytes: 0 });
    expect(warnings).toHaveLength(1);
  });

  it('deletes nothing when a block map cannot be read', async () => {
    await using f = await fixture();
    const { id } = await backup(f.repository, sampleBytes(30 * BLOCK, 1));
    const { id: gone } = await backup(f.repository, sampleBytes(30 * BLOCK, 2));
    await f.repository.removeManifest(gone);
    for (const [name, data] of f.storage.objects)
      if (name.startsWith('packs/') && data.readUInt16LE(10) === 1) data.fill(7, 96, data.length - 64);
    const objects = [...f.storage.objects.keys()].filter((name) => /^(packs|indexes|manifests)/.test(name)).sort();
    const { repository: other } = await f.another();
    expect(await other.prune()).toMatchObject({ packsDeleted: 0, blocked: [{ pointId: id }] });
    expect([...f.storage.objects.keys()].filter((name) => /^(packs|indexes|manifests)/.test(name)).sort()).toEqual(
      objects,
    );
    await other.removeManifest(id);
    await other.prune();
    expect(withoutTombstones(f.storage)).toEqual(['hvbackup-repository.json']);
  });
});
