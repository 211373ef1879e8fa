/** Indexes that name packs which are not there: a writer that slept published them, or the packs were lost. */
import { describe, expect, it, vi } from 'vitest';
import type { Damage } from '../../../../backend/src/repository/port/damage.ts';
import { ulid } from '../../../../backend/src/support/ulid.ts';
import { Killed } from '../support/memory-storage.ts';
import { BLOCK, backup, GROUP, readAll, sampleBytes, storeDisk, verifyAll } from '../support/model.ts';
import { type Connect, processesAtWork } from '../support/processes.ts';

const HOUR = 3600 * 1000;
const { fixture } = processesAtWork();

/**
 * What others did meanwhile, and an index that names packs which are not there: its writer slept while it published,
 * a prune deleted its packs, and it died before it could take the index back.
 */
async function sleeperLeft(disk: Buffer, others: (connect: Connect) => Promise<unknown>) {
  const { world, storage, connect, names } = await fixture();
  const process = world.process('two');
  const { promise: reached, resolve: arrive } = Promise.withResolvers<void>();
  const { promise: woken, resolve: wake } = Promise.withResolvers<void>();
  let published = false;
  const before = async (operation: string, name: string): Promise<void> => {
    if (published) throw new Killed();
    if (operation !== 'put' || !name.startsWith('indexes/')) return;
    arrive();
    await woken;
    published = true;
  };
  const sleeper = await connect({ before }, process);
  const slept = backup(sleeper, disk).catch((error) => error as Error);
  await reached;
  const gone = names('packs/');
  const kept = new Map(gone.map((name) => [name, storage.objects.get(name)!]));
  await others(connect);
  world.time += 26 * HOUR;
  await (await connect()).prune();
  for (const name of gone) expect(storage.objects.has(name)).toBe(false);
  wake();
  expect(await slept).toBeInstanceOf(Killed);
  world.kill(process);
  /** Begins a session while the packs are there, and only then they go. */
  const beginBefore = async () => {
    for (const [name, bytes] of kept) storage.objects.set(name, bytes);
    const session = await (await connect()).beginSession();
    for (const name of gone) storage.objects.delete(name);
    return session;
  };
  return { connect, names, gone, beginBefore };
}

describe('an index that names packs that are gone', () => {
  // Which of the two indexes is asked first hangs on their names.
  it.each([1, 2, 3, 4, 5, 6])('takes nothing from what is there when it is pruned (%i)', async (seed) => {
    const disk = sampleBytes(20 * BLOCK, seed);
    const { connect, names } = await sleeperLeft(disk, async (one) => backup(await one(), disk));
    expect(names('indexes/')).toHaveLength(2);
    await (await connect()).prune();
    expect(await verifyAll(await connect())).toHaveLength(1);
    expect((await (await connect()).check()).damages).toEqual([]);
  });
});

describe('a writer that relied on it', () => {
  it.each(['still there', 'replaced meanwhile'])(
    'stores nothing that lacks anything, and the next one is whole (%s)',
    async (index) => {
      const disk = sampleBytes(20 * BLOCK, 9);
      const { connect, names, beginBefore } = await sleeperLeft(disk, async () => undefined);
      const session = await beginBefore();
      const { ref, stats } = await storeDisk(session, disk, BLOCK);
      expect(stats.newBlocks).toBe(0);
      if (index !== 'still there') await (await connect()).prune();
      expect(names('indexes/')).toHaveLength(index === 'still there' ? 1 : 0);
      const point = { id: ulid(), group: GROUP, createdAt: '', contents: [ref], body: null };
      await expect(session.publish(point)).rejects.toMatchObject({
        code: 'REPOSITORY_DAMAGED',
        message: expect.stringContaining('gone with their packs'),
        advice: expect.stringContaining('Run the backup again'),
      });
      await session.close();
      await backup(await connect(), disk);
      expect(await verifyAll(await connect())).toHaveLength(1);
    },
  );
});

describe('a writer that comes later', () => {
  it('sees at once that they are gone, and stores what was in them', async () => {
    const disk = sampleBytes(20 * BLOCK, 9);
    const { connect } = await sleeperLeft(disk, async () => undefined);
    const { stats } = await backup(await connect(), disk);
    expect(stats.newBlocks).toBe(20);
    expect(await verifyAll(await connect())).toHaveLength(1);
  });
});

describe('a copy that no index names', () => {
  it('is named when a prune beside leaves nothing else of what a new restore point needs', async () => {
    const { world, connect, names } = await fixture();
    const disk = sampleBytes(20 * BLOCK, 11);
    // It knows nothing of what is stored after its beginning, and dies on the way to its index.
    const process = world.process();
    const before = (operation: string, name: string): void => {
      if (operation === 'put' && name.startsWith('indexes/')) throw new Killed();
    };
    const dying = await (await connect({ before }, process)).beginSession();
    const { id } = await backup(await connect(), disk);
    await (await connect()).removeManifest(id);
    const first = names('packs/');
    let surveyed = false;
    const pruner = await connect({
      before: async (operation, name) => {
        if (surveyed || operation !== 'put' || !name.startsWith('indexes/')) return;
        surveyed = true;
        const { ref } = await storeDisk(dying, disk, BLOCK);
        const point = { id: ulid(), group: GROUP, createdAt: '', contents: [ref], body: null };
        await expect(dying.publish(point)).rejects.toThrow(Killed);
        world.kill(process);
        // Another machine's: it goes on with nothing of the dead one's, and relies on what is about to be marked.
        await backup(await connect({}, world.process('elsewhere')), disk);
      },
    });
    const copies = (): string[] => names('packs/').filter((name) => !first.includes(name));
    await pruner.prune();
    expect(copies().length).toBeGreaterThan(0);
    expect(names('packs/')).toEqual(copies());
    expect((await (await connect()).check()).damages).toEqual([]);
    expect(await verifyAll(await connect())).toHaveLength(1);
  });
});

describe('a reader', () => {
  it('finds what it needs when a pack without an index that it knew is gone, and another has no index either', async () => {
    const { storage, connect, names } = await fixture();
    const disk = sampleBytes(20 * BLOCK, 7);
    const asleep = Promise.withResolvers<void>();
    /** A writer whose blocks are stored and that does not come to its index. */
    const stored = async () => {
      const before = new Set(names('packs/'));
      const arrived = Promise.withResolvers<void>();
      const writer = await connect({
        before: async (operation, name) => {
          if (operation !== 'put' || !name.startsWith('indexes/')) return;
          arrived.resolve();
          await asleep.promise;
          throw new Killed();
        },
      });
      const session = await writer.beginSession();
      const { ref } = await storeDisk(session, disk, BLOCK);
      const over = session.publish({ id: ulid(), group: GROUP, createdAt: '', contents: [ref], body: null });
      over.catch(() => undefined);
      await arrived.promise;
      return { ref, over, packs: names('packs/').filter((name) => !before.has(name)) };
    };
    const first = await stored();
    const reader = await connect();
    await reader.core.findUnindexed();
    const second = await stored();
    for (const name of first.packs) await storage.delete(name);
    expect(await readAll(reader, second.ref)).toEqual(disk);
    asleep.resolve();
    await Promise.all([first, second].map(({ over }) => expect(over).rejects.toThrow(Killed)));
  });

  it('asks everything again once for packs that were lost, not once for each of their blocks', async () => {
    const { storage, connect, names } = await fixture();
    const repository = await connect();
    const before = new Set(names('packs/'));
    const { ref } = await backup(repository, sampleBytes(400 * BLOCK, 8));
    const lost = names('packs/').filter(
      (name) => !before.has(name) && storage.objects.get(name)!.readUInt16LE(10) === 0,
    );
    expect(lost.length).toBeGreaterThan(0);
    for (const name of lost) await storage.delete(name);
    const lists: string[] = [];
    const reader = await connect({ before: (operation, name) => void (operation === 'list' && lists.push(name)) });
    await reader.core.refresh();
    const clear = vi.spyOn(reader.core.catalog, 'clear');
    lists.length = 0;
    const damages: Damage[] = [];
    await reader.verify([ref], { onDamage: (damage) => damages.push(damage) });
    expect(damages).toHaveLength(400);
    expect(clear).toHaveBeenCalledTimes(1);
    expect(lists.filter((name) => name === 'packs/').length).toBeLessThan(10 * lost.length);
  });
});
