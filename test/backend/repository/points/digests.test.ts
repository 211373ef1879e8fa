/** What is derived from manifests is made once, filtered and paged, and goes with its manifest. */
import { describe, expect, it } from 'vitest';
import { SqliteCatalog } from '../../../../backend/src/catalog/sqlite-catalog.ts';
import type { ManifestDigest } from '../../../../backend/src/repository/port/points.ts';
import { TestMemory } from '../support/encrypted.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { BLOCK, backup, createMemoryRepository, openMemory, sampleBytes } from '../support/model.ts';

const group = (n: number): string => `11111111-2222-3333-4444-${String(n).padStart(12, '0')}`;

it('digests are made once, in order, page by page, and follow what is removed', async () => {
  const repository = await createMemoryRepository(new MemoryStorage());
  const disk = sampleBytes(BLOCK, 1);
  const ids: string[] = [];
  for (let i = 0; i < 6; i++) ids.push((await backup(repository, disk, { group: group(i % 2) })).id);
  let made = 0;
  const digest: ManifestDigest<{ id: string; name: string }> = {
    kind: 'test',
    make: ({ id }) => {
      made += 1;
      return { id, name: id === ids[3] ? 'Straße "A"' : 'web' };
    },
    key: ({ name }) => name.toLowerCase(),
  };
  const list = async (options?: Parameters<typeof repository.listDigests>[1]) =>
    (await repository.listDigests(digest, options)).map(({ id }) => id);
  expect(await list()).toEqual(ids.toSorted());
  expect(await list()).toEqual(ids.toSorted());
  expect(made).toBe(6);
  expect(await list({ group: group(1) })).toEqual([ids[1], ids[3], ids[5]]);
  expect(await list({ after: ids[1], limit: 2 })).toEqual([ids[2], ids[3]]);
  expect(await list({ key: 'straße "a"' })).toEqual([ids[3]]);
  expect(await list({ key: 'web' })).toEqual(ids.filter((_, i) => i !== 3));
  expect(repository.core.catalog.digests('test', 'web').size).toBe(5);
  await repository.removeManifest(ids[0]!);
  expect(await list()).toEqual(ids.slice(1));
  expect((await repository.readManifest(ids[5]!)).id).toBe(ids[5]);
  await expect(repository.readManifest(ids[0]!)).rejects.toMatchObject({ code: 'POINT_NOT_FOUND' });
  await repository.close();
});

describe('a listing by key', () => {
  const NAMES: Record<string, string> = { [group(0)]: 'db', [group(1)]: 'web', [group(2)]: 'mail' };

  /** Three VMs with two restore points each, and a machine that lists them by name. */
  async function fixture() {
    const storage = new MemoryStorage();
    await (await createMemoryRepository(storage)).close();
    const memory = new TestMemory();
    const catalog = new SqliteCatalog(null, 'shared');
    catalog.close = () => {};
    const open = (known: TestMemory | null = memory) =>
      openMemory(storage, undefined, { catalog: () => catalog, ...(known && { memory: () => known }) });
    const elsewhere = await openMemory(storage);
    const ids: string[] = [];
    for (let i = 0; i < 6; i++) ids.push((await backup(elsewhere, sampleBytes(BLOCK, 1), { group: group(i % 3) })).id);
    let made = 0;
    const digest: ManifestDigest<{ id: string; name: string }> = {
      kind: 'test',
      make: ({ id, group: vm }) => {
        made += 1;
        return { id, name: NAMES[vm]! };
      },
      key: ({ name }) => name,
    };
    /** @returns ids, how many digests were made, and which folders were looked at on their own */
    const list = async (key: string, known: TestMemory | null = memory) => {
      const repository = await open(known);
      made = 0;
      const looked: string[] = [];
      const real = repository.core.manifests.inFolder.bind(repository.core.manifests);
      repository.core.manifests.inFolder = (folder) => {
        looked.push(folder);
        return real(folder);
      };
      const found = (await repository.listDigests(digest, { key })).map(({ id }) => id);
      const stray = repository.unexpectedPoints().map(({ id, state }) => `${id} ${state}`);
      await repository.close();
      return { found, made, looked: looked.map((name) => name.slice(-2, -1)).sort(), stray };
    };
    return { storage, elsewhere, ids, list, memory };
  }

  const manifestOf = (storage: MemoryStorage, id: string): string =>
    [...storage.objects.keys()].find((name) => name.startsWith('manifests/') && name.endsWith(id))!;

  it('looks only at folders that changed and at those that have the key', async () => {
    const { list, ids, elsewhere } = await fixture();
    expect(await list('web')).toEqual({ found: [ids[1], ids[4]], made: 6, looked: ['0', '1', '2'], stray: [] });
    expect(await list('web')).toEqual({ found: [ids[1], ids[4]], made: 0, looked: ['1'], stray: [] });
    expect(await list('nobody')).toEqual({ found: [], made: 0, looked: [], stray: [] });
    // The VM in the first folder has got another name meanwhile.
    NAMES[group(0)] = 'web';
    const { id } = await backup(elsewhere, sampleBytes(BLOCK, 2), { group: group(0) });
    NAMES[group(2)] = 'nobody';
    expect(await list('web')).toEqual({ found: [ids[1], ids[4], id].sort(), made: 1, looked: ['0', '1'], stray: [] });
    NAMES[group(0)] = 'db';
    expect((await list('db')).found).toEqual([ids[0], ids[3]]);
    await elsewhere.removeManifest(ids[3]!);
    expect(await list('db')).toEqual({ found: [ids[0]], made: 0, looked: ['0'], stray: [] });
    await elsewhere.close();
  });

  it('tells what is gone, of whatever VM, every time', async () => {
    const { list, ids, storage, elsewhere } = await fixture();
    await list('web');
    storage.objects.delete(manifestOf(storage, ids[2]!));
    for (let i = 0; i < 3; i++) expect((await list('web')).stray).toEqual([`${ids[2]} gone`]);
    storage.objects.delete(manifestOf(storage, ids[5]!));
    for (let i = 0; i < 3; i++) expect((await list('web')).stray).toEqual([`${ids[2]} gone`, `${ids[5]} gone`].sort());
    await elsewhere.close();
  });

  it('tells what was removed and is back', async () => {
    const { list, ids, storage, elsewhere } = await fixture();
    await list('web');
    const name = manifestOf(storage, ids[0]!);
    const bytes = storage.objects.get(name)!;
    await elsewhere.removeManifest(ids[0]!);
    expect((await list('web')).stray).toEqual([]);
    storage.objects.set(name, bytes);
    expect((await list('db')).found).toEqual([ids[3]]);
    storage.objects.delete(`removed/${ids[0]}`);
    for (let i = 0; i < 3; i++) expect((await list('web')).stray).toEqual([`${ids[0]} back`]);
    await elsewhere.close();
  });

  it('teaches a machine that remembers nothing', async () => {
    const { list, elsewhere } = await fixture();
    expect((await list('web', null)).made).toBe(6);
    const memory = new TestMemory();
    expect((await list('web', memory)).looked).toEqual(['0', '1', '2']);
    expect(memory.known.size).toBe(6);
    expect((await list('web', memory)).looked).toEqual(['1']);
    memory.token = 'begun anew';
    memory.known.clear();
    await list('web', memory);
    expect(memory.known.size).toBe(6);
    await elsewhere.close();
  });
});
