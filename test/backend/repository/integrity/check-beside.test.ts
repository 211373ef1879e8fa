/** Check beside prunes and writers: what they move and replace is no damage, and what is lost is told all the same. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SqliteCatalog } from '../../../../backend/src/catalog/sqlite-catalog.ts';
import { indexName } from '../../../../backend/src/repository/format/names.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { type FaultPlan, Killed, MemoryStorage } from '../support/memory-storage.ts';
import { BLOCK, backup, openMemory, sampleBytes, verifyAll } from '../support/model.ts';
import { World } from '../support/process.ts';
import { type Connect, processesAtWork } from '../support/processes.ts';

const { open, fixture } = processesAtWork();

/** A restore point of which prune keeps a tenth in packs of its own: the rest belonged to one that is removed. */
async function thinPacks(repository: StoredRepository): Promise<void> {
  const disk = sampleBytes(100 * BLOCK, 1);
  const { ref, id } = await backup(repository, disk);
  const changed = Buffer.from(disk);
  sampleBytes(90 * BLOCK, 2).copy(changed, 5 * BLOCK);
  await backup(repository, changed, { base: ref, indices: Array.from({ length: 90 }, (_, i) => i + 5) });
  await repository.removeManifest(id);
}

/** Once: `open` resolves what waits for `reached`. */
function gate() {
  const { promise: reached, resolve: arrive } = Promise.withResolvers<void>();
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  const pass = async (): Promise<void> => {
    arrive();
    await opened;
  };
  return { reached, pass, open };
}

/**
 * A dead pack is needed again: prune has superseded its index, and not marked it yet, when a restore point is
 * published.
 */
async function neededAgain(world: World, connect: Connect, prune: FaultPlan) {
  const disk = sampleBytes(20 * BLOCK, 3);
  const first = await connect();
  const { id } = await backup(first, disk);
  await first.removeManifest(id);
  const [publishing, marking] = [gate(), gate()];
  const writer = await connect({
    before: async (operation, name) => {
      if (operation === 'put' && name.startsWith('manifests/')) await publishing.pass();
    },
  });
  const process = world.process();
  const pruner = await connect(
    {
      ...prune,
      before: async (operation, name) => {
        if (operation === 'put' && /^marks\/.*packs$/.test(name)) await marking.pass();
      },
    },
    process,
  );
  const written = backup(writer, disk);
  await publishing.reached;
  const pruned = pruner.prune().catch((error) => error as Error);
  await marking.reached;
  publishing.open();
  await written;
  return { process, pruned, go: marking.open };
}

describe('check', () => {
  it('takes no index for lost when a prune deletes the copies of another that was killed', async () => {
    const { world, connect } = await fixture();
    await thinPacks(await connect());
    const process = world.process();
    // It dies when it is about to name what it has copied.
    let indexes = 0;
    const killed = await connect(
      {
        fail: (operation, name) =>
          operation === 'put' && name.startsWith('indexes/') && ++indexes ? new Killed() : undefined,
      },
      process,
    );
    await expect(killed.prune()).rejects.toThrow(Killed);
    world.kill(process);
    const pruner = await connect();
    // After packs and indexes have been listed, when the first pack of an index is looked at.
    let [listings, reads] = [0, 0];
    const checker = await connect({
      before: async (operation, name) => {
        if (operation === 'list' && name === 'indexes/') listings += 1;
        if (listings !== 2 || operation !== 'read' || ++reads > 1) return;
        expect((await pruner.prune()).packsRewritten).toBeGreaterThan(0);
      },
    });
    expect((await checker.check()).damages).toEqual([]);
    expect(indexes).toBe(1);
    expect(reads).toBeGreaterThan(0);
  });

  it('takes no index for lost while a prune is between replacing indexes and its mark', async () => {
    const { world, connect } = await fixture();
    const { pruned, go } = await neededAgain(world, connect, {});
    const checker = await connect();
    expect((await checker.check()).damages).toEqual([]);
    go();
    await pruned;
    expect((await checker.check()).damages).toEqual([]);
    expect(await verifyAll(checker)).toHaveLength(1);
    expect((await checker.prune()).pendingBytes).toBe(0);
    expect(await verifyAll(checker)).toHaveLength(1);
  });

  it('nor when the prune died there; the next one names what is needed', async () => {
    const { world, storage, connect } = await fixture();
    const fail = (_: string, name: string) =>
      name.startsWith('marks/') && name.endsWith('/packs') ? new Killed() : undefined;
    const { process, pruned, go } = await neededAgain(world, connect, { fail });
    go();
    expect(await pruned).toBeInstanceOf(Killed);
    world.kill(process);
    const checker = await connect();
    expect((await checker.check()).damages).toEqual([]);
    await checker.prune();
    const packs = [...storage.objects.keys()].filter((name) => name.startsWith('packs/'));
    await checker.core.refresh();
    expect(checker.core.catalog.packCount()).toBe(packs.length);
    expect((await checker.check()).damages).toEqual([]);
    expect(await verifyAll(checker)).toHaveLength(1);
  });

  it('takes no index for lost when a writer that gave up left what is needed in a marked pack as well', async () => {
    const { world, storage, connect } = await fixture();
    const names = (prefix: string) => [...storage.objects.keys()].filter((name) => name.startsWith(prefix));
    const { pruned, go } = await neededAgain(world, connect, {});
    // While it lasts the mark stands.
    const waiting = await (await connect()).beginSession();
    go();
    await pruned;
    const process = world.process();
    const fail = (operation: string, name: string) =>
      operation === 'put' && name.startsWith('indexes/') ? new Killed() : undefined;
    const dying = await connect({ fail }, process);
    const before = names('packs/').length;
    await expect(backup(dying, sampleBytes(20 * BLOCK, 3))).rejects.toThrow(Killed);
    world.kill(process);
    expect(names('packs/').length).toBe(2 * before);
    expect(names('indexes/')).toEqual([]);
    expect(names('marks/').length).toBeGreaterThan(0);
    const checker = await connect();
    expect((await checker.check()).damages).toEqual([]);
    await waiting.close();
    await checker.prune();
    expect(names('marks/')).toEqual([]);
    expect((await checker.check()).damages).toEqual([]);
    expect(await verifyAll(checker)).toHaveLength(1);
    // And without the mark nothing says that the packs are as they should be.
    for (const name of names('indexes/')) await storage.delete(name);
    expect((await (await connect()).check()).damages).toMatchObject([{ object: 'index' }]);
  });

  it('nor when the packs are those of a dead session that another, believed to be alive, has claimed', async () => {
    const { world, storage, connect } = await fixture();
    const disk = sampleBytes(20 * BLOCK, 3);
    // Its packs are indexed, its restore point is not published.
    const process = world.process('two');
    const endsNot = (operation: string, name: string) =>
      name.startsWith('sessions/') && (operation === 'delete' || name.endsWith('/end')) ? new Killed() : undefined;
    const dies = (prefix: string) => (operation: string, name: string) =>
      operation === 'put' && name.startsWith(prefix) ? new Killed() : endsNot(operation, name);
    await expect(backup(await connect({ fail: dies('manifests/') }, process), disk)).rejects.toThrow(Killed);
    world.time += 26 * 3600 * 1000;
    const superseding = gate();
    const pruning = world.process();
    const pruner = await connect(
      {
        before: async (operation, name) => {
          if (operation === 'put' && name.startsWith('indexes/')) await superseding.pass();
        },
        fail: dies('marks/'),
      },
      pruning,
    );
    const pruned = pruner.prune().catch((error) => error as Error);
    await superseding.reached;
    // It goes on with them, publishes, and dies: for a day nobody can tell.
    const writing = world.process('three');
    let published = false;
    const fail = (operation: string, name: string) => {
      published ||= operation === 'put' && name.startsWith('manifests/');
      return published ? endsNot(operation, name) : undefined;
    };
    await backup(await connect({ fail }, writing), disk);
    superseding.open();
    expect(await pruned).toBeInstanceOf(Killed);
    world.kill(pruning);
    const checker = await connect();
    expect((await checker.check()).damages).toEqual([]);
    await checker.prune();
    expect([...storage.objects.keys()].filter((name) => name.includes('/claim-'))).not.toEqual([]);
    expect((await checker.check()).damages).toEqual([]);
    expect(await verifyAll(await connect())).toHaveLength(1);
  });

  it('tells that indexes are lost, however much others store meanwhile', async () => {
    const { storage, connect } = await fixture();
    const writer = await connect();
    const disk = sampleBytes(20 * BLOCK, 4);
    await backup(writer, disk);
    for (const name of [...storage.objects.keys()]) if (name.startsWith('indexes/')) await storage.delete(name);
    let busy = 5;
    const checker = await connect({
      before: async (operation, name) => {
        if (operation === 'list' && name === 'packs/' && busy-- > 0)
          await backup(writer, sampleBytes(4 * BLOCK, 100 + busy));
      },
    });
    const { damages } = await checker.check();
    expect(damages).toMatchObject([{ object: 'index', path: 'indexes' }]);
    expect(damages[0]!.message).toContain('names 2 packs');
    await checker.repair();
    expect((await checker.check()).damages).toEqual([]);
  });

  it('gives one damage for a pack that is gone, and reads each pack once', async () => {
    const { storage, connect } = await fixture();
    const writer = await connect();
    for (let i = 0; i < 3; i++) await backup(writer, sampleBytes(4 * BLOCK, i));
    const read: string[] = [];
    const checker = await connect({
      before: (operation, name) => void (operation === 'read' && name.startsWith('packs/') && read.push(name)),
    });
    await checker.check();
    const packs = [...storage.objects.keys()].filter((name) => name.startsWith('packs/'));
    expect(new Set(read)).toEqual(new Set(packs));
    await storage.delete(packs[0]!);
    const { damages } = await checker.check();
    expect(damages.filter(({ object, path }) => object === 'pack' && path === packs[0])).toHaveLength(1);
  });
});

describe('check of packs that a prune deletes while they are listed', () => {
  // Whether the index that supersedes theirs is seen before theirs hangs on their names.
  it.each([1, 2, 3, 4, 5])('takes none for cut short (%i)', async (seed) => {
    const { storage, connect } = await fixture();
    const writer = await connect();
    const { id } = await backup(writer, sampleBytes(20 * BLOCK, 100 + seed));
    await writer.removeManifest(id);
    const deleted = gate();
    const pruner = await connect({
      before: async (operation, name) => {
        if (operation === 'delete' && name.startsWith('indexes/')) await deleted.pass();
      },
    });
    let pruned: Promise<unknown> | undefined;
    const listing = new MemoryStorage(storage.objects);
    listing.list = async (prefix) => {
      const before = await storage.list(prefix);
      if (prefix !== 'packs/' || pruned !== undefined) return before;
      pruned = pruner.prune();
      await deleted.reached;
      // As a folder gives it: the names, and of what is gone by then no size.
      return before.map(({ name, size }) => (storage.objects.has(name) ? { name, size } : { name }));
    };
    const checker = await openMemory(listing, new World().process());
    open.push(checker);
    expect((await checker.check()).damages).toEqual([]);
    deleted.open();
    await pruned;
    expect([...storage.objects.keys()].filter((name) => name.startsWith('packs/'))).toEqual([]);
  });
});

describe('repair', () => {
  it('leaves packs in the index that another process of the machine stores while it lists', async () => {
    const { world, storage, connect } = await fixture();
    const folder = await mkdtemp(join(tmpdir(), 'hvb-beside-'));
    try {
      const shared = { catalog: (id: string) => new SqliteCatalog(join(folder, 'catalog'), id) };
      const store = async (seed: number): Promise<void> => {
        const writer = await openMemory(storage, world.process(), shared);
        await backup(writer, sampleBytes(4 * BLOCK, seed));
        await writer.close();
      };
      await store(1);
      let stored = false;
      const slow = new MemoryStorage(storage.objects);
      slow.list = async (prefix) => {
        const found = await storage.list(prefix);
        if (prefix === 'packs/' && !stored) {
          stored = true;
          await store(2);
        }
        return found;
      };
      const repairer = await openMemory(slow, world.process(), shared);
      open.push(repairer);
      expect(await repairer.repair()).toMatchObject({ indexesWritten: 0, damages: [] });
      const fresh = await connect();
      await fresh.core.refresh();
      expect(fresh.core.catalog.packCount()).toBe(4);
    } finally {
      for (const one of open.splice(0)) await one.close();
      await rm(folder, { recursive: true });
    }
  });
});

describe('what a listing of indexes missed', () => {
  it('is asked for again, when an index is gone and nothing that is listed replaces it', async () => {
    const { storage, connect } = await fixture();
    const before = new Set<string>();
    let bad = 0;
    // Neither what was put nor what was deleted since the listing began, as the contract allows.
    const late = new MemoryStorage(storage.objects);
    late.list = async (prefix) => {
      const found = await storage.list(prefix);
      if (prefix !== 'indexes/' || bad-- <= 0) return found;
      return found.filter(({ name }) => before.has(name));
    };
    const reader = await openMemory(late, new World().process());
    open.push(reader);
    const pruner = await connect();
    await thinPacks(pruner);
    await reader.core.refresh();
    for (const name of reader.core.catalog.indexes().keys()) before.add(indexName(name));
    await pruner.prune();
    bad = 1;
    await reader.core.refresh();
    expect(bad).toBe(-1);
    expect(reader.core.catalog.packs().map(({ id }) => id)).toEqual(pruner.core.catalog.packs().map(({ id }) => id));
  });
});
