/** Holding against removing: in every order, and cut short at every step. */
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { placeHold } from '../../../../backend/src/operations/points/hold-point.ts';
import { heldPoints, isHeld, setHold } from '../../../../backend/src/operations/points/holds.ts';
import { prune, unpublish } from '../../../../backend/src/operations/points/removal.ts';
import { initRepository } from '../../../../backend/src/repository/open.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { FolderStorage } from '../../../../backend/src/repository/storage/folder/folder.ts';
import { HvError, isHvError } from '../../../../backend/src/support/errors.ts';
import { ulid } from '../../../../backend/src/support/ulid.ts';
import { seeded } from '../../../fuzz/random.ts';
import { faultyProcess, soundProcess } from '../../../torture/faults.ts';
import { ModelDisk } from '../../../torture/model-disk.ts';
import { ModelFiles } from '../../../torture/model-files.ts';
import { FaultStorage, MemoryStorage } from '../../repository/support/memory-storage.ts';
import {
  BLOCK,
  backup,
  createMemoryRepository,
  openMemory,
  randomSource,
  sampleBytes,
  verifyAll,
} from '../../repository/support/model.ts';
import { World } from '../../repository/support/process.ts';
import { scratchForEach } from '../../support/scratch.ts';

const open: StoredRepository[] = [];
const scratch = scratchForEach('holds');
const before = process.env.HVBACKUP_STATE_DIR;
beforeAll(() => {
  delete process.env.HVBACKUP_STATE_DIR;
});
afterAll(() => {
  if (before === undefined) delete process.env.HVBACKUP_STATE_DIR;
  else process.env.HVBACKUP_STATE_DIR = before;
});

async function fixture(points: number) {
  process.env.HVBACKUP_STATE_DIR = await scratch();
  const world = new World();
  const storage = new MemoryStorage();
  const first = await createMemoryRepository(storage, { environment: world.process() });
  const ids: string[] = [];
  for (let i = 0; i < points; i++) ids.push((await backup(first, sampleBytes(2 * BLOCK, i))).id);
  await first.close();
  const connect = async (through: MemoryStorage | FaultStorage = storage) => {
    const repository = await openMemory(through, world.process());
    open.push(repository);
    return repository;
  };
  const close = async () => {
    for (const repository of open.splice(0)) await repository.close();
  };
  return { storage, ids, connect, close };
}

const listed = async (repository: StoredRepository) => (await repository.listManifests()).map(({ id }) => id);

/** Not milliseconds: on a busy machine all others would be late together. */
async function turns(count: number): Promise<void> {
  for (let i = Math.floor(count); i > 0; i--) await turn();
}

describe('holds', () => {
  it('count by their newest record, also where nothing can be deleted', async () => {
    const { ids, connect, close, storage } = await fixture(2);
    const denied = new HvError('ACCESS_DENIED', 'append-only');
    const appendOnly = new FaultStorage(storage, {
      before: (operation) => {
        if (operation === 'delete') throw denied;
      },
    });
    const repository = await connect(appendOnly);
    const { records } = repository;
    const [one, two] = ids as [string, string];
    expect(await placeHold(repository, one)).toBe(true);
    expect(await placeHold(repository, one)).toBe(false);
    expect(await setHold(records, two, false)).toBe(false);
    expect(await heldPoints(records)).toEqual(new Set([one]));
    expect(await setHold(records, one, false)).toBe(true);
    expect(await placeHold(repository, one)).toBe(true);
    expect((await records.list('holds/')).filter((path) => path.includes(one))).toHaveLength(3);
    await expect(unpublish(repository, one, 'test')).rejects.toMatchObject({ code: 'POINT_HELD' });
    // Only who may delete removes.
    await expect(unpublish(repository, two, 'test')).rejects.toBe(denied);
    await close();
  });

  it('that cannot be read hold', async () => {
    const { ids, connect, close, storage } = await fixture(1);
    const repository = await connect();
    await setHold(repository.records, ids[0]!, true);
    await setHold(repository.records, ids[0]!, false);
    storage.objects.set(`holds/${ids[0]}/00000002`, Buffer.from('no document'));
    expect(await isHeld(repository.records, ids[0]!)).toBe(true);
    expect(await heldPoints(repository.records)).toEqual(new Set(ids));
    await close();
  });

  it('and removals at once: whoever succeeds is right', async () => {
    const random = randomSource(7);
    const outcomes = { held: 0, removed: 0, neither: 0 };
    for (let round = 0; round < 30; round++) {
      const { ids, connect, close, storage } = await fixture(1);
      const id = ids[0]!;
      const slow = () =>
        new FaultStorage(storage, {
          before: () => turns(random() * 6),
        });
      const [holder, remover, pruner] = [await connect(slow()), await connect(slow()), await connect(slow())];
      const quietly = (error: unknown) => {
        if (isHvError(error, 'POINT_HELD', 'POINT_NOT_FOUND')) return false;
        throw error;
      };
      const [held, removed] = await Promise.all([
        turns(round / 3)
          .then(() => placeHold(holder, id))
          .then(() => true, quietly),
        unpublish(remover, id, 'test').then(() => true, quietly),
        prune(pruner, {}),
      ]);
      expect(held && removed).toBe(false);
      const after = await connect();
      if (held) expect(await listed(after)).toEqual([id]);
      if (removed) expect(await listed(after)).toEqual([]);
      await prune(after, {});
      await verifyAll(after);
      outcomes[held ? 'held' : removed ? 'removed' : 'neither'] += 1;
      await close();
    }
    expect(outcomes.held).toBeGreaterThan(0);
    expect(outcomes.removed).toBeGreaterThan(0);
  });
});

describe('a removal cut short', () => {
  it('at any step leaves whole restore points, and a later prune of this machine ends it', async () => {
    const stop = new HvError('IO_ERROR', 'killed here');
    for (let step = 1; ; step++) {
      const { ids, connect, close, storage } = await fixture(3);
      const [first, second] = ids as [string, string];
      let steps = 0;
      const dying = new FaultStorage(storage, {
        before: (operation) => {
          if (!/put|delete|commit/.test(operation)) return;
          steps += 1;
          if (steps >= step) throw stop;
        },
      });
      const repository = await connect(dying);
      const whole = await (async () => {
        await placeHold(repository, first);
        await unpublish(repository, second, 'test');
        await prune(repository, {});
        return true;
      })().catch((error) => {
        // Deleting what is left of holds may fail without harm.
        if (error !== stop && !isHvError(error, 'IO_ERROR')) throw error;
        return false;
      });
      const after = await connect();
      const gone = (await after.tombstone(second)) !== null;
      expect(await listed(after)).toEqual(gone ? [first, ids[2]] : ids);
      await prune(after, {});
      expect(await after.core.manifests.unfinished()).toEqual([]);
      expect(await verifyAll(after)).toEqual(gone ? [first, ids[2]] : ids);
      await close();
      if (whole && steps < step) break;
    }
  });

  it('by another machine is not ended here unless asked for', async () => {
    const stop = new HvError('IO_ERROR', 'killed here');
    const { ids, connect, close, storage } = await fixture(1);
    const dying = new FaultStorage(storage, {
      before: (operation, name) => {
        if (operation === 'delete' && name.startsWith('manifests/')) throw stop;
      },
    });
    await expect(unpublish(await connect(dying), ids[0]!, 'test')).rejects.toBe(stop);
    process.env.HVBACKUP_STATE_DIR = await scratch();
    const elsewhere = await connect();
    const warnings: string[] = [];
    await prune(elsewhere, { warn: (message) => warnings.push(message) });
    expect(warnings.join()).toContain(ids[0]);
    expect(await elsewhere.core.manifests.unfinished()).toHaveLength(1);
    await unpublish(elsewhere, ids[0]!, 'test');
    await prune(elsewhere, {});
    expect(await elsewhere.core.manifests.unfinished()).toEqual([]);
    expect((await elsewhere.stats()).packs).toBe(0);
    await close();
  });

  it('last from the moment that somebody was told so, also by a process that found the record of one that was killed', async () => {
    let found = 0;
    for (let at = 1; ; at++) {
      const random = seeded(at);
      const disk = new ModelDisk();
      const connect = (faulty = soundProcess()) =>
        openMemory(new FolderStorage('/repository', new ModelFiles(disk, random, faulty.gate)), new World().process());
      await initRepository(new FolderStorage('/repository', new ModelFiles(disk, random, soundProcess().gate)), {});
      const id = ulid();
      const dying = faultyProcess('kill', at, disk, random);
      const hold = async (): Promise<unknown> => setHold((await connect(dying)).records, id, true);
      await hold().catch(() => undefined);
      if (!dying.dead) break;
      const other = await connect();
      if (!(await setHold(other.records, id, true))) found += 1;
      disk.powerCut(random);
      expect(await isHeld((await connect()).records, id), `killed at ${at}`).toBe(true);
    }
    expect(found).toBeGreaterThan(0);
  });
});
