/**
 * A first backup that fails anywhere, and one that meets a pack that cannot be read for a while: afterwards nothing is
 * doubted, and nothing that has passed is reported as damage.
 */
import { describe, expect, it } from 'vitest';
import { prune } from '../../../../backend/src/operations/points/removal.ts';
import { damaged } from '../../../../backend/src/repository/errors.ts';
import { HvError } from '../../../../backend/src/support/errors.ts';
import { FaultStorage, MemoryStorage } from '../support/memory-storage.ts';
import { BLOCK, backup, createMemoryRepository, openMemory, sampleBytes, verifyAll } from '../support/model.ts';

const failure = () => new HvError('IO_ERROR', 'the disk failed');
const CHANGES = ['put', 'commit', 'delete'];

/** Changing operations that the first backup of an empty repository makes. */
async function changesOfOne(): Promise<number> {
  const storage = new MemoryStorage();
  await (await createMemoryRepository(storage)).close();
  const counting = new FaultStorage(storage);
  const repository = await openMemory(counting);
  await backup(repository, sampleBytes(6 * BLOCK, 1));
  await repository.close();
  return counting.changes;
}

interface Way {
  how: string;
  /** A change that failed may have been done all the same. */
  isDone: boolean;
  /** @param at the change that fails first, from 1 */
  fails: (count: number, at: number, name: string) => boolean;
}

const WAYS: Way[] = [
  { how: 'fails', isDone: false, fails: (count, at) => count === at },
  { how: 'fails, and all after it', isDone: false, fails: (count, at) => count >= at },
  { how: 'fails, and the end of the session', isDone: false, fails: (count, at, name) => count === at || isEnd(name) },
  { how: 'is done and reported as failed', isDone: true, fails: (count, at) => count === at },
  {
    how: 'is done and reported as failed, as all packs after it',
    isDone: true,
    fails: (count, at, name) => count === at || (count > at && name.startsWith('packs/')),
  },
];

const isEnd = (name: string): boolean => /^sessions\/[^/]+\/end/.test(name);

class Failing extends MemoryStorage {
  readonly #way: Way;
  readonly #at: number;
  changes = 0;

  constructor(objects: Map<string, Buffer>, way: Way, at: number) {
    super(objects);
    this.#way = way;
    this.#at = at;
  }

  override async put(name: string, data: Uint8Array): Promise<boolean> {
    return this.#change(name, () => super.put(name, data));
  }
  override async delete(name: string): Promise<void> {
    return this.#change(name, () => super.delete(name));
  }

  async #change<T>(name: string, action: () => Promise<T>): Promise<T> {
    this.changes += 1;
    if (!this.#way.fails(this.changes, this.#at, name)) return action();
    if (this.#way.isDone) await action();
    throw failure();
  }
}

describe.each(WAYS)('a change of the first backup that $how', (way) => {
  it('leaves nothing that prune could not explain', async () => {
    const changes = await changesOfOne();
    expect(changes).toBeGreaterThan(5);
    for (let at = 1; at <= changes; at++) {
      const storage = new MemoryStorage();
      await (await createMemoryRepository(storage)).close();
      const repository = await openMemory(new Failing(storage.objects, way, at));
      await backup(repository, sampleBytes(6 * BLOCK, 1)).catch(() => undefined);
      await repository.close();

      const after = await openMemory(storage);
      await prune(after, {});
      expect((await after.check()).damages, `change ${at}`).toEqual([]);
      const { id } = await backup(after, sampleBytes(6 * BLOCK, 2));
      await prune(after, {});
      expect((await after.listManifests()).map((point) => point.id)).toContain(id);
      expect(await verifyAll(after)).toContain(id);
      await after.close();
    }
  });
});

describe('a pack that cannot be read for a while', () => {
  it('is damage while it lasts, and none for check when it has passed; repair forgets it', async () => {
    const storage = new MemoryStorage();
    const repository = await createMemoryRepository(storage);
    const { id } = await backup(repository, sampleBytes(6 * BLOCK, 1));
    await repository.close();
    const pack = [...storage.objects.keys()].find((name) => name.startsWith('packs/'))!;
    const fail = (operation: string, name: string) =>
      name === pack && !CHANGES.includes(operation) ? damaged('object', name, 'it cannot be read: EIO') : undefined;
    const ill = await openMemory(new FaultStorage(storage, { fail }));
    await backup(ill, sampleBytes(6 * BLOCK, 1)).catch(() => undefined);
    await ill.verify([]).catch(() => undefined);
    await ill.close();
    expect([...storage.objects.keys()].some((name) => name.startsWith('damaged/'))).toBe(true);

    const stillIll = await openMemory(new FaultStorage(storage, { fail }));
    expect((await stillIll.check()).damages).not.toEqual([]);
    await stillIll.close();

    const warnings: string[] = [];
    const well = await openMemory(storage);
    expect((await well.check({ warn: (message) => warnings.push(message) })).damages).toEqual([]);
    expect(warnings.join()).toMatch(/found damaged read well now/);
    await well.repair({});
    expect([...storage.objects.keys()].filter((name) => name.startsWith('damaged/'))).toEqual([]);
    expect(await verifyAll(well)).toContain(id);
    await well.close();
  });
});
