/**
 * A writer that slept past its session while it published (docs/format.md §5, rules 6 and 7): whatever comes late is
 * never listed while something it needs may be gone, whether the writer wakes up or not.
 */
import { describe, expect, it } from 'vitest';
import type { ContentRef } from '../../../../backend/src/repository/port/contents.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { ulid } from '../../../../backend/src/support/ulid.ts';
import { closedAfterEach } from '../support/closing.ts';
import { FaultStorage, Killed, MemoryStorage } from '../support/memory-storage.ts';
import {
  BLOCK,
  backup,
  createMemoryRepository,
  GROUP,
  openMemory,
  sampleBytes,
  sha256,
  storeDisk,
  verifyAll,
} from '../support/model.ts';
import { World } from '../support/process.ts';

const HOUR = 3600 * 1000;
const open = closedAfterEach<StoredRepository>();

async function fixture() {
  const world = new World();
  const storage = new MemoryStorage();
  await (await createMemoryRepository(storage)).close();
  const connect = async (through: MemoryStorage | FaultStorage = storage, machine = 'one') => {
    const repository = await openMemory(through, world.process(machine));
    open.push(repository);
    return repository;
  };
  const names = (prefix: string) => [...storage.objects.keys()].filter((name) => name.startsWith(prefix));
  return { world, storage, connect, names };
}

/** Calls `meanwhile` before the first put of a manifest happens, once. */
function sleepsBeforeManifest(storage: MemoryStorage, meanwhile: () => Promise<void>): FaultStorage {
  let slept = false;
  return new FaultStorage(storage, {
    before: async (operation, name) => {
      if (slept || operation !== 'put' || !name.startsWith('manifests/')) return;
      slept = true;
      await meanwhile();
    },
  });
}

const point = (contents: ContentRef[], id = ulid()) => ({ id, group: GROUP, createdAt: '', contents, body: null });

describe('a restore point published after its session was taken for over', () => {
  it('is taken back by its writer when that wakes up', async () => {
    const { world, storage, connect, names } = await fixture();
    const trusted = await connect(storage, 'two');
    const sleeper = sleepsBeforeManifest(storage, async () => {
      world.time += 26 * HOUR;
      await trusted.prune();
      expect(names('packs/')).toEqual([]);
    });
    const writer = await connect(sleeper, 'one');
    const session = await writer.beginSession();
    const { ref } = await storeDisk(session, sampleBytes(5 * BLOCK, 1), BLOCK);
    await expect(session.publish(point([ref]))).rejects.toMatchObject({ code: 'REPOSITORY_SESSION_EXPIRED' });
    const reader = await connect(storage, 'three');
    expect(await reader.listManifests()).toEqual([]);
    expect((await reader.check()).damages).toEqual([]);
  });

  it('stays hidden from whoever lists between its arrival and its end, and prune takes it away', async () => {
    const { world, storage, connect, names } = await fixture();
    const trusted = await connect(storage, 'two');
    const dying = new FaultStorage(storage, {
      before: async (operation, name) => {
        if (operation !== 'put' || !name.startsWith('manifests/')) return;
        world.time += 26 * HOUR;
        await trusted.prune();
        dying.plan.killAt = dying.changes;
      },
    });
    // The put itself still happens; the process is gone when it returns.
    const put = dying.put.bind(dying);
    dying.put = async (name, data) => {
      const done = await put(name, data);
      if (name.startsWith('manifests/')) dying.dead = true;
      return done;
    };
    const session = await (await connect(dying, 'one')).beginSession();
    const { ref } = await storeDisk(session, sampleBytes(5 * BLOCK, 1), BLOCK);
    await expect(session.publish(point([ref]))).rejects.toThrow(Killed);
    expect(names('manifests/')).toHaveLength(1);
    const reader = await connect(storage, 'three');
    expect(await reader.listManifests()).toEqual([]);
    expect((await reader.check()).damages).toEqual([]);
    await trusted.prune();
    expect(names('manifests/')).toEqual([]);
    expect(names('sessions/')).toEqual([]);
    // Its tombstone stays: nobody knows whether it comes again.
    expect(names('removed/')).toHaveLength(1);
  });

  it('is refused to a writer whose clock is behind: its session has been fenced', async () => {
    const { world, storage, connect, names } = await fixture();
    const slow = world.process('one');
    const behind = await openMemory(storage, { ...slow, now: () => slow.now() - 30 * HOUR });
    open.push(behind);
    const session = await behind.beginSession();
    const { ref } = await storeDisk(session, sampleBytes(5 * BLOCK, 1), BLOCK);
    await session.publish(point([ref]));
    const { ref: next } = await storeDisk(session, sampleBytes(5 * BLOCK, 2), BLOCK);
    // By its own clock it has hours to go.
    await (await connect(storage, 'two')).prune();
    await expect(session.publish(point([next]))).rejects.toMatchObject({ code: 'REPOSITORY_SESSION_EXPIRED' });
    await expect(session.openContent(BLOCK)).rejects.toMatchObject({ code: 'REPOSITORY_SESSION_EXPIRED' });
    await session.close();
    const reader = await connect(storage, 'three');
    expect(await reader.listManifests()).toHaveLength(1);
    expect((await reader.check()).damages).toEqual([]);
    expect(names('removed/')).toEqual([]);
  });

  it.each(['its blocks are written', 'its damage is asked for'])(
    'says so when its session is over, and not that its base is gone: when %s',
    async (when) => {
      const { world, storage, connect } = await fixture();
      const { id, ref } = await backup(await connect(), sampleBytes(5 * BLOCK, 1));
      const other = await connect(storage, 'two');
      let isArmed = false;
      const sleeper = new FaultStorage(storage, {
        before: async (_, name) => {
          if (!isArmed || !name.startsWith('packs/')) return;
          isArmed = false;
          // Its base is removed meanwhile, and what that needed is gone.
          world.time += 26 * HOUR;
          await other.removeManifest(id);
          await other.prune();
        },
      });
      const writer = await connect(sleeper, 'one');
      const session = await writer.beginSession();
      if (when !== 'its blocks are written') writer.core.index.missing.add(`${'0'.repeat(32)}-0`);
      isArmed = true;
      const write = async () => {
        const content = await session.openContent(5 * BLOCK, ref);
        await content.write([1], async (into) => void into.fill(1));
        await content.finish();
      };
      const asked = when === 'its blocks are written' ? write() : session.damagedBlocks(ref);
      await expect(asked).rejects.toMatchObject({ code: 'REPOSITORY_SESSION_EXPIRED' });
      expect(isArmed).toBe(false);
      await session.close();
    },
  );

  it.each(['there', 'gone, though an index names it'])(
    'is listed after all only when nothing it needs is gone: its packs are %s',
    async (packs) => {
      const { world, storage, connect, names } = await fixture();
      const fencer = new FaultStorage(storage);
      const dying = await connect(fencer, 'two');
      const sleeper = sleepsBeforeManifest(storage, async () => {
        world.time += 26 * HOUR;
        // The first change after the tombstone: it dies there.
        fencer.plan.fail = (operation) =>
          operation !== 'get' && operation !== 'read' && names('removed/').length > 0 ? new Killed() : undefined;
        await expect(dying.prune()).rejects.toThrow(Killed);
      });
      const session = await (await connect(sleeper, 'one')).beginSession();
      const { ref } = await storeDisk(session, sampleBytes(5 * BLOCK, 1), BLOCK);
      const envelope = point([ref]);
      await expect(session.publish(envelope)).rejects.toMatchObject({ code: 'REPOSITORY_SESSION_EXPIRED' });
      // As if its writer had not looked, and had told of its success: the manifest is there, and whole.
      expect(names('removed/')).toHaveLength(1);
      const late = await connect(storage, 'four');
      await late.core.documents.put(late.core.manifests.nameOf(GROUP, envelope.id), envelope);
      expect(await late.listManifests()).toEqual([]);
      world.time += 26 * HOUR;
      // The block map is there: only its blocks are gone.
      const blocks = names('packs/').filter((name) => storage.objects.get(name)!.readUInt16LE(10) === 0);
      if (packs !== 'there') for (const name of blocks) await storage.delete(name);
      await (await connect(storage, 'five')).prune();
      const listed = await (await connect(storage, 'six')).listManifests();
      expect(listed.map(({ id }) => id)).toEqual(packs === 'there' ? [envelope.id] : []);
      expect((await (await connect(storage, 'seven')).check()).damages).toEqual([]);
      expect(names('removed/')).toHaveLength(packs === 'there' ? 0 : 1);
    },
  );

  it('can be published by another session under the same id, as a copy that was cut short is', async () => {
    const { world, storage, connect, names } = await fixture();
    const id = ulid();
    const dying = new FaultStorage(storage, {
      fail: (operation, name) => (operation === 'put' && name.startsWith('manifests/') ? new Killed() : undefined),
    });
    const first = await (await connect(dying, 'one')).beginSession();
    const { ref } = await storeDisk(first, sampleBytes(5 * BLOCK, 1), BLOCK);
    await expect(first.publish(point([ref], id))).rejects.toThrow(Killed);
    world.time += 26 * HOUR;
    await (await connect(storage, 'two')).prune();
    expect(names('removed/')).toEqual([`removed/${id}`]);
    const again = await connect(storage, 'three');
    await backup(again, sampleBytes(5 * BLOCK, 1), { id });
    expect((await again.listManifests()).map((manifest) => manifest.id)).toEqual([id]);
    expect(names('removed/')).toEqual([]);
    expect((await again.check()).damages).toEqual([]);
  });

  it('and whose packs were deleted is not gone on with by the same process', async () => {
    const { world, storage, connect } = await fixture();
    const trusted = await connect(storage, 'two');
    const sleeper = sleepsBeforeManifest(storage, async () => {
      world.time += 26 * HOUR;
      await trusted.prune();
    });
    const writer = await connect(sleeper, 'one');
    const disk = sampleBytes(5 * BLOCK, 1);
    await expect(backup(writer, disk)).rejects.toMatchObject({ code: 'REPOSITORY_SESSION_EXPIRED' });
    // It still knows what it stored.
    await writer.core.findUnindexed();
    await backup(writer, disk);
    expect((await (await connect(storage, 'three')).check()).damages).toEqual([]);
    expect(await verifyAll(await connect(storage, 'four'))).toHaveLength(1);
  });

  it('leaves no tombstone behind when its session ended as it should', async () => {
    const { world, storage, connect, names } = await fixture();
    const appendOnly = new FaultStorage(storage, {
      fail: (operation) =>
        operation === 'delete' ? Object.assign(new Error('no'), { code: 'EACCES', syscall: 'unlink' }) : undefined,
    });
    const { id } = await backup(await connect(appendOnly, 'one'), sampleBytes(5 * BLOCK, 1));
    world.time += 26 * HOUR;
    const trusted = await connect(storage, 'two');
    await trusted.prune();
    expect((await trusted.listManifests()).map((manifest) => manifest.id)).toEqual([id]);
    expect(names('removed/')).toEqual([]);
    expect(names('sessions/')).toEqual([]);
  });
});

describe('a restore point that was built on', () => {
  it('keeps what it needs of packs marked before, though it is removed meanwhile, until what was built on it is listed', async () => {
    const { storage, connect, names } = await fixture();
    const disk = sampleBytes(300 * BLOCK, 1);
    const removed = await backup(await connect(storage, 'one'), disk);
    const trusted = await connect(storage, 'two');
    await trusted.removeManifest(removed.id);
    // A session that lives keeps the marked packs from being deleted.
    const other = await (await connect(storage, 'other')).beginSession();
    const early = await (await connect(storage, 'three')).beginSession();
    const { ref } = await storeDisk(early, disk, BLOCK);
    expect(await trusted.prune()).toMatchObject({ packsDeleted: 0 });
    // Not yet published when the packs were marked: as a writer that listed the marks a moment before.
    const manifests = (await connect(storage, 'three')).core.manifests;
    const base = point([ref]);
    await manifests.publish(base);
    await early.close();

    const late = await connect(storage, 'four');
    const session = await late.beginSession();
    const changed = Buffer.from(disk);
    changed.fill(7, 0, BLOCK);
    const built = await storeDisk(session, changed, BLOCK, ref, [0]);
    await trusted.removeManifest(base.id);
    await other.close();
    await trusted.prune();
    await session.publish({ ...point([built.ref]), body: { sha256: sha256(changed) } });
    await session.close();
    expect(await verifyAll(await connect(storage, 'five'))).toHaveLength(1);
    await trusted.prune();
    await trusted.prune();
    expect(await verifyAll(await connect(storage, 'six'))).toHaveLength(1);
    expect((await (await connect(storage, 'seven')).check()).damages).toEqual([]);
    expect(names('marks/')).toEqual([]);
  });
});
