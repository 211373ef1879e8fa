/** What is derived from manifests is made once, filtered and paged, and goes with its manifest. */
import { expect, it } from 'vitest';
import type { ManifestDigest } from '../../../backend/src/repository/port.ts';
import { MemoryStorage } from './support/memory-storage.ts';
import { BLOCK, backup, createMemoryRepository, sampleBytes } from './support/model.ts';

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
  };
  const list = async (options?: Parameters<typeof repository.listDigests>[1]) =>
    (await repository.listDigests(digest, options)).map(({ id }) => id);
  expect(await list()).toEqual(ids.toSorted());
  expect(await list()).toEqual(ids.toSorted());
  expect(made).toBe(6);
  expect(await list({ group: group(1) })).toEqual([ids[1], ids[3], ids[5]]);
  expect(await list({ after: ids[1], limit: 2 })).toEqual([ids[2], ids[3]]);
  expect(await list({ containing: JSON.stringify('Straße "A"').toLowerCase() })).toEqual([ids[3]]);
  const filtered = repository.core.catalog.digests('test', '"web"');
  expect([...filtered.values()].filter((text) => text === null)).toHaveLength(1);
  expect(filtered.size).toBe(6);
  await repository.removeManifest(ids[0]!);
  expect(await list()).toEqual(ids.slice(1));
  expect((await repository.readManifest(ids[5]!)).id).toBe(ids[5]);
  await expect(repository.readManifest(ids[0]!)).rejects.toMatchObject({ code: 'POINT_NOT_FOUND' });
  await repository.close();
});
