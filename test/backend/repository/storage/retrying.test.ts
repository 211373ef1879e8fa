/** The retry layer: what is repeated, for how long, and what is known of an object's own put (docs/storage.md). */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Files, systemFiles } from '../../../../backend/src/repository/storage/folder/files.ts';
import { FolderStorage } from '../../../../backend/src/repository/storage/folder/folder.ts';
import { Patience, type PatienceOptions } from '../../../../backend/src/repository/storage/retrying/patience.ts';
import { RetryingStorage } from '../../../../backend/src/repository/storage/retrying/retrying.ts';
import { retryingFiles } from '../../../../backend/src/repository/storage/retrying/retrying-files.ts';
import type { Storage } from '../../../../backend/src/repository/storage/storage.ts';
import { isOutage, stumbleOf } from '../../../../backend/src/repository/storage/stumble.ts';
import type { RandomAccessFile } from '../../../../backend/src/support/file.ts';
import { seeded } from '../../../fuzz/random.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { closedAfterEach } from '../support/closing.ts';
import { storageConformance } from '../support/conformance.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { QuickClock, StumblingStorage, stumble } from '../support/stumbling-storage.ts';

const MINUTE = 60_000;
const scratch = scratchForEach('retrying');
const opened = closedAfterEach<Storage>();

function patient(options: Partial<PatienceOptions> = {}) {
  const clock = new QuickClock();
  const warnings: string[] = [];
  const patience = new Patience({
    location: '/share',
    probe: async () => undefined,
    clock,
    random: () => 0.5,
    warn: (sentence) => warnings.push(sentence),
    ...options,
  });
  return { clock, warnings, patience };
}

function over(inner: Storage, options: Partial<PatienceOptions> = {}) {
  const { clock, warnings, patience } = patient({ probe: () => inner.get('config'), ...options });
  return { clock, warnings, patience, storage: new RetryingStorage(inner, patience) };
}

it('offers all that the storage below it offers', async () => {
  const folder = new FolderStorage(await scratch());
  opened.push(folder);
  const { storage } = over(folder);
  for (const key of ['folders', 'entries', 'clock'] as const)
    expect([key, typeof storage[key]]).toEqual([key, 'function']);
  expect(Math.abs((await storage.clock!()) - Date.now())).toBeLessThan(60_000);
});

describe('the contract holds through the retry layer', () => {
  describe('over memory', () => {
    storageConformance(async () => {
      const objects = new Map<string, Buffer>();
      const open = () => over(new MemoryStorage(objects)).storage;
      return { one: open(), other: open() };
    });
  });
  for (const after of [false, true])
    describe(`over memory where calls fail at random, ${after ? 'having been done' : 'not done'}`, () => {
      let seed = 0;
      storageConformance(async () => {
        const objects = new Map<string, Buffer>();
        const random = seeded(++seed);
        const open = () =>
          over(
            new StumblingStorage(new MemoryStorage(objects), () =>
              random() < 0.2 ? { errno: 'ETIMEDOUT', after } : undefined,
            ),
          ).storage;
        return { one: open(), other: open() };
      });
    });
  describe('over a folder whose calls to the system fail at random', () => {
    let seed = 100;
    storageConformance(async () => {
      const folder = await scratch();
      const random = seeded(++seed);
      const open = () => {
        const { patience } = patient();
        const storage = new RetryingStorage(
          new FolderStorage(folder, retryingFiles(stumblingFiles(random, 0.05), patience)),
          patience,
        );
        opened.push(storage);
        return storage;
      };
      return { one: open(), other: open() };
    });
  });
});

/** The system's, but that calls fail at random, before or after they were done. */
function stumblingFiles(random: () => number, share: number, log: string[] = []): Files {
  const call = async <T>(name: string, action: () => Promise<T>): Promise<T> => {
    log.push(name);
    if (random() >= share) return action();
    if (random() < 0.5) await action();
    throw stumble('ESTALE', name);
  };
  return {
    open: async (filePath, mode) => {
      let handle: RandomAccessFile | undefined;
      const file = await call(`open ${mode}`, async () => {
        handle = await systemFiles.open(filePath, mode);
        return handle;
      }).catch(async (error) => {
        await handle?.close();
        throw error;
      });
      return {
        path: filePath,
        size: () => call('stat', () => file.size()),
        readFully: (offset, target) => call('read', () => file.readFully(offset, target)),
        readUpTo: (offset, target) => call('read', () => file.readUpTo(offset, target)),
        writeFully: (offset, data) => call('write', () => file.writeFully(offset, data)),
        truncate: (size) => file.truncate(size),
        sync: () => call('fsync', () => file.sync()),
        close: () => file.close(),
      };
    },
    link: (existing, created) => call('link', () => systemFiles.link(existing, created)),
    rename: (from, to) => call('rename', () => systemFiles.rename(from, to)),
    remove: (filePath) => call('unlink', () => systemFiles.remove(filePath)),
    exists: (filePath) => call('stat', () => systemFiles.exists(filePath)),
    stat: (filePath) => call('stat', () => systemFiles.stat(filePath)),
    entries: (folder) => call('readdir', () => systemFiles.entries(folder)),
    names: (folder) => call('readdir', () => systemFiles.names(folder)),
    createFolder: (folder) => call('mkdir', () => systemFiles.createFolder(folder)),
    removeFolder: systemFiles.removeFolder,
    syncFolder: (folder) => call('fsync folder', () => systemFiles.syncFolder(folder)),
  };
}

describe('a share that is gone', () => {
  /** Every call fails until `minutes` are over. */
  const gone = (minutes: number) => {
    const memory = new MemoryStorage();
    const stumbling = new StumblingStorage(memory);
    const all = over(stumbling);
    stumbling.verdict = () => (all.clock.time < minutes * MINUTE ? { errno: 'EHOSTDOWN' } : undefined);
    return { memory, ...all };
  };

  it('for five minutes costs a wait: every kind of call succeeds, with two warnings in all', async () => {
    const { memory, storage, clock, warnings, patience } = gone(5);
    for (const name of ['config', 'a', 'b']) await memory.put(name, Buffer.from(name));
    const stream = storage.createPut('stream');
    const target = Buffer.alloc(1);
    const [put, , data, list] = await Promise.all([
      storage.put('new', Buffer.from('x')),
      storage.read('a', 0, target),
      storage.get('a'),
      storage.list('a'),
      storage.delete('b'),
      storage.settle('a'),
      storage.housekeep(),
      stream.then(async (open) => {
        await open.append([Buffer.from('st')]);
        await open.append([Buffer.from('ream')]);
        expect(await open.commit()).toBe(true);
      }),
    ]);
    expect([put, String(data), String(target), list.map(({ name }) => name)]).toEqual([true, 'a', 'a', ['a']]);
    expect([...memory.objects.keys()].sort()).toEqual(['a', 'config', 'new', 'stream']);
    expect(String(memory.objects.get('stream'))).toBe('stream');
    expect(warnings).toEqual([
      'The storage /share does not answer (EHOSTDOWN); waiting, up to 10 minutes.',
      expect.stringMatching(/^The storage \/share answers again after \d+ (minutes|seconds)\.$/),
    ]);
    expect(patience.retries).toBeGreaterThan(20);
    expect(patience.summary()).toMatch(
      /^\d+ calls of the storage \/share failed and were repeated \(EHOSTDOWN \d+ times; \d+ minutes of waiting\)\.$/,
    );
    expect(clock.time).toBeGreaterThanOrEqual(5 * MINUTE);
  });

  it('in the middle of a stream loses nothing of it', async () => {
    const { memory, storage, clock } = gone(0);
    const data = randomBytes(5_000_001);
    const stream = await storage.createPut('packs/aa/x');
    const stumbling = new StumblingStorage(memory);
    await stream.append([data.subarray(0, 3_000_000)]);
    await stream.append([data.subarray(3_000_000)]);
    expect(await stream.commit()).toBe(true);
    expect(memory.objects.get('packs/aa/x')!.equals(data)).toBe(true);
    expect([stumbling.calls, clock.time]).toEqual([0, 0]);
    for (const operation of ['append', 'commit', 'createPut']) {
      const inner = new StumblingStorage(memory);
      const later = over(inner);
      let until = 0;
      inner.verdict = (at) => {
        if (at === operation && until === 0) until = later.clock.time + 5 * MINUTE;
        return later.clock.time < until ? { errno: 'ESTALE' } : undefined;
      };
      const again = await later.storage.createPut(`packs/aa/${operation}`);
      for (let at = 0; at < data.length; at += 777_777) await again.append([data.subarray(at, at + 777_777)]);
      expect(await again.commit()).toBe(true);
      expect(memory.objects.get(`packs/aa/${operation}`)!.equals(data), operation).toBe(true);
      expect(later.clock.time).toBeGreaterThanOrEqual(5 * MINUTE);
    }
  });

  it('for longer than ten minutes is an error that speaks of the storage, not of the object', async () => {
    const { storage, clock } = gone(60);
    const error = await storage.get('a').catch((caught) => caught);
    expect(error).toMatchObject({ code: 'IO_ERROR', data: { errno: 'EHOSTDOWN', outage: true } });
    expect(error.message).toMatch(/^The storage \/share has not answered for 10 minutes: /);
    expect(isOutage(error)).toBe(true);
    expect(clock.time).toBeLessThan(11 * MINUTE);
    // Who cleans up after that does not wait as long again, and what comes after the share is back waits as ever.
    const before = clock.time;
    await expect(storage.delete('a')).rejects.toMatchObject({ data: { outage: true } });
    expect(clock.time).toBe(before);
    clock.time = 61 * MINUTE;
    await storage.delete('a');
  });

  it('is not waited for any longer when the operation is cancelled', async () => {
    const controller = new AbortController();
    const inner = new StumblingStorage(new MemoryStorage(), () => {
      if (inner.calls === 20) controller.abort();
      return { errno: 'ETIMEDOUT' };
    });
    const { storage, clock } = over(inner, { signal: controller.signal });
    await expect(storage.get('a')).rejects.toMatchObject({ code: 'CANCELLED' });
    // Cleaning up asks once.
    const before = inner.calls;
    const time = clock.time;
    await expect(storage.delete('a')).rejects.toMatchObject({ code: 'IO_ERROR' });
    expect(clock.time).toBe(time);
    expect(inner.calls - before).toBe(1);
  });

  it('nothing is repeated where the limit is 0', async () => {
    const inner = new StumblingStorage(new MemoryStorage(), () => ({ errno: 'ESTALE' }));
    const { storage } = over(inner, { limitMs: 0 });
    await expect(storage.get('a')).rejects.toMatchObject({ data: { errno: 'ESTALE' } });
    expect(inner.calls).toBe(1);
  });
});

describe('one object that cannot be read while the storage answers', () => {
  const bad = async () => {
    const memory = new MemoryStorage();
    await memory.put('config', Buffer.from('c'));
    for (let i = 0; i < 40; i++) await memory.put(`o${i}`, Buffer.from('x'));
    const inner = new StumblingStorage(memory, (_, name) => (name.startsWith('o') ? { errno: 'EIO' } : undefined));
    return { inner, ...over(inner) };
  };

  it('is reported within seconds, as its own error', async () => {
    const { storage, clock, warnings } = await bad();
    const error = await storage.get('o1').catch((caught) => caught);
    expect(error).toMatchObject({ code: 'IO_ERROR', data: { errno: 'EIO' } });
    expect(isOutage(error)).toBe(false);
    expect(clock.time).toBeLessThan(4000);
    expect(warnings).toEqual([]);
  });

  it('is asked for once more only when it is known, or when many are like that', async () => {
    const { inner, storage, clock } = await bad();
    await storage.get('o1').catch(() => undefined);
    const [calls, time] = [inner.calls, clock.time];
    await storage.get('o1').catch(() => undefined);
    // Twice itself, and twice whether the storage answers.
    expect(inner.calls - calls).toBe(4);
    expect(clock.time - time).toBeLessThan(50);
    for (let i = 0; i < 40; i++) await storage.read(`o${i}`, 0, Buffer.alloc(1)).catch(() => undefined);
    expect(clock.time).toBeLessThan(30_000);
  });

  it('counts from when the storage answers again', async () => {
    const { inner, storage, clock } = await bad();
    const own = inner.verdict;
    inner.verdict = (operation, name) => (clock.time < 5 * MINUTE ? { errno: 'EIO' } : own(operation, name));
    await expect(storage.get('o1')).rejects.toMatchObject({ data: { errno: 'EIO' } });
    expect(clock.time).toBeGreaterThan(5 * MINUTE);
    expect(clock.time).toBeLessThan(6 * MINUTE);
  });
});

describe('what is an answer', () => {
  it.each([
    'ENOENT',
    'EACCES',
    'EPERM',
    'EROFS',
    'ENOSPC',
    'EDQUOT',
    'ENAMETOOLONG',
    'EINVAL',
    'EEXIST',
    'ENOTDIR',
    'EISDIR',
    'EFBIG',
  ])('%s is not asked for again', async (errno) => {
    const inner = new StumblingStorage(new MemoryStorage(), () => ({ errno }));
    const { storage, patience } = over(inner);
    await expect(storage.get('a')).rejects.toMatchObject({ data: { errno } });
    expect([inner.calls, patience.retries]).toEqual([1, 0]);
  });

  it.each([
    'EINTR',
    'ESTALE',
    'EBUSY',
    'EXDEV',
    'EIO',
    'ETIMEDOUT',
    'EHOSTDOWN',
    'ENOTCONN',
    'ECONNRESET',
    'EAGAIN',
    'EPIPE',
  ])('%s is', async (errno) => {
    const memory = new MemoryStorage();
    await memory.put('a', Buffer.from('x'));
    const failures = [{ errno }, { errno }];
    const { storage } = over(new StumblingStorage(memory, () => failures.pop()));
    expect(String(await storage.get('a'))).toBe('x');
  });

  it('what Windows has no name for passes there, and nowhere else', () => {
    expect(stumbleOf(stumble('UNKNOWN'), 'win32')).toMatchObject({ connection: true });
    expect(stumbleOf(stumble('UNKNOWN'), 'linux')).toBe(null);
  });
});

describe('a put whose answer was lost', () => {
  const lost = (memory: MemoryStorage) => {
    const failures = [{ errno: 'ETIMEDOUT', after: true }];
    return over(
      new StumblingStorage(memory, (operation) =>
        operation === 'put' || operation === 'commit' ? failures.pop() : undefined,
      ),
    );
  };
  const commit = async (storage: Storage, name: string, data: Buffer): Promise<boolean> => {
    const stream = await storage.createPut(name);
    await stream.append([data]);
    return stream.commit();
  };

  it.each(['put', 'stream'])('knows its own object (%s)', async (how) => {
    const memory = new MemoryStorage();
    const data = randomBytes(2_000_000);
    const { storage } = lost(memory);
    expect(await (how === 'put' ? storage.put('a', data) : commit(storage, 'a', data))).toBe(true);
  });

  it.each(['put', 'stream'])('does not take another’s for its own (%s)', async (how) => {
    for (const other of [Buffer.from('ours but longer'), Buffer.from('our'), Buffer.from('ourS')]) {
      const memory = new MemoryStorage();
      await memory.put('a', other);
      const { storage } = lost(memory);
      const data = Buffer.from('ours');
      expect(await (how === 'put' ? storage.put('a', data) : commit(storage, 'a', data))).toBe(false);
      expect(memory.objects.get('a')!.equals(other)).toBe(true);
    }
  });

  it('equal bytes of another count as taken when nothing of ours failed', async () => {
    const memory = new MemoryStorage();
    await memory.put('a', Buffer.from('ours'));
    expect(await over(memory).storage.put('a', Buffer.from('ours'))).toBe(false);
  });

  it('does not bring back what somebody removed meanwhile, and says that it does not know', async () => {
    const memory = new MemoryStorage();
    let puts = 0;
    const inner = new StumblingStorage(memory, (operation) => {
      if (operation === 'put') return puts++ === 0 ? { errno: 'ETIMEDOUT', after: true } : undefined;
      // Just before the look at what is there.
      if (operation === 'get') memory.objects.delete('a');
      return undefined;
    });
    const { storage } = over(inner, { probe: async () => undefined });
    await expect(storage.put('a', Buffer.from('x'))).rejects.toMatchObject({
      code: 'IO_ERROR',
      message: expect.stringContaining('gone again'),
    });
    expect(memory.objects.has('a')).toBe(false);
  });
});

/** An open file as a plain object, for one of its methods to be replaced. */
const plain = (filePath: string, file: RandomAccessFile): RandomAccessFile => ({
  path: filePath,
  size: () => file.size(),
  readFully: (offset, target) => file.readFully(offset, target),
  readUpTo: (offset, target) => file.readUpTo(offset, target),
  writeFully: (offset, data) => file.writeFully(offset, data),
  truncate: (size) => file.truncate(size),
  sync: () => file.sync(),
  close: () => file.close(),
});

describe('in a folder', () => {
  it('an object whose flush failed is written anew, to a new file; no file is flushed twice', async () => {
    const folder = await scratch();
    const flushed = new Map<string, number>();
    let failures = 2;
    const files: Files = {
      ...systemFiles,
      gather: undefined,
      open: async (filePath, mode) => {
        const file = await systemFiles.open(filePath, mode);
        const sync = async (): Promise<void> => {
          flushed.set(filePath, (flushed.get(filePath) ?? 0) + 1);
          if (failures-- > 0) throw stumble('EIO', 'fsync');
          await file.sync();
        };
        return { ...plain(filePath, file), sync };
      },
    };
    for (const how of ['put', 'stream']) {
      failures = 2;
      flushed.clear();
      const { patience } = patient();
      const storage = new RetryingStorage(new FolderStorage(folder, retryingFiles(files, patience)), patience);
      opened.push(storage);
      const data = randomBytes(3_000_000);
      if (how === 'put') expect(await storage.put(how, data)).toBe(true);
      else {
        const stream = await storage.createPut(how);
        await stream.append([data]);
        expect(await stream.commit()).toBe(true);
      }
      expect([...flushed.values()]).toEqual([1, 1, 1]);
      expect((await storage.get(how)).equals(data)).toBe(true);
    }
  });

  it('a file whose handle went stale is opened again', async () => {
    const folder = await scratch();
    let stale = false;
    let opens = 0;
    const files: Files = {
      ...systemFiles,
      open: async (filePath, mode) => {
        const file = await systemFiles.open(filePath, mode);
        opens += 1;
        const isOld = !stale;
        const readUpTo = async (offset: number, target: Uint8Array): Promise<number> => {
          if (stale && isOld) throw stumble('ESTALE');
          return file.readUpTo(offset, target);
        };
        return { ...plain(filePath, file), readUpTo };
      },
    };
    const { patience, clock } = patient();
    const storage = new RetryingStorage(new FolderStorage(folder, retryingFiles(files, patience)), patience);
    opened.push(storage);
    await storage.put('a', Buffer.from('x'));
    expect(String(await storage.get('a'))).toBe('x');
    stale = true;
    expect(String(await storage.get('a'))).toBe('x');
    expect(clock.time).toBeLessThan(1000);
    expect(opens).toBe(3);
  });

  it('a stat that fails is no missing object', async () => {
    const folder = await scratch();
    await new FolderStorage(folder).put('a/b', Buffer.from('x'));
    const files: Files = { ...systemFiles, stat: async () => Promise.reject(stumble('ESTALE', 'stat')) };
    await expect(new FolderStorage(folder, files).list('a/', { sizes: true })).rejects.toMatchObject({
      data: { errno: 'ESTALE' },
    });
    expect(await systemFiles.stat(join(folder, 'none'))).toBe(undefined);
  });
});
