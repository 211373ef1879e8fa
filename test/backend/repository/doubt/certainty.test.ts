/** Nothing is deleted on a doubt: whatever a listing fails to say, what restore points need stays. */
import { describe, expect, it } from 'vitest';
import { setHold } from '../../../../backend/src/operations/points/holds.ts';
import { prune, unpublish } from '../../../../backend/src/operations/points/removal.ts';
import { manifestDigest } from '../../../../backend/src/repository/points/ledger.ts';
import type { ManifestEnvelope } from '../../../../backend/src/repository/port/points.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import type { ObjectInfo } from '../../../../backend/src/repository/storage/storage.ts';
import { isHvError } from '../../../../backend/src/support/errors.ts';
import { createEncrypted, PASSPHRASE, TestMemory } from '../support/encrypted.ts';
import { FaultStorage, MemoryStorage } from '../support/memory-storage.ts';
import {
  BLOCK,
  backup,
  createMemoryRepository,
  openMemory,
  sampleBytes,
  storeDisk,
  verifyAll,
} from '../support/model.ts';

const OTHER = '66666666-7777-8888-9999-000000000000';
const copyOf = (objects: ReadonlyMap<string, Buffer>) =>
  new Map([...objects].map(([name, data]) => [name, Buffer.from(data)]));

interface Fault {
  at: number;
  lasting: boolean;
  cut: (listed: ObjectInfo[]) => ObjectInfo[];
}

/** Listings that are short: at one call, or from it on for the folder that is asked for then. */
class ShortListings extends MemoryStorage {
  calls: string[] = [];
  readonly #fault: Fault | undefined;

  constructor(objects: Map<string, Buffer>, fault?: Fault) {
    super(objects);
    this.#fault = fault;
  }

  override async list(prefix: string): Promise<ObjectInfo[]> {
    const listed = await super.list(prefix);
    this.calls.push(prefix);
    if (this.#fault === undefined) return listed;
    const { at, lasting, cut } = this.#fault;
    const is = lasting
      ? this.calls.length > at && prefix.startsWith(this.calls[at]!.split('/')[0]!)
      : this.calls.length === at + 1;
    return is ? cut(listed) : listed;
  }
}

/** Every call in every way: minutes. */
const ALL = process.env.HVBACKUP_CERTAINTY === 'all';

const CUTS: Record<string, (listed: ObjectInfo[]) => ObjectInfo[]> = {
  empty: () => [],
  'without the first': (listed) => listed.slice(1),
  'without the last': (listed) => listed.slice(0, -1),
};

/** Three restore points, one of them held, one that was removed and not pruned yet, and dead weight in a pack. */
async function fixture(encrypted = false) {
  const storage = new MemoryStorage();
  const repository = await (encrypted ? createEncrypted(storage) : createMemoryRepository(storage));
  const { id: a, ref } = await backup(repository, sampleBytes(6 * BLOCK, 1));
  const disk = sampleBytes(6 * BLOCK, 1);
  sampleBytes(BLOCK, 9).copy(disk, BLOCK);
  const { id: b } = await backup(repository, disk, { base: ref, indices: [1] });
  const { id: c } = await backup(repository, sampleBytes(5 * BLOCK, 3), { group: OTHER });
  const { id: gone } = await backup(repository, sampleBytes(4 * BLOCK, 4), { group: OTHER });
  await setHold(repository.records, c, true);
  await repository.removeManifest(gone);
  await repository.close();
  const open = (on: MemoryStorage = storage, memory?: TestMemory) =>
    openMemory(on, undefined, {
      passphrase: encrypted ? PASSPHRASE : undefined,
      memory: memory && (() => memory),
    });
  const nameOf = (id: string) => [...storage.objects.keys()].find((name) => name.endsWith(id) && /^man/.test(name))!;
  return { storage, open, ids: [a, b, c], nameOf };
}

const packs = (storage: MemoryStorage) =>
  [...storage.objects.keys()].filter((name) => name.startsWith('packs/')).sort();

describe('a listing that is short', () => {
  const RUNS: Record<string, (repository: StoredRepository, ids: string[]) => Promise<void>> = {
    prune: async (repository) => void (await repository.prune()),
    'removal and prune': async (repository, [first, , held]) => {
      await repository.requireCertainty();
      await unpublish(repository, first!, 'retention');
      await expect(unpublish(repository, held!, 'retention')).rejects.toMatchObject({ code: 'POINT_HELD' });
      await prune(repository, {});
    },
  };

  it.each(Object.keys(RUNS))(
    'costs no restore point anything, at whatever call of a %s',
    async (name) => {
      const { storage, open, ids } = await fixture();
      const counted = new ShortListings(copyOf(storage.objects));
      const sound = await open(counted);
      await RUNS[name]!(sound, ids);
      await sound.close();
      expect(counted.calls.length).toBeGreaterThan(30);
      const refused = new Map<string, number>();
      for (let at = 0; at < counted.calls.length; at++)
        for (const [number, [how, cut]] of Object.entries(CUTS).entries())
          for (const lasting of [false, true]) {
            // Each call in one way once and in another one lasting, by turns.
            if (!ALL && (number + at + (lasting ? 1 : 0)) % 3 !== 0) continue;
            const short = new ShortListings(copyOf(storage.objects), { at, lasting, cut });
            const where = `${how}, ${lasting ? 'from' : 'at'} call ${at} of ${counted.calls[at]}`;
            const repository = await open(short).catch(() => null);
            try {
              if (repository !== null) await RUNS[name]!(repository, ids);
            } catch (error) {
              if (!isHvError(error)) throw new Error(where, { cause: error });
              refused.set(error.code, (refused.get(error.code) ?? 0) + 1);
            } finally {
              await repository?.close();
            }
            const after = await open(new MemoryStorage(short.objects));
            const left = await verifyAll(after).catch((error) => {
              throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
            });
            const gone = ids.filter((id) => !left.includes(id));
            if (name === 'prune' ? gone.length > 0 : gone.some((id) => id !== ids[0]))
              throw new Error(`${where}: ${gone} are gone`);
            await after.close();
          }
      expect(refused.get('REPOSITORY_DOUBTFUL')).toBeGreaterThan(10);
    },
    900_000,
  );
});

it('the removal of a restore point whose writer was killed before its ledger entry explains the packs that stay', async () => {
  const storage = new MemoryStorage();
  const repository = await createMemoryRepository(storage);
  const { id, ref } = await backup(repository, sampleBytes(4 * BLOCK, 1));
  for (const name of storage.objects.keys()) if (name.startsWith('ledger/')) storage.objects.delete(name);
  const reader = await openMemory(storage);
  const [manifest] = await reader.listManifests();
  const pin = await reader.pin([manifest!], { owner: 'a test' });
  await repository.removeManifest(id);
  expect((await repository.prune()).pendingBytes).toBeGreaterThan(0);
  expect(packs(storage).length).toBeGreaterThan(0);
  expect(await (await reader.openContent(ref)).read(0, Buffer.alloc(BLOCK))).toBeUndefined();
  await pin.end();
  await reader.close();
  await repository.prune();
  expect(packs(storage)).toEqual([]);
  await repository.close();
});

/** Packs of a first backup that did not get to an end. */
async function unfinished() {
  const storage = new MemoryStorage();
  const writer = await createMemoryRepository(storage);
  const session = await writer.beginSession({ owner: 'a test' });
  await storeDisk(session, sampleBytes(4 * BLOCK, 1), BLOCK);
  await session.close();
  return { storage, writer };
}

it('what a first backup left that did not get to an end is explained by its session, also when one listing lacks that', async () => {
  const { storage, writer } = await unfinished();
  await writer.close();
  const bySessions = (prefix: string) => prefix.startsWith('sessions/');
  for (let at = 0; ; at++) {
    let seen = 0;
    const short = new MemoryStorage(copyOf(storage.objects));
    const list = short.list.bind(short);
    short.list = async (prefix) => (bySessions(prefix) && seen++ === at ? [] : list(prefix));
    const other = await openMemory(short);
    expect(await other.requireCertainty({ goOn: true })).toEqual([]);
    await other.close();
    if (seen <= at) break;
  }
});

it('a session that goes while sessions are looked at explains its packs', async () => {
  const { storage, writer } = await unfinished();
  const other = await openMemory(
    new (class extends MemoryStorage {
      override async list(prefix: string): Promise<ObjectInfo[]> {
        const listed = await super.list(prefix);
        if (prefix.startsWith('sessions/')) for (const { name } of listed) this.objects.delete(name);
        return listed;
      }
    })(storage.objects),
  );
  expect(await other.requireCertainty({ goOn: true })).toEqual([]);
  expect([...storage.objects.keys()].filter((name) => name.startsWith('sessions/'))).toEqual([]);
  // Nothing explains them now.
  expect(await other.requireCertainty({ goOn: true })).toMatchObject([{ kind: 'manifests' }]);
  await other.close();
  await writer.close();
});

it('packs that an index names, and that are deleted, raise no doubt; packs that a listing lacks do', async () => {
  const storage = new MemoryStorage();
  const writer = await createMemoryRepository(storage);
  await backup(writer, sampleBytes(3 * BLOCK, 8));
  const named = packs(storage);
  const session = await writer.beginSession({ owner: 'a test' });
  await storeDisk(session, sampleBytes(4 * BLOCK, 1), BLOCK);
  await session.close();
  for (const name of [...storage.objects.keys()]) if (/^(manifests|ledger)\//.test(name)) storage.objects.delete(name);
  const short = new MemoryStorage(storage.objects);
  const list = short.list.bind(short);
  short.list = async (prefix) => (await list(prefix)).filter(({ name }) => !named.includes(name));
  const other = await openMemory(short);
  expect(await other.requireCertainty({ goOn: true })).toMatchObject([{ kind: 'manifests' }]);
  // Emptied by a disk is not deleted.
  for (const name of named) storage.objects.set(name, Buffer.alloc(0));
  expect(await other.requireCertainty({ goOn: true })).toMatchObject([{ kind: 'manifests' }]);
  for (const name of named) storage.objects.delete(name);
  expect(await other.requireCertainty({ goOn: true })).toEqual([]);
  await other.close();
  await writer.close();
});

it('packs that a first backup stored after a prune had listed them stay explained, though it has ended', async () => {
  const storage = new MemoryStorage();
  const writer = await createMemoryRepository(storage);
  const session = await writer.beginSession({ owner: 'a test' });
  let isListed = false;
  let isDone = false;
  const pruner = await openMemory(
    new FaultStorage(storage, {
      before: async (operation, name) => {
        if (name === 'packs/' && operation === 'list') isListed = true;
        if (name !== 'sessions/' || !isListed || isDone) return;
        isDone = true;
        await storeDisk(session, sampleBytes(4 * BLOCK, 1), BLOCK);
        await session.close();
      },
    }),
  );
  await pruner.prune();
  expect(packs(storage).length).toBeGreaterThan(0);
  expect(await pruner.requireCertainty()).toEqual([]);
  await pruner.prune();
  expect(packs(storage)).toEqual([]);
  expect([...storage.objects.keys()].filter((name) => name.startsWith('sessions/'))).toEqual([]);
  await pruner.close();
  await writer.close();
});

it('a restore point that a listing lacks, and that can be read, is not missing', async () => {
  const { storage, ids, nameOf } = await fixture();
  const lacking = nameOf(ids[1]!);
  const short = new MemoryStorage(storage.objects);
  const list = short.list.bind(short);
  short.list = async (prefix) => (await list(prefix)).filter(({ name }) => name !== lacking);
  const repository = await openMemory(short);
  expect(await repository.requireCertainty({ goOn: true })).toEqual([]);
  const live = packs(storage).length;
  await repository.prune();
  expect(packs(storage).length).toBeLessThanOrEqual(live);
  await repository.close();
  const whole = await openMemory(storage);
  await verifyAll(whole);
  storage.objects.delete(lacking);
  expect(await whole.requireCertainty({ goOn: true })).toMatchObject([{ kind: 'point', pointId: ids[1] }]);
  await whole.close();
});

/** Whatever is registered is fenced and forgotten at once, as by a machine that took it for over. */
class Forgetful extends MemoryStorage {
  override async put(name: string, data: Uint8Array): Promise<boolean> {
    const done = await super.put(name, data);
    if (name.startsWith('sessions/')) this.objects.delete(name);
    return done;
  }
}

it('a prune that others treated as expired says that, and not that a listing is short', async () => {
  const { storage, open } = await fixture();
  const forgetful = new Forgetful(copyOf(storage.objects));
  const repository = await open(forgetful);
  await expect(repository.prune()).rejects.toMatchObject({ code: 'REPOSITORY_SESSION_EXPIRED' });
  await repository.close();
  expect(packs(forgetful)).toEqual(packs(storage));
});

describe.each([false, true])('restore points that are gone without a tombstone (encrypted: %s)', (encrypted) => {
  it('stop prune on a machine without memory, by the ledger, and nothing is lost when they come back', async () => {
    const { storage, open, ids, nameOf } = await fixture(encrypted);
    const before = packs(storage);
    const taken = ids.map((id) => [nameOf(id), storage.objects.get(nameOf(id))!] as const);
    for (const few of [taken.slice(0, 1), taken.slice(1), taken]) {
      for (const [name] of few) storage.objects.delete(name);
      const repository = await open();
      const refused = await repository.prune().catch((error) => error);
      expect(refused).toMatchObject({ code: 'REPOSITORY_DOUBTFUL', exitCode: 4 });
      expect(refused.data.doubts.map(({ pointId }: { pointId: string }) => pointId).sort()).toEqual(
        few.map(([name]) => name.slice(-26)).sort(),
      );
      await expect(repository.requireCertainty()).rejects.toMatchObject({ code: 'REPOSITORY_DOUBTFUL' });
      const warnings: string[] = [];
      await repository.prune({ dryRun: true, warn: (text) => void warnings.push(text) });
      expect(warnings.join()).toContain(few[0]![0].slice(-26));
      expect(packs(storage)).toEqual(before);
      await repository.close();
      for (const [name, bytes] of few) storage.objects.set(name, bytes);
    }
    const repository = await open();
    expect((await repository.prune()).packsDeleted).toBeGreaterThan(0);
    expect(await verifyAll(repository)).toEqual(ids);
    await repository.close();
  });

  it('go for one run when a person says so, and for all when he accepts it', async () => {
    const { storage, open, ids, nameOf } = await fixture(encrypted);
    storage.objects.delete(nameOf(ids[2]!));
    const repository = await open();
    const warnings: string[] = [];
    const result = await repository.prune({ overrideDoubt: true, warn: (text) => void warnings.push(text) });
    expect(result.packsDeleted).toBe(4);
    expect(warnings.join()).toContain(ids[2]!);
    await expect(repository.prune()).rejects.toMatchObject({ code: 'REPOSITORY_DOUBTFUL' });
    expect((await repository.acceptUnexpectedPoints()).map(({ id, state }) => [id, state])).toEqual([[ids[2], 'gone']]);
    expect(await repository.tombstone(ids[2]!)).toMatchObject({ reason: expect.stringContaining('accepted') });
    await repository.close();
    const elsewhere = await open();
    await elsewhere.prune();
    expect(await verifyAll(elsewhere)).toEqual(ids.slice(0, 2));
    await elsewhere.close();
  });

  it('stop prune by what the machine remembers and by a chain record where there is no ledger', async () => {
    const { storage, open, ids, nameOf } = await fixture(encrypted);
    const memory = new TestMemory();
    const seen = await open(storage, memory);
    await seen.listManifests();
    await seen.records.put(`chains/${OTHER}/00000001`, { pointId: ids[2] });
    await seen.close();
    for (const name of [...storage.objects.keys()]) if (name.startsWith('ledger/')) storage.objects.delete(name);
    const taken = copyOf(storage.objects);
    for (const [machine, id] of [[memory, ids[0]!] as const, [undefined, ids[2]!] as const]) {
      storage.objects.delete(nameOf(id));
      const repository = await open(storage, machine);
      const refused = await repository.prune().catch((error) => error);
      expect(refused).toMatchObject({ code: 'REPOSITORY_DOUBTFUL' });
      expect(refused.data.doubts).toMatchObject([{ kind: 'point', pointId: id }]);
      await repository.close();
      for (const [name, data] of taken) storage.objects.set(name, data);
    }
  });
});

describe('a repository', () => {
  it('with packs and nothing that says there ever was a restore point is left alone', async () => {
    const { storage, open } = await fixture();
    for (const name of [...storage.objects.keys()])
      if (/^(manifests|ledger|removed)\//.test(name)) storage.objects.delete(name);
    const before = packs(storage);
    const repository = await open();
    const refused = await repository.prune().catch((error) => error);
    expect(refused).toMatchObject({ code: 'REPOSITORY_DOUBTFUL', data: { doubts: [{ kind: 'manifests' }] } });
    expect(packs(storage)).toEqual(before);
    await repository.prune({ overrideDoubt: true });
    expect(packs(storage)).toEqual([]);
    await repository.close();
  });

  it('where only a backup was that did not get to an end is cleaned as before', async () => {
    const storage = new MemoryStorage();
    const repository = await createMemoryRepository(storage);
    const session = await repository.beginSession();
    const writer = await session.openContent(3 * BLOCK);
    await writer.write([0, 1, 2], async (buffer) => void sampleBytes(buffer.length, 5).copy(buffer));
    await writer.finish();
    await session.close();
    expect(packs(storage)).not.toEqual([]);
    expect(await repository.requireCertainty()).toEqual([]);
    await repository.prune();
    expect(packs(storage)).toEqual([]);
    expect([...storage.objects.keys()].filter((name) => name.startsWith('sessions/'))).toEqual([]);
    await repository.close();
  });

  it('whose configuration is another one when it comes to deleting keeps everything', async () => {
    const { storage, open } = await fixture();
    const other = new MemoryStorage();
    await (await createMemoryRepository(other)).close();
    const before = packs(storage);
    const repository = await open();
    const create = repository.core.marks.create.bind(repository.core.marks);
    repository.core.marks.create = async (ids) => {
      const mark = await create(ids);
      storage.objects.set('hvbackup-repository.json', other.objects.get('hvbackup-repository.json')!);
      return mark;
    };
    const refused = await repository.prune({ overrideDoubt: true }).catch((error) => error);
    expect(refused).toMatchObject({ code: 'REPOSITORY_DOUBTFUL', data: { doubts: [{ kind: 'configuration' }] } });
    expect(packs(storage)).toEqual(before);
    await repository.close();
  });

  it('with a manifest that is not the one that was published is in doubt', async () => {
    const { storage, open, ids, nameOf } = await fixture();
    const repository = await open();
    const name = nameOf(ids[0]!);
    const manifest = await repository.core.manifests.get(name, { fresh: true });
    storage.objects.delete(name);
    await repository.core.documents.put(name, { ...manifest, contents: [] });
    await repository.close();
    const other = await open();
    const refused = await other.prune().catch((error) => error);
    expect(refused).toMatchObject({ code: 'REPOSITORY_DOUBTFUL', data: { doubts: [{ kind: 'content', path: name }] } });
    await other.close();
  });
});

describe('the ledger', () => {
  it('keeps what was published, again under the same id too, until its tombstone is past its time', async () => {
    const { storage, open, ids, nameOf } = await fixture();
    const repository = await open();
    const { ledger, manifests } = repository.core;
    const name = nameOf(ids[0]!);
    const manifest = await manifests.get(name);
    expect(await ledger.get(name)).toMatchObject({ point: ids[0], manifest, sha256: manifestDigest(manifest) });
    const again: ManifestEnvelope = { ...manifest, body: { sha256: 'another' } };
    expect(await ledger.put(name, again)).toBeGreaterThan(0);
    expect(await ledger.put(name, again)).toBe(0);
    expect(await ledger.put(name, manifest)).toBe(0);
    expect((await ledger.get(name))?.manifest).toEqual(again);
    expect([...(await ledger.names())].filter((one) => one === name)).toHaveLength(1);
    const entry = [...storage.objects.keys()].find((one) => one.startsWith('ledger/') && one.endsWith('.2'))!;
    storage.objects.get(entry)![60]! ^= 1;
    expect((await ledger.get(name))?.manifest).toEqual(manifest);
    await ledger.drop(name);
    expect(await ledger.get(name)).toBeNull();
    await repository.prune();
    expect((await ledger.get(name))?.manifest).toEqual(manifest);
    await repository.close();
  });
});
