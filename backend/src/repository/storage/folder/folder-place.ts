/** The folder of a repository: local disk, mounted file system or UNC path. */
import { promises as fs } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { HvError, toHvError } from '../../../support/errors.ts';
import { createDirectoryDurably, PRIVATE_FOLDER, syncDirectory } from '../../../support/file.ts';
import { CONFIG_NAME } from '../../format/constants.ts';
import { spareOf } from '../../format/names.ts';
import type { StoragePlace } from '../place.ts';
import type { Patience } from '../retrying/patience.ts';
import { retryingFiles } from '../retrying/retrying-files.ts';
import type { Storage } from '../storage.ts';
import { systemFiles } from './files.ts';
import { FolderStorage, isVacant } from './folder.ts';

export class FolderPlace implements StoragePlace {
  readonly location: string;
  /** As it was given. */
  readonly #folder: string;

  /** @param folder absolute or relative path; need not exist */
  constructor(folder: string) {
    this.#folder = folder;
    this.location = resolve(folder);
  }

  /** One bad sector is no storage that does not answer: not even under the configuration itself. */
  probe(): Promise<void> {
    return readSomething(join(this.#folder, CONFIG_NAME)).catch(() =>
      readSomething(join(this.#folder, spareOf(CONFIG_NAME))),
    );
  }

  open(patience: Patience): Storage {
    return new FolderStorage(this.#folder, retryingFiles(systemFiles, patience));
  }

  async requireThere(): Promise<void> {
    const location = this.#folder;
    try {
      if ((await fs.stat(location)).isDirectory()) return;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== 'ENOENT' && code !== 'ENOTDIR') throw toHvError(error, location);
      await refuseDanglingLink(location);
      throw new HvError('REPOSITORY_NOT_FOUND', `There is no repository: ${location}`, {
        advice: 'Check the location, or create one with "hvbackup repository create".',
        data: { location },
      });
    }
    throw new HvError('NOT_A_DIRECTORY', `This is a file, not the folder of a repository: ${location}`, {
      advice: 'Give the folder.',
      data: { path: location },
    });
  }

  /** Makes the folder, which is missing or empty. */
  async prepare(patience: Patience): Promise<void> {
    const files = retryingFiles(systemFiles, patience);
    if (await files.exists(this.#folder)) await patience.run('', () => this.requireThere());
    const isRepository = await files.exists(join(this.location, CONFIG_NAME));
    if (!isRepository && !(await isVacant(this.location, files)))
      throw new HvError('FILE_EXISTS', `The folder is not empty: ${this.location}`, {
        advice: 'Choose an empty folder, or one that does not exist yet.',
        data: { path: this.location },
      });
    if (!isRepository) await patience.quick(() => createDirectoryDurably(this.location, PRIVATE_FOLDER));
    await settleFolder(this.location);
  }
}

/**
 * Who made the folder, or one that it lies in, may have died before its name was durable. As far up as that can be
 * done.
 */
async function settleFolder(folder: string): Promise<void> {
  for (let at = resolve(folder); at !== dirname(at); at = dirname(at)) {
    const done = await syncDirectory(dirname(at)).then(
      () => true,
      () => false,
    );
    if (!done) return;
  }
}

/** @throws REPOSITORY_NOT_FOUND with what the link leads to: neither a repository nor a place for one */
async function refuseDanglingLink(location: string): Promise<void> {
  const target = await fs.readlink(location).catch(() => null);
  if (target === null) return;
  throw new HvError('REPOSITORY_NOT_FOUND', `${location} is a link to ${target}, which is not there`, {
    advice: 'Connect or mount what it leads to, or correct the link.',
    data: { location, target },
  });
}

/** Opening asks the server of a share, whatever of the file is cached here. */
async function readSomething(filePath: string): Promise<void> {
  const file = await systemFiles.open(filePath, 'read');
  try {
    await file.readUpTo(0, Buffer.alloc(64));
  } finally {
    await file.close();
  }
}
