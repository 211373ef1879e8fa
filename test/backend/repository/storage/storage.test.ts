import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Files, presentIn, systemFiles } from '../../../../backend/src/repository/storage/folder/files.ts';
import { FolderStorage } from '../../../../backend/src/repository/storage/folder/folder.ts';
import { placeFile } from '../../../../backend/src/repository/storage/folder/place-file.ts';
import { seeded } from '../../../fuzz/random.ts';
import { errno, ModelDisk } from '../../../torture/model-disk.ts';
import { ModelFiles } from '../../../torture/model-files.ts';
import { storageConformance } from '../support/conformance.ts';
import { folderDurability } from '../support/durability.ts';
import { FaultStorage, MemoryStorage } from '../support/memory-storage.ts';

const scratch = mkdtempSync(join(tmpdir(), 'hvb-storage-'));
const opened: FolderStorage[] = [];
afterAll(async () => {
  for (const storage of opened) await storage.close();
  rmSync(scratch, { recursive: true, force: true });
});
function openFolder(folder: string): FolderStorage {
  const storage = new FolderStorage(folder);
  opened.push(storage);
  return storage;
}
let counter = 0;
const freshFolder = (): string => join(scratch, `r${counter++}`);

describe('folder storage', () => {
  storageConformance(async () => {
    const folder = freshFolder();
    return { one: openFolder(folder), other: openFolder(folder) };
  });

  it('does not count what cannot be an object by its name', async () => {
    const folder = freshFolder();
    const storage = openFolder(folder);
    for (const name of ['m/a/1', 'm/b/1', 'm/c/1']) await storage.put(name, Buffer.from('x'));
    for (const name of ['a/.nfs01', 'b/!', 'b/a b', 'b/desktop.ini', 'b/.hidden', '.d'])
      writeFileSync(join(folder, 'm', name), 'beside');
    await storage.delete('m/c/1');
    writeFileSync(join(folder, 'm', 'c', '.nfs02'), 'beside');
    expect([...(await storage.folders('m/'))].sort()).toEqual([
      ['m/a/', '1'],
      ['m/b/', '1'],
    ]);
    expect((await storage.list('m/')).map(({ name }) => name)).toEqual(['m/a/1', 'm/b/1']);
  });

  it('leaves no folder of a session or a job that is over, and removes those that were left', async () => {
    const folder = freshFolder();
    const storage = openFolder(folder);
    const names = ['sessions/a/1', 'sessions/a/2', 'sessions/b/1', 'jobs/vm/job/1-started', 'packs/ab/abcd'];
    for (const name of names) await storage.put(name, Buffer.from('x'));
    for (const name of names.filter((one) => one !== 'sessions/b/1')) await storage.delete(name);
    expect(readdirSync(folder, { recursive: true }).sort()).toEqual(
      ['jobs', 'jobs/vm', 'packs', 'packs/ab', 'sessions', 'sessions/b', 'sessions/b/1', 'tmp'].map((n) => join(n)),
    );
    for (const left of ['sessions/old', 'jobs/vm/old', 'jobs/gone/old', 'sessions/b/inside', 'packs/cd'])
      mkdirSync(join(folder, left), { recursive: true });
    await storage.housekeep();
    expect(readdirSync(join(folder, 'sessions'))).toEqual(['b']);
    expect(readdirSync(join(folder, 'jobs'), { recursive: true }).sort()).toEqual(['gone', 'vm']);
    expect(readdirSync(join(folder, 'packs')).sort()).toEqual(['ab', 'cd']);
    // Noted or not, the folder is made again.
    await storage.put('jobs/vm/job/1-started', Buffer.from('y'));
    expect(String(await openFolder(folder).get('jobs/vm/job/1-started'))).toBe('y');
  });

  it('leaves no temporary file, and removes those of dead writers', async () => {
    const folder = freshFolder();
    const storage = openFolder(folder);
    await storage.put('a', Buffer.from('x'));
    await storage.put('a', Buffer.from('x'));
    expect(readdirSync(join(folder, 'tmp'))).toEqual([]);
    const alive = await storage.createPut('b');
    await alive.append([Buffer.alloc(10)]);
    const [mine] = readdirSync(join(folder, 'tmp'));
    // Same machine, a process number beyond any system's limit.
    writeFileSync(join(folder, 'tmp', mine!.replace(/-\d+-/, '-1999999999-')), 'left behind');
    writeFileSync(join(folder, 'tmp', 'foreign-young'), 'keep');
    writeFileSync(join(folder, 'tmp', 'foreign-old'), 'drop');
    utimesSync(join(folder, 'tmp', 'foreign-old'), 1, 1);
    expect(await storage.housekeep()).toBe(15);
    expect(readdirSync(join(folder, 'tmp')).sort()).toEqual([mine, 'foreign-young'].sort());
    await alive.abort();
  });
});

describe('folder storage on a disk that forgets, with short reads and writes', () => {
  storageConformance(async () => {
    const disk = new ModelDisk();
    const open = () => new FolderStorage('/repository', new ModelFiles(disk, seeded(counter++)));
    return { one: open(), other: open() };
  });
  describe('with hard links', () => folderDurability(true));
  describe('without hard links', () => folderDurability(false));
});

describe('memory storage', () => {
  storageConformance(async () => {
    const objects = new Map<string, Buffer>();
    return { one: new MemoryStorage(objects), other: new FaultStorage(new MemoryStorage(objects)) };
  });
});

describe('listing a folder that is being removed', () => {
  const errors = (codes: string[]) => async () => {
    const code = codes.shift();
    if (code !== undefined) throw errno(code, 'scandir', 'f');
    return ['name'];
  };

  it('waits on Windows until it is gone, or may be read', async () => {
    expect(await presentIn('f', errors(['EPERM', 'EACCES', 'ENOENT']), 'win32')).toEqual([]);
    expect(await presentIn('f', errors(['EBUSY']), 'win32')).toEqual(['name']);
  });

  it('does not wait for ever, and elsewhere not at all', async () => {
    const denied = { code: 'ACCESS_DENIED' };
    await expect(presentIn('f', errors(Array(10).fill('EPERM')), 'win32')).rejects.toMatchObject(denied);
    await expect(presentIn('f', errors(['EACCES']), 'linux')).rejects.toMatchObject(denied);
    await expect(presentIn('f', errors(['EIO']), 'win32')).rejects.toMatchObject({ code: 'IO_ERROR' });
  });
});

describe('naming a file without hard links', () => {
  const link = () => Promise.reject(Object.assign(new Error('not supported'), { code: 'ENOTSUP' }));
  const noLinks: Files = { ...systemFiles, link };

  it('lets one of many win and leaves no reservation', async () => {
    const folder = mkdtempSync(join(scratch, 'nolink'));
    const results = await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        writeFileSync(join(folder, `t${i}`), String(i));
        return placeFile(join(folder, `t${i}`), join(folder, 'final'), folder, noLinks);
      }),
    );
    expect(results.filter(Boolean)).toHaveLength(1);
    expect(readdirSync(folder).filter((n) => n.startsWith('name-'))).toEqual([]);
  });
});
