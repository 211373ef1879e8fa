/** What every storage must do (docs/format.md §1); run it against each implementation. */
import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import type { Storage } from '../../../../backend/src/repository/storage/storage.ts';

/** @param open two connections to the same empty place */
export function storageConformance(open: () => Promise<{ one: Storage; other: Storage }>): void {
  it('puts an object once and never replaces it', async () => {
    const { one, other } = await open();
    expect(await one.put('a/b/first', Buffer.from('one'))).toBe(true);
    expect(await other.put('a/b/first', Buffer.from('two'))).toBe(false);
    expect((await other.get('a/b/first')).toString()).toBe('one');
  });

  it('lets exactly one of many racing puts win', async () => {
    const { one, other } = await open();
    const writers = Array.from({ length: 12 }, (_, i) => (i % 2 ? one : other));
    const results = await Promise.all(writers.map((s, i) => s.put('race', Buffer.from(`writer ${i}`))));
    expect(results.filter(Boolean)).toHaveLength(1);
    expect((await one.get('race')).toString()).toBe(`writer ${results.indexOf(true)}`);
  });

  it('shows nothing of a stream before its commit, and nothing after an abort', async () => {
    const { one, other } = await open();
    const data = randomBytes(300_000);
    const stream = await one.createPut('packs/aa/x');
    await Promise.all([stream.append([data.subarray(0, 7)]), stream.append([data.subarray(7, 9), data.subarray(9)])]);
    expect(await other.list('packs/')).toEqual([]);
    expect(await stream.commit()).toBe(true);
    await stream.abort();
    expect((await other.get('packs/aa/x')).equals(data)).toBe(true);
    const dropped = await one.createPut('packs/aa/y');
    await dropped.append([data]);
    await dropped.abort();
    await dropped.abort();
    expect((await other.list('')).map((o) => o.name)).toEqual(['packs/aa/x']);
    const late = await other.createPut('packs/aa/x');
    await late.append([Buffer.from('late')]);
    expect(await late.commit()).toBe(false);
    expect((await one.get('packs/aa/x')).equals(data)).toBe(true);
  });

  it('reads exact ranges, and reports a range beyond the end', async () => {
    const { one } = await open();
    const data = randomBytes(10_000);
    await one.put('object', data);
    const part = Buffer.alloc(1234);
    await one.read('object', 777, part);
    expect(part.equals(data.subarray(777, 777 + 1234))).toBe(true);
    await expect(one.read('object', 9_000, Buffer.alloc(1001))).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED' });
    await expect(one.get('object', 9_999)).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED' });
  });

  it('reports what is not there', async () => {
    const { one } = await open();
    await expect(one.get('none')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(one.read('none/at/all', 0, Buffer.alloc(1))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    expect(await one.list('none/')).toEqual([]);
    await one.delete('none');
  });

  it('lists folders ascending, with sizes when asked, and forgets what is deleted', async () => {
    const { one, other } = await open();
    for (const name of ['m/2/b', 'm/1/a', 'm/2/a', 'n/x']) await one.put(name, Buffer.from(name.repeat(3)));
    expect((await other.list('m/')).map((o) => o.name)).toEqual(['m/1/a', 'm/2/a', 'm/2/b']);
    expect((await other.list('m/2/', { sizes: true })).map((o) => o.size)).toEqual([15, 15]);
    await other.get('m/2/a');
    await other.delete('m/2/a');
    expect((await one.list('')).map((o) => o.name)).toEqual(['m/1/a', 'm/2/b', 'n/x']);
    expect(await one.put('m/2/a', Buffer.from('again'))).toBe(true);
    expect((await other.get('m/2/a')).toString()).toBe('again');
  });

  it('refuses names that leave the repository', async () => {
    const { one } = await open();
    for (const name of ['../x', '/x', 'a//b', 'a/../b', '.', 'a\\b', 'con', 'a/NUL.txt', 'x:y', '', 'a/.hidden'])
      await expect(one.put(name, Buffer.from('x')), name).rejects.toMatchObject({ code: 'USAGE' });
  });
}
