/** What a machine has seen is held against every listing: removals and rollbacks that are not ours. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { PointMemory } from '../../../../backend/src/catalog/point-memory.ts';
import type { Memory } from '../../../../backend/src/repository/port/memory.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { ulid } from '../../../../backend/src/support/ulid.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { createEncrypted, PASSPHRASE, TestMemory } from '../support/encrypted.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { BLOCK, backup, createMemoryRepository, GROUP, openMemory, sampleBytes } from '../support/model.ts';

const opened: StoredRepository[] = [];
afterEach(async () => {
  for (const repository of opened.splice(0)) await repository.close();
});
const scratch = scratchForEach('watch');

/** A repository with three restore points, and machines that open it. */
async function fixture(encrypted: boolean) {
  const storage = new MemoryStorage();
  await (await (encrypted ? createEncrypted(storage) : createMemoryRepository(storage))).close();
  const passphrase = encrypted ? PASSPHRASE : undefined;
  const open = async (memory?: Memory) => {
    const repository = await openMemory(storage, undefined, { passphrase, memory: memory && (() => memory) });
    opened.push(repository);
    return repository;
  };
  const here = new TestMemory();
  const repository = await open(here);
  const ids: string[] = [];
  for (let i = 0; i < 3; i++) ids.push((await backup(repository, sampleBytes((2 + i) * BLOCK, i))).id);
  const nameOf = (id: string) => [...storage.objects.keys()].find((name) => name.endsWith(id) && /^man/.test(name))!;
  return { storage, open, here, ids, nameOf, before: new Map(storage.objects) };
}

describe.each([true, false])('restore points of a repository (encrypted: %s)', (encrypted) => {
  it('that vanish are noticed by a machine that has seen them, and by no other', async () => {
    const { storage, open, here, ids, nameOf } = await fixture(encrypted);
    storage.objects.delete(nameOf(ids[1]!));
    const repository = await open(here);
    expect((await repository.listManifests()).map((point) => point.id)).toEqual([ids[0], ids[2]]);
    expect(repository.unexpectedPoints()).toMatchObject([
      { id: ids[1], vmName: 'web01', state: 'gone', forged: false },
    ]);
    // Listing one VM is enough.
    const again = await open(here);
    await again.listManifests(GROUP);
    expect(again.unexpectedPoints()).toHaveLength(1);
    const elsewhere = await open(new TestMemory());
    await elsewhere.listManifests();
    expect(elsewhere.unexpectedPoints()).toEqual([]);
    expect((await again.acceptUnexpectedPoints()).map(({ id }) => id)).toEqual([ids[1]]);
    const later = await open(here);
    await later.listManifests();
    expect(later.unexpectedPoints()).toEqual([]);
  });

  it('that somebody entitled to has removed, here or elsewhere, are no news', async () => {
    const { open, here, ids } = await fixture(encrypted);
    const other = await open(new TestMemory());
    await other.removeManifest(ids[0]!);
    await (await open(here)).removeManifest(ids[1]!);
    await other.prune();
    const repository = await open(here);
    await repository.listManifests();
    expect(repository.unexpectedPoints()).toEqual([]);
    expect(here.known.get(ids[0]!)?.gone).toBe(true);
  });

  it('that are rolled back are noticed: those that are gone, and those that are back', async () => {
    const { storage, open, here, ids, before } = await fixture(encrypted);
    const repository = await open(here);
    await repository.removeManifest(ids[0]!);
    const { id } = await backup(repository, sampleBytes(BLOCK, 9));
    storage.objects.clear();
    for (const [name, bytes] of before) storage.objects.set(name, bytes);
    const after = await open(here);
    await after.listManifests();
    expect(after.unexpectedPoints().map((point) => [point.id, point.state])).toEqual(
      [
        [ids[0], 'back'],
        [id, 'gone'],
      ].sort(([a], [b]) => (a! < b! ? -1 : 1)),
    );
  });

  it('that are published again after a removal count, and that is said once; an older state of theirs is noticed', async () => {
    const { storage, open, ids, nameOf } = await fixture(encrypted);
    const folder = await scratch();
    const machine = (name: string) => new PointMemory(join(folder, name), () => 'web01');
    const look = async (name: string) => {
      const repository = await open(machine(name));
      const listed = (await repository.listManifests()).some(({ id }) => id === ids[0]);
      const strays = repository.unexpectedPoints().map(({ id, state }) => `${id} ${state}`);
      const returned = repository.returnedPoints().map(({ id }) => id);
      const differences = repository.catalogDifferences();
      await repository.close();
      opened.splice(opened.indexOf(repository), 1);
      return { listed, strays, returned, differences };
    };
    const there = { listed: true, strays: [], returned: [], differences: [] };
    const gone = { ...there, listed: false };
    const manifest = (await (await open()).listManifests()).find(({ id }) => id === ids[0])!;
    const remove = async () => (await open(machine('remover'))).removeManifest(ids[0]!);
    const revive = async () => {
      const session = await (await open(machine('copier'))).beginSession();
      // The same manifest, as a copy is when nothing else has changed.
      await session.publish(manifest, { revive: true });
      await session.close();
    };
    expect(await look('other')).toEqual(there);
    expect(await look('remover')).toEqual(there);
    for (let round = 0; round < 2; round++) {
      await remove();
      for (const name of ['other', 'remover']) expect(await look(name)).toEqual(gone);
      await revive();
      expect([...storage.objects.keys()]).not.toContain(`removed/${ids[0]}`);
      for (const name of ['other', 'remover', 'copier']) {
        expect(await look(name)).toEqual(name === 'copier' ? there : { ...there, returned: [ids[0]] });
        expect(await look(name)).toEqual(there);
      }
    }
    // Removed once more, and brought back to the state in which it had come back: the number of publications is known.
    const state = new Map(storage.objects);
    await remove();
    for (const name of ['other', 'remover']) expect(await look(name)).toEqual(gone);
    storage.objects.clear();
    for (const [name, bytes] of state) storage.objects.set(name, bytes);
    expect(storage.objects.has(nameOf(ids[0]!))).toBe(true);
    for (const name of ['other', 'remover']) expect(await look(name)).toEqual({ ...there, strays: [`${ids[0]} back`] });
  });

  it('that are put back beside their tombstone stay off the list', async () => {
    const { storage, open, here, ids, nameOf, before } = await fixture(encrypted);
    const name = nameOf(ids[0]!);
    await (await open(here)).removeManifest(ids[0]!);
    storage.objects.set(name, before.get(name)!);
    const after = await open(here);
    expect((await after.listManifests()).map((point) => point.id)).toEqual(ids.slice(1));
    expect(after.unexpectedPoints()).toEqual([]);
  });

  it('that come back of themselves, as after a share was away, are forgotten about', async () => {
    const { storage, open, here, ids, nameOf, before } = await fixture(encrypted);
    const name = nameOf(ids[2]!);
    storage.objects.delete(name);
    const repository = await open(here);
    await repository.listManifests();
    expect(repository.unexpectedPoints()).toHaveLength(1);
    storage.objects.set(name, before.get(name)!);
    await repository.listManifests();
    expect(repository.unexpectedPoints()).toEqual([]);
  });

  it('that are published beside a listing are not missed', async () => {
    const { open, here } = await fixture(encrypted);
    const [one, two] = [await open(here), await open(here)];
    await one.listManifests();
    await backup(two, sampleBytes(BLOCK, 7));
    await one.listManifests();
    expect(one.unexpectedPoints()).toEqual([]);
  });
});

describe('a tombstone that was not made with the key', () => {
  it('neither takes a restore point off the list nor explains that it is gone', async () => {
    const { storage, open, here, ids, nameOf } = await fixture(true);
    const other = new MemoryStorage();
    const stranger = await createEncrypted(other);
    opened.push(stranger);
    await stranger.core.tombstones.put({ id: ids[0]!, group: GROUP }, 'forged');
    const plain = new MemoryStorage();
    const unencrypted = await createMemoryRepository(plain);
    opened.push(unencrypted);
    await unencrypted.core.tombstones.put({ id: ids[1]!, group: GROUP }, 'forged');
    storage.objects.set(`removed/${ids[0]}`, other.objects.get(`removed/${ids[0]}`)!);
    storage.objects.set(`removed/${ids[1]}`, plain.objects.get(`removed/${ids[1]}`)!);
    storage.objects.set(`removed/${ids[2]}`, Buffer.from('{}'));
    expect((await (await open(here)).listManifests()).map((point) => point.id)).toEqual(ids);
    for (const id of ids) storage.objects.delete(nameOf(id));
    const after = await open(here);
    expect(await after.listManifests()).toEqual([]);
    expect(after.unexpectedPoints()).toMatchObject(ids.map((id) => ({ id, state: 'gone', forged: true })));
  });
});

describe('the memory of a machine', () => {
  it('lasts, and grows by a row', async () => {
    const file = join(await scratch(), 'seen', 'r.sqlite');
    const memory = new PointMemory(file, () => null);
    expect(memory.encrypted).toBeNull();
    memory.rememberEncryption(true);
    const point = { folder: 'a', vmName: 'web01', createdAt: '2026-11-21T00:00:00Z', gone: false };
    const points = Array.from({ length: 2000 }, (_, i) => ({ ...point, id: ulid(i), folder: i % 2 ? 'a' : 'b' }));
    memory.remember(points);
    memory.remember([{ ...points[0]!, gone: true }]);
    memory.close();
    const again = new PointMemory(file, () => null);
    expect(again.encrypted).toBe(true);
    expect(again.points()).toHaveLength(2000);
    expect(again.points('b').filter((one) => one.gone)).toEqual([{ ...points[0], gone: true }]);
    expect(again.problem).toBeNull();
    again.close();
  });

  it('says so when it was lost or cannot be kept', async () => {
    const folder = await scratch();
    const file = join(folder, 'r.sqlite');
    writeFileSync(file, 'not a database, but some text that is long enough to look at');
    const damaged = new PointMemory(file, () => null);
    damaged.rememberEncryption(false);
    expect(damaged.problem).toMatch(/begins anew/);
    damaged.close();
    const fresh = new PointMemory(file, () => null);
    expect(fresh).toMatchObject({ problem: null, encrypted: false });
    fresh.close();
    writeFileSync(join(folder, 'file'), '');
    const nowhere = new PointMemory(join(folder, 'file', 'r.sqlite'), () => null);
    expect(nowhere.problem).toMatch(/cannot remember/);
    expect(nowhere.points()).toEqual([]);
    nowhere.close();
  });
});
