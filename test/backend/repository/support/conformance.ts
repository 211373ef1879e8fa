/** What every storage must do (docs/format.md §1); run it against each implementation. */
import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { foldersBelow, type Storage } from '../../../../backend/src/repository/storage/storage.ts';

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

  it('tells what lies in folders as it lists it', async () => {
    const { one, other } = await open();
    for (const name of ['m/b/2', 'm/b/10', 'm/a/x/y', 'm/a/x/z', 'm/a/w', 'm/gone/1', 'm/file', 'n/c/1'])
      await one.put(name, Buffer.from(name));
    await one.delete('m/gone/1');
    const expected = [
      ['m/a/', 'w/x'],
      ['m/b/', '10/2'],
    ];
    for (const storage of [one, other]) expect([...(await foldersBelow(storage, 'm/'))].sort()).toEqual(expected);
    expect(await foldersBelow(one, 'none/')).toEqual(new Map());
  });

  it('reads ranges up to the very end, and not a byte beyond', async () => {
    const { one, other } = await open();
    await one.put('ten', Buffer.from('0123456789'));
    const read = async (offset: number, length: number): Promise<string> => {
      const target = Buffer.alloc(length);
      await other.read('ten', offset, target);
      return target.toString();
    };
    expect(await read(0, 10)).toBe('0123456789');
    expect(await read(9, 1)).toBe('9');
    expect(await read(10, 0)).toBe('');
    for (const [offset, length] of [
      [10, 1],
      [9, 2],
      [0, 11],
      [1_000_000, 1],
    ] as const)
      await expect(read(offset, length)).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED' });
    expect((await other.get('ten', 10)).toString()).toBe('0123456789');
  });

  it('holds empty objects and large ones, written in overlapping pieces', async () => {
    const { one, other } = await open();
    expect(await one.put('empty', Buffer.alloc(0))).toBe(true);
    expect(await one.put('empty', Buffer.from('x'))).toBe(false);
    expect(await other.get('empty')).toHaveLength(0);
    const data = randomBytes(9_000_011);
    const stream = await one.createPut('large');
    const pieces: Promise<void>[] = [];
    for (let at = 0; at < data.length; at += 700_001) {
      const piece = data.subarray(at, at + 700_001);
      pieces.push(stream.append([piece.subarray(0, 1), piece.subarray(1)]));
    }
    await Promise.all(pieces);
    expect(await stream.commit()).toBe(true);
    expect((await other.get('large')).equals(data)).toBe(true);
    expect((await other.list('', { sizes: true })).map(({ size }) => size)).toEqual([0, data.length]);
  });

  it('takes every name that is allowed', async () => {
    const { one, other } = await open();
    const names = [
      '0',
      'a.b-c_d',
      '_',
      '-',
      'A',
      `${'n'.repeat(120)}`,
      'a/b/c/d/e/f/g/h',
      'x/1',
      'x/10',
      'x/2',
      'x-1/y',
    ];
    for (const name of names) expect(await one.put(name, Buffer.from(name)), name).toBe(true);
    expect((await other.list('')).map(({ name }) => name)).toEqual([...names].sort());
    for (const name of names) expect((await other.get(name)).toString()).toBe(name);
    // A folder is not its neighbours whose names begin like its own.
    expect((await other.list('x/')).map(({ name }) => name)).toEqual(['x/1', 'x/10', 'x/2']);
  });

  it('lists all that was put before, whatever is put and deleted meanwhile', async () => {
    const { one, other } = await open();
    const kept = Array.from({ length: 20 }, (_, i) => `kept/${i % 4}/${100 + i}`);
    await Promise.all(kept.map((name) => one.put(name, Buffer.from(name))));
    for (let round = 0; round < 4; round++) {
      const noise = Array.from({ length: 6 }, (_, i) => `kept/${i % 4}/noise-${round}-${i}`);
      const [listed] = await Promise.all([
        other.list('kept/'),
        ...noise.map(async (name) => {
          await one.put(name, Buffer.from(name));
          await one.delete(name);
        }),
      ]);
      const names = listed.map(({ name }) => name);
      expect(names.filter((name) => !name.includes('noise'))).toEqual([...kept].sort());
      expect(names).toEqual([...names].sort());
    }
  });

  it('lets one of a stream and many puts win, and the winner is whole', async () => {
    const { one, other } = await open();
    for (let round = 0; round < 5; round++) {
      const stream = await one.createPut(`race/${round}`);
      await stream.append([Buffer.alloc(50_000, 1)]);
      const puts = [other, one, other].map((storage, i) => storage.put(`race/${round}`, Buffer.alloc(50_000, i + 2)));
      const won = await Promise.all([stream.commit(), ...puts]);
      expect(won.filter(Boolean)).toHaveLength(1);
      const content = await other.get(`race/${round}`);
      expect(content.equals(Buffer.alloc(50_000, won.indexOf(true) + 1))).toBe(true);
    }
  });

  it('gives up a stream whose pieces are still on their way', async () => {
    const { one, other } = await open();
    const stream = await one.createPut('given-up');
    const pieces = [stream.append([randomBytes(100_000)]), stream.append([randomBytes(100_000)])];
    await stream.abort();
    await Promise.allSettled(pieces);
    expect(await other.list('')).toEqual([]);
    expect(await other.put('given-up', Buffer.from('free'))).toBe(true);
  });

  it('settles what is there and what is not', async () => {
    const { one, other } = await open();
    await one.put('a/b', Buffer.from('x'));
    await other.settle('a/b');
    await other.settle('a/none');
    await other.settle('none/at-all');
    expect((await other.get('a/b')).toString()).toBe('x');
  });

  it('refuses names that leave the repository', async () => {
    const { one } = await open();
    for (const name of ['../x', '/x', 'a//b', 'a/../b', '.', 'a\\b', 'con', 'a/NUL.txt', 'x:y', '', 'a/.hidden'])
      await expect(one.put(name, Buffer.from('x')), name).rejects.toMatchObject({ code: 'USAGE' });
  });
}
