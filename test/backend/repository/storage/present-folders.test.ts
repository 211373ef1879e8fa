/**
 * A folder that was there and cannot be found is an error, never an empty listing; one that never was lists nothing
 * (docs/format.md §1).
 */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Files, systemFiles } from '../../../../backend/src/repository/storage/folder/files.ts';
import { FolderStorage } from '../../../../backend/src/repository/storage/folder/folder.ts';
import { scratchForEach } from '../../support/scratch.ts';

const CONFIG = 'hvbackup-repository.json';
const GONE = { code: 'IO_ERROR', data: { object: 'listing', errno: 'ENOENT' } };

describe('folders that are missing', () => {
  const scratch = scratchForEach('present-folders');
  let folder: string;
  /** Folders that the file system does not find for the moment. */
  let hidden: Set<string>;
  let storage: FolderStorage;
  const at = (name: string) => join(folder, name);

  beforeEach(async () => {
    folder = join(await scratch(), 'repository');
    hidden = new Set();
    storage = open();
  });

  /** With a file system in which what is hidden, and what lies in it, is not there. */
  function open(): FolderStorage {
    const isHidden = (path: string) => [...hidden].some((name) => path === at(name) || path.startsWith(`${at(name)}/`));
    const files: Files = {
      ...systemFiles,
      entries: async (path) =>
        isHidden(path)
          ? []
          : (await systemFiles.entries(path)).filter(({ name }) => !isHidden(join(path, name)) || shown.has(name)),
      names: async (path) => (isHidden(path) ? [] : systemFiles.names(path)),
      exists: async (path) => !isHidden(path) && (await systemFiles.exists(path)),
    };
    return new FolderStorage(folder, files);
  }
  /** Hidden, and yet in the listing of the folder above. */
  const shown = new Set<string>();

  async function filled(): Promise<void> {
    for (const name of [CONFIG, 'manifests/a/1', 'manifests/b/1', 'packs/ab/abcd', 'sessions/s/1', 'jobs/v/j/1-x'])
      await storage.put(name, Buffer.from('x'));
  }
  const names = async (prefix: string) => (await storage.list(prefix)).map(({ name }) => name);

  it('list nothing when they never were: a new repository, and folders that nothing was put into', async () => {
    expect(await names('')).toEqual([]);
    expect(await names('manifests/')).toEqual([]);
    await filled();
    for (const prefix of ['removed/', 'holds/', 'ledger/', 'manifests/c/', 'deep/er/']) {
      expect(await names(prefix)).toEqual([]);
      expect(await storage.entries(prefix)).toEqual([]);
    }
  });

  it('are an error once they were seen, however they are asked for; not when they are there again', async () => {
    await filled();
    expect(await names('manifests/')).toHaveLength(2);
    renameSync(at('manifests'), at('elsewhere'));
    const refusal = { ...GONE, data: { ...GONE.data, folder: 'manifests/', path: at('manifests') } };
    await expect(storage.list('manifests/')).rejects.toMatchObject(refusal);
    await expect(storage.entries('manifests/')).rejects.toMatchObject(refusal);
    await expect(storage.folders('manifests/')).rejects.toMatchObject(refusal);
    renameSync(at('elsewhere'), at('manifests'));
    expect(await names('manifests/')).toEqual(['manifests/a/1', 'manifests/b/1']);
  });

  it('that were never asked for, and are not there: a process that comes later cannot know', async () => {
    await filled();
    rmSync(at('manifests'), { recursive: true });
    // The doubts of the repository are for this: its ledger knows what was published.
    expect(await names('manifests/')).toEqual([]);
  });

  it('are an error where the folder above shows them, also below the top', async () => {
    await filled();
    shown.add('manifests').add('b');
    hidden.add('manifests');
    await expect(storage.list('manifests/')).rejects.toMatchObject(GONE);
    hidden.clear();
    hidden.add('manifests/b');
    await expect(storage.list('manifests/b/')).rejects.toMatchObject({ ...GONE, data: { folder: 'manifests/b/' } });
    // And so for who lists all of it: nothing is left out in silence.
    await expect(storage.list('manifests/')).rejects.toMatchObject({ ...GONE, data: { folder: 'manifests/b/' } });
    shown.clear();
    hidden.clear();
  });

  it('an empty folder that is there is no error, seen before or not', async () => {
    await filled();
    expect(await names('packs/')).toEqual(['packs/ab/abcd']);
    await storage.delete('packs/ab/abcd');
    rmSync(at('packs/ab'), { recursive: true });
    expect(await names('packs/')).toEqual([]);
    rmSync(at('packs'), { recursive: true });
    await expect(storage.list('packs/')).rejects.toMatchObject(GONE);
  });

  it('sessions and jobs come and go, as do the folders in them', async () => {
    await filled();
    for (const prefix of ['sessions/', 'jobs/']) expect(await names(prefix)).toHaveLength(1);
    rmSync(at('sessions/s'), { recursive: true });
    rmSync(at('jobs'), { recursive: true });
    expect(await names('sessions/s/')).toEqual([]);
    expect(await names('jobs/v/j/')).toEqual([]);
  });

  it('where the configuration was read and is not there any more, every missing folder is an error, and the repository too', async () => {
    await filled();
    await storage.get(CONFIG);
    expect(await names('removed/')).toEqual([]);
    renameSync(folder, `${folder}-unmounted`);
    mkdirSync(folder);
    // An empty mount point: as if the repository were new.
    for (const prefix of ['removed/', 'manifests/', 'packs/', 'ledger/'])
      await expect(storage.list(prefix)).rejects.toMatchObject(GONE);
    rmSync(folder, { recursive: true });
    await expect(storage.list('')).rejects.toMatchObject({ ...GONE, data: { folder: '', path: folder } });
    await expect(storage.list('removed/')).rejects.toMatchObject(GONE);
    renameSync(`${folder}-unmounted`, folder);
    expect(await names('removed/')).toEqual([]);
    expect(await names('packs/')).toEqual(['packs/ab/abcd']);
  });

  it('a file in the place of a folder that was seen is no empty folder', async () => {
    await filled();
    expect(await names('packs/')).toHaveLength(1);
    rmSync(at('packs'), { recursive: true });
    writeFileSync(at('packs'), 'a file');
    expect(existsSync(at('packs'))).toBe(true);
    await expect(storage.list('packs/')).rejects.toMatchObject({ code: 'IO_ERROR' });
  });

  it('a moment in which a folder is not found, and is again at the second look, is no error', async () => {
    await filled();
    expect(await names('manifests/')).toHaveLength(2);
    let misses = 1;
    const files: Files = {
      ...systemFiles,
      entries: async (path) => (path === at('manifests') && misses-- > 0 ? [] : systemFiles.entries(path)),
    };
    storage = new FolderStorage(folder, files);
    expect(await names('manifests/')).toHaveLength(2);
  });
});
