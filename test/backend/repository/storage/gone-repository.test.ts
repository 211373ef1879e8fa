/** A repository that goes while it is used: deleted, moved, or its share unmounted. Nothing is made in its place. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Files, systemFiles } from '../../../../backend/src/repository/storage/folder/files.ts';
import { FolderStorage } from '../../../../backend/src/repository/storage/folder/folder.ts';
import { Patience } from '../../../../backend/src/repository/storage/retrying/patience.ts';
import { RetryingStorage } from '../../../../backend/src/repository/storage/retrying/retrying.ts';
import type { Storage } from '../../../../backend/src/repository/storage/storage.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { closedAfterEach } from '../support/closing.ts';
import { QuickClock } from '../support/stumbling-storage.ts';

const CONFIG = 'hvbackup-repository.json';
const data = Buffer.from('data');
const GONE = { code: 'REPOSITORY_NOT_FOUND', data: { gone: true } };

describe('a repository that goes while it is used', () => {
  const scratch = scratchForEach('gone');
  const opened = closedAfterEach<Storage>();
  let location: string;
  let aside: string;
  beforeEach(async () => {
    location = join(await scratch(), 'repository');
    aside = `${location}-elsewhere`;
    const making = new FolderStorage(location);
    await making.put(CONFIG, data);
    await making.put(`spare/${CONFIG}`, data);
    await making.close();
  });

  /** As opening does, and with folders that are known. */
  async function used(files?: Files): Promise<FolderStorage> {
    const storage = new FolderStorage(location, files);
    opened.push(storage);
    await storage.get(CONFIG);
    await storage.put('packs/aa/first', data);
    await storage.put('sessions/s/00000000', data);
    return storage;
  }

  const ways: [string, () => Promise<unknown>][] = [
    ['deleted', () => rm(location, { recursive: true })],
    ['moved away', () => rename(location, aside)],
    ['unmounted: its place is empty', () => rename(location, aside).then(() => mkdir(location))],
    [
      'unmounted: beneath it lies what was once written there by mistake',
      async () => {
        await rename(location, aside);
        for (const folder of ['tmp', 'packs/aa', 'packs/bb', 'sessions/s'])
          await mkdir(join(location, folder), { recursive: true });
      },
    ],
    [
      'emptied',
      async () => {
        for (const name of await readdir(location)) await rm(join(location, name), { recursive: true });
      },
    ],
  ];
  const below = async (folder: string) =>
    existsSync(folder) ? (await readdir(folder, { recursive: true })).sort() : null;

  it.each(ways)('%s', async (_name, go) => {
    const storage = await used();
    const [begun, unwritten] = [await storage.createPut('packs/aa/begun'), await storage.createPut('packs/bb/begun')];
    await begun.append([data]);
    await go();
    const left = await below(location);
    for (const name of [
      'packs/aa/x',
      'packs/cc/x',
      'sessions/s/00000001',
      'jobs/vm/job/0',
      'manifests/g/p',
      'indexes/i',
    ]) {
      await expect(storage.put(name, data)).rejects.toMatchObject(GONE);
      await expect(
        storage.createPut(name).then((put) => put.commit().finally(() => put.abort())),
      ).rejects.toMatchObject(GONE);
    }
    for (const put of [begun, unwritten]) {
      await expect(put.commit()).rejects.toMatchObject(GONE);
      await put.abort();
    }
    await expect(storage.clock()).rejects.toMatchObject(GONE);
    const error = await storage.put('packs/aa/x', data).catch((caught) => caught);
    expect(error.message).toMatch(/deleted or moved, or its disk or share was unmounted: .*repository$/);
    expect(await below(location)).toEqual(left);
  });

  it('between the look and the making of a folder: what was made goes again', async () => {
    let armed = false;
    const storage = await used({
      ...systemFiles,
      createFolder: async (folder) => {
        if (armed) await rename(location, aside).then(() => mkdir(location));
        armed = false;
        await systemFiles.createFolder(folder);
      },
    });
    armed = true;
    await expect(storage.put('packs/cc/x', data)).rejects.toMatchObject(GONE);
    expect(await below(location)).toEqual([]);
    await expect(storage.put('packs/cc/x', data)).rejects.toMatchObject(GONE);
    expect(await below(location)).toEqual([]);
  });

  it('is there as long as either copy of its configuration is, and can be given back both', async () => {
    const storage = await used();
    await unlink(join(location, CONFIG));
    expect(await storage.put('packs/cc/x', data)).toBe(true);
    await unlink(join(location, 'spare', CONFIG));
    await expect(storage.put('packs/cc/y', data)).rejects.toMatchObject(GONE);
    expect(await storage.put(CONFIG, data)).toBe(true);
    expect(await storage.put('packs/cc/y', data)).toBe(true);
  });

  it('is no repository before its configuration was read: one can be made', async () => {
    await rm(location, { recursive: true });
    const storage = new FolderStorage(location);
    opened.push(storage);
    await expect(storage.get(CONFIG)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    expect(await storage.put('keys/k', data)).toBe(true);
  });

  async function patient() {
    // A local disk does not come back (docs/storage.md).
    const inner = await used({ ...systemFiles, gather: undefined });
    const clock = new QuickClock();
    const warnings: string[] = [];
    const warn = (sentence: string) => void warnings.push(sentence);
    const patience = new Patience({ location, probe: () => inner.get(CONFIG), clock, random: () => 0.5, warn });
    return { clock, warnings, storage: new RetryingStorage(inner, patience) };
  }

  it('is waited for: a share that is mounted anew costs a wait', async () => {
    const { clock, warnings, storage } = await patient();
    const begun = await storage.createPut('packs/aa/begun');
    await begun.append([data]);
    await rename(location, aside);
    await mkdir(location);
    const { sleep } = clock;
    let back = false;
    clock.sleep = async (ms, signal) => {
      await sleep(ms, signal);
      if (back || clock.time < 30_000) return;
      back = true;
      // At once, as a mount does: the other of the two may be trying again at this moment.
      await rename(location, `${aside}-empty`);
      await rename(aside, location);
    };
    expect(await Promise.all([storage.put('packs/cc/x', data), begun.commit()])).toEqual([true, true]);
    expect(String(await storage.get('packs/aa/begun'))).toBe('data');
    expect(clock.time).toBeGreaterThanOrEqual(30_000);
    expect(warnings[0]).toMatch(/^The repository .* cannot be found \(ENOENT\); waiting, up to 60 seconds\.$/);
  });

  it('is waited for by what lists as well', async () => {
    const { clock, storage } = await patient();
    await rename(location, aside);
    const { sleep } = clock;
    clock.sleep = async (ms, signal) => {
      await sleep(ms, signal);
      if (clock.time > 20_000 && existsSync(aside)) await rename(aside, location);
    };
    expect((await storage.list('packs/')).map(({ name }) => name)).toEqual(['packs/aa/first']);
    expect(clock.time).toBeGreaterThan(20_000);
    clock.sleep = sleep;
    await rename(location, aside);
    for (const folder of ['packs/', 'marks/', 'manifests/']) {
      const listing = { code: 'IO_ERROR', data: { object: 'listing', gone: true } };
      await expect(storage.list(folder)).rejects.toMatchObject(listing);
    }
    expect(clock.time).toBeLessThan(150_000);
  });

  it('for a minute, once: what comes after that does not wait again', async () => {
    const { clock, storage } = await patient();
    await rename(location, aside);
    await writeFile(location, 'a file');
    await expect(storage.put('packs/cc/x', data)).rejects.toMatchObject(GONE);
    expect(clock.time).toBeGreaterThanOrEqual(60_000);
    expect(clock.time).toBeLessThan(90_000);
    const before = clock.time;
    for (const name of ['packs/cc/y', 'jobs/vm/job/1', 'sessions/s/end'])
      await expect(storage.put(name, data)).rejects.toMatchObject(GONE);
    expect(clock.time).toBe(before);
  });
});
