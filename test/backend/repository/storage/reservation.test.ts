/**
 * Put-if-absent where a file system has no hard links: nothing is replaced, however long a writer stalls and whatever
 * clocks say.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { type Files, systemFiles } from '../../../../backend/src/repository/storage/folder/files.ts';
import { FolderStorage } from '../../../../backend/src/repository/storage/folder/folder.ts';
import { placeFile } from '../../../../backend/src/repository/storage/folder/place-file.ts';
import { isHvError } from '../../../../backend/src/support/errors.ts';
import { writerName } from '../../../../backend/src/support/owner.ts';
import { below, seeded } from '../../../fuzz/random.ts';
import { errno, ModelDisk } from '../../../torture/model-disk.ts';
import { ModelFiles } from '../../../torture/model-files.ts';
import { scratchForEach } from '../../support/scratch.ts';

const scratch = scratchForEach('reservation');
const link = () => Promise.reject(errno('ENOTSUP', 'link', 'x'));
const noLinks: Files = { ...systemFiles, link };
/** Temporary files of other machines' writers, of a dead one of this machine, and of this process. */
const FIRST = '0123456789abcdef-1-1-1-00000001';
const SECOND = '0123456789abcdef-2-1-1-00000002';
const OWN = `${writerName()}-1-00000003`;
const DEAD = `${writerName().replace(/-\d+-/, '-1999999999-')}-1-00000004`;
const MINUTES = 60;

let folder: string;
let tmp: string;
let target: string;
let prefix: string;
beforeEach(async () => {
  folder = await scratch();
  tmp = join(folder, 'tmp');
  mkdirSync(tmp);
  target = join(folder, 'object');
  prefix = `name-${createHash('sha256').update('object').digest('hex')}`;
});

const content = (): string => readFileSync(target, 'utf8');
const left = (): string[] => readdirSync(tmp);
const busy = { code: 'IO_ERROR', data: { errno: 'EBUSY' } };

/** A put of an object that says the name of its temporary file. */
function place(temporary: string, files: Files = noLinks, options = {}): Promise<boolean> {
  writeFileSync(join(tmp, temporary), temporary);
  return placeFile(join(tmp, temporary), target, tmp, files, options);
}

/** A writer that stalls before or after its rename, or before it looks whether the name is free. */
function stalling(temporary: string, where: 'look' | 'rename' | 'release') {
  const go = Promise.withResolvers<void>();
  const stalled = Promise.withResolvers<void>();
  const stall = async (at: string) => {
    if (at !== where) return;
    stalled.resolve();
    await go.promise;
  };
  const files: Files = {
    ...noLinks,
    exists: async (file) => {
      if (file === target) await stall('look');
      return systemFiles.exists(file);
    },
    rename: async (from, to) => {
      await stall('rename');
      await systemFiles.rename(from, to);
      await stall('release');
    },
  };
  const done = place(temporary, files).catch((error) => error);
  return { stalled: stalled.promise, go: go.resolve, done };
}

function age(temporary: string, seconds: number): void {
  const then = Date.now() / 1000 - seconds;
  utimesSync(join(tmp, `${prefix}-${temporary}`), then, then);
}

describe('naming a file without hard links', () => {
  it.each([
    ['look', FIRST, SECOND],
    ['look', SECOND, FIRST],
    ['rename', FIRST, SECOND],
    ['rename', SECOND, FIRST],
    ['rename', OWN, SECOND],
  ] as const)(
    'a writer that stalls before its %s for eleven minutes replaces nothing when it wakes up',
    async (where, one, other) => {
      const first = stalling(one, where);
      await first.stalled;
      age(one, 11 * MINUTES);
      expect(await place(other)).toBe(true);
      first.go();
      const result = await first.done;
      if (where === 'look') expect(result).toBe(false);
      else expect(result).toMatchObject(busy);
      expect(content()).toBe(other);
      expect(left().filter((name) => name !== one)).toEqual([]);
    },
  );

  it('one that stalls after its rename has put the object', async () => {
    const first = stalling(FIRST, 'release');
    await first.stalled;
    age(FIRST, 11 * MINUTES);
    expect(await place(SECOND)).toBe(false);
    first.go();
    expect(await first.done).toBe(true);
    expect(content()).toBe(FIRST);
    expect(left()).toEqual([SECOND]);
  });

  it('what it renames just before its temporary file would be removed stays, and it begins again to learn that', async () => {
    const first = stalling(FIRST, 'rename');
    await first.stalled;
    age(FIRST, 11 * MINUTES);
    const files: Files = {
      ...noLinks,
      remove: async (file) => {
        await systemFiles.remove(file);
        // It wakes up when its reservation has been broken; removing its file took no effect, as that is not one step
        // there.
        if (!file.includes(`${prefix}-${FIRST}`)) return;
        writeFileSync(join(tmp, FIRST), FIRST);
        first.go();
        await first.done;
      },
    };
    expect(await place(SECOND, files)).toBe(false);
    expect(await first.done).toMatchObject(busy);
    expect(content()).toBe(FIRST);
  });

  it('a reservation is not old while the clock of the share says so, whatever that of this machine', async () => {
    // The share is a quarter of an hour behind.
    const behind: Files = {
      ...noLinks,
      stat: async (file) => {
        const stat = await systemFiles.stat(file);
        return stat && { ...stat, mtimeMs: stat.mtimeMs - 15 * MINUTES * 1000 };
      },
    };
    const first = stalling(FIRST, 'rename');
    await first.stalled;
    await expect(place(SECOND, behind)).rejects.toMatchObject(busy);
    first.go();
    expect(await first.done).toBe(true);
    expect(content()).toBe(FIRST);
    expect(left()).toEqual([SECOND]);
  }, 60_000);

  it('what a share does after it reported a failure replaces nothing', async () => {
    let late = async (): Promise<unknown> => undefined;
    const files: Files = {
      ...noLinks,
      rename: (from, to) => {
        late = () => systemFiles.rename(from, to);
        return Promise.reject(errno('EIO', 'rename', to));
      },
    };
    await expect(place(FIRST, files)).rejects.toMatchObject({ code: 'IO_ERROR' });
    expect(await place(SECOND)).toBe(true);
    await expect(late()).rejects.toMatchObject({ code: 'ENOENT' });
    expect(content()).toBe(SECOND);
    expect(left()).toEqual([]);
  });

  it('when its file cannot be removed either, its reservation stays until it is old', async () => {
    const fails = (operation: string) => () => Promise.reject(errno('EIO', operation, 'x'));
    const files: Files = { ...noLinks, rename: fails('rename'), remove: fails('unlink') };
    await expect(place(FIRST, files)).rejects.toMatchObject({ code: 'IO_ERROR' });
    expect(left().sort()).toEqual([FIRST, `${prefix}-${FIRST}`]);
    age(FIRST, 11 * MINUTES);
    expect(await place(SECOND)).toBe(true);
    expect(left()).toEqual([]);
  });

  it.each([
    ['of a dead writer of this machine', DEAD, true],
    ['whose temporary file is gone', FIRST, false],
  ])('a reservation %s is no obstacle', async (_, temporary, isThere) => {
    if (isThere) writeFileSync(join(tmp, temporary), 'x');
    writeFileSync(join(tmp, `${prefix}-${temporary}`), '');
    expect(await place(SECOND)).toBe(true);
    expect(left()).toEqual([]);
  });

  it('nor is an old one of earlier software, which names no file; a new one is', async () => {
    const file = join(tmp, prefix);
    writeFileSync(file, writerName());
    await expect(place(SECOND)).rejects.toMatchObject(busy);
    utimesSync(file, 0, Date.now() / 1000 - 11 * MINUTES);
    expect(await place(SECOND)).toBe(true);
    expect(left()).toEqual([]);
  }, 60_000);

  it('nothing is removed but a file in the folder of temporary files', async () => {
    writeFileSync(join(tmp, `${prefix}-..`), '');
    utimesSync(join(tmp, `${prefix}-..`), 0, 0);
    writeFileSync(join(folder, 'other'), '');
    expect(await place(SECOND)).toBe(true);
    expect(existsSync(join(folder, 'other'))).toBe(true);
  });

  it('a listing without the own reservation proves nothing', async () => {
    let empty = 2;
    const files: Files = { ...noLinks, names: async (at) => (empty-- > 0 ? [] : systemFiles.names(at)) };
    const first = stalling(FIRST, 'rename');
    await first.stalled;
    await expect(place(SECOND, files)).rejects.toMatchObject(busy);
    first.go();
    expect(await first.done).toBe(true);
  }, 60_000);

  it('a link that is refused on a file system that has links is an error: a rename could replace what another links', async () => {
    let refused = 0;
    const files: Files = {
      ...systemFiles,
      link: async (existing, created) => {
        if (created === target) {
          refused += 1;
          throw errno('EPERM', 'link', created);
        }
        await systemFiles.link(existing, created);
      },
    };
    await expect(place(FIRST, files)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    expect([refused, existsSync(target), left()]).toEqual([1, false, [FIRST]]);
  });
});

describe('housekeeping without hard links', () => {
  it('takes away the right to rename before the reservation, and goes by the clock of the share', async () => {
    const removed: string[] = [];
    const files: Files = {
      ...noLinks,
      remove: async (file) => {
        removed.push(file);
        await systemFiles.remove(file);
      },
    };
    const storage = new FolderStorage(folder, files);
    const reservation = join(tmp, `${prefix}-${FIRST}`);
    for (const file of [reservation, join(tmp, FIRST)]) writeFileSync(file, '');
    utimesSync(reservation, 0, Date.now() / 1000 - 4 * 24 * 60 * MINUTES);
    await storage.housekeep();
    expect(removed.filter((file) => file.includes(FIRST))).toEqual([join(tmp, FIRST), reservation]);
    expect(left()).toEqual([]);
  });

  it('leaves what is four days old by the clock of this machine, and new by that of the share', async () => {
    const storage = new FolderStorage(folder, noLinks);
    writeFileSync(join(tmp, FIRST), '');
    const later = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 4 * 24 * 3600_000);
    await storage.housekeep().finally(() => later.mockRestore());
    expect(left()).toEqual([FIRST]);
  });
});

describe('many writers that each take all others for dead', () => {
  /** Any operation may be held up for a while; a rename or removal may fail, or be done and reported as failed. */
  function model(seed: number, failing: boolean) {
    const random = seeded(seed);
    const files = new ModelFiles(new ModelDisk(), random, async (operation, path) => {
      for (let turns = below(random, 6); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
      if (operation === 'link') throw errno('ENOTSUP', 'link', path);
      if (!failing || !['rename', 'remove'].includes(operation) || random() > 0.2) return undefined;
      if (random() < 0.5) return { after: errno('EIO', operation, path) };
      throw errno('EIO', operation, path);
    });
    return { files };
  }

  async function round(seed: number, failing: boolean): Promise<boolean> {
    const { files } = model(seed, failing);
    await files.createFolder('/r/tmp');
    const results = await Promise.all(
      Array.from({ length: 6 }, async (_, i) => {
        const file = await files.open(`/r/tmp/t${i}`, 'create');
        await file.writeFully(0, Buffer.from([i]));
        await file.close();
        return placeFile(`/r/tmp/t${i}`, '/r/object', '/r/tmp', files, { staleMs: seed % 2 === 0 ? 0 : 1 }).catch(
          (error) => {
            if (!isHvError(error, 'IO_ERROR')) throw error;
            return null;
          },
        );
      }),
    );
    const winners = results.flatMap((result, i) => (result === true ? [i] : []));
    expect(winners.length, `round ${seed}: ${results}`).toBeLessThanOrEqual(1);
    if (!failing && results.includes(false)) expect(await files.exists('/r/object'), `round ${seed}`).toBe(true);
    if (winners.length === 0) return false;
    const object = await files.open('/r/object', 'read');
    const byte = Buffer.alloc(1);
    await object.readFully(0, byte);
    expect([...byte], `round ${seed}`).toEqual(winners);
    return true;
  }

  it.each([false, true])(
    'one at most is told that it put the object, and it is what is there (failures: %s)',
    async (failing) => {
      let won = 0;
      for (let seed = 1; seed <= 150; seed++) if (await round(seed, failing)) won += 1;
      expect(won).toBeGreaterThan(50);
    },
    120_000,
  );
});
