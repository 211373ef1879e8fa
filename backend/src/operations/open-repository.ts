/** Opens and creates repositories by their location: storage and catalog are chosen and put together here. */
import { promises as fs } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { PlaceMemory } from '../catalog/place-memory.ts';
import { PointMemory } from '../catalog/point-memory.ts';
import { SqliteCatalog } from '../catalog/sqlite-catalog.ts';
import { CONFIG_NAME } from '../repository/format/constants.ts';
import { initRepository, openStoredRepository } from '../repository/open.ts';
import type { ManifestEnvelope } from '../repository/port/points.ts';
import type { Repository } from '../repository/port/repository.ts';
import type { StoredRepository } from '../repository/repository.ts';
import { isVacant } from '../repository/storage/folder/folder.ts';
import { throttledStorage } from '../repository/storage/throttled.ts';
import { ManifestBody } from '../schema/manifest.ts';
import { HvError, isHvError, toHvError } from '../support/errors.ts';
import { createDirectoryDurably, PRIVATE_FOLDER, syncDirectory } from '../support/file.ts';
import type { OperationContext } from '../support/progress.ts';
import type { RateLimiter } from '../support/rate-limiter.ts';
import { type StateFolder, stateFolder, stateLocation } from '../support/state-directory.ts';
import { patientStorage } from './patient-storage.ts';

export interface OpenRepositoryOptions {
  /** Where the catalog lies; default: this machine's state directory. */
  stateDirectory?: string;
  /** Of an encrypted repository; refused for another. */
  passphrase?: string;
  /** Keeps what is read from it within a rate. */
  limiter?: RateLimiter;
  /** Ends waiting for the rate, and for a storage that does not answer. */
  signal?: AbortSignal;
  /** Hears of a storage that does not answer. */
  warn?: (message: string) => void;
  /** Gets what its storage made repeat, when it is closed. */
  repeated?: OperationContext['repeated'];
  /** Says that much of its content will be read or written at once. */
  forContent?: boolean;
}

/**
 * @param location folder: local path or UNC path
 * @throws REPOSITORY_NOT_FOUND, REPOSITORY_VERSION, NOT_SUPPORTED, REPOSITORY_DAMAGED, ACCESS_DENIED,
 *   PASSPHRASE_REQUIRED, WRONG_PASSPHRASE, REPOSITORY_NOT_ENCRYPTED
 */
export async function openRepository(location: string, options: OpenRepositoryOptions = {}): Promise<Repository> {
  const { storage, patience } = patientStorage(location, options);
  const { limiter, signal, passphrase, forContent } = options;
  let repository: StoredRepository;
  try {
    await patience.run('', () => requireFolder(location));
    repository = await openStoredRepository(limiter ? throttledStorage(storage, limiter, signal) : storage, {
      catalog: (id) => new SqliteCatalog(join(ownFolder('catalogs', options.stateDirectory), `${id}.sqlite`), id),
      memory: (id) => new PointMemory(join(ownFolder('seen', options.stateDirectory), `${id}.sqlite`), vmNameOf),
      passphrase,
      forContent,
    });
  } catch (error) {
    // A server that is asked again and again for what does not open would run out of files.
    await storage.close();
    throw error;
  }
  const place = new PlaceMemory(ownFolder('seen', options.stateDirectory), storage.location);
  const known = place.repositoryId;
  if (known === null) place.note(repository.id);
  else if (known !== repository.id)
    repository.notePlace(anotherOne(repository, known), () => place.note(repository.id));
  return repository;
}

const anotherOne = ({ id, location, createdAt }: Repository, known: string): string =>
  `this machine knows another repository at ${location} (${known}): the one that lies there now (${id}) was created ${createdAt}`;

/**
 * Creates a repository in a folder that is missing or empty, and opens it.
 * @param options.passphrase makes it an encrypted one
 * @param options.blockSize bytes, a power of two from 64 KiB to 4 MiB
 * @throws REPOSITORY_EXISTS, FILE_EXISTS when other things lie in the folder, USAGE, ACCESS_DENIED
 */
export async function createRepository(
  location: string,
  options: OpenRepositoryOptions & { blockSize?: number } = {},
): Promise<Repository> {
  const { storage, files, patience } = patientStorage(location, options);
  if (await files.exists(location)) await patience.run('', () => requireFolder(location));
  const isRepository = await files.exists(join(storage.location, CONFIG_NAME));
  if (!isRepository && !(await isVacant(storage.location, files)))
    throw new HvError('FILE_EXISTS', `The folder is not empty: ${storage.location}`, {
      advice: 'Choose an empty folder, or one that does not exist yet.',
      data: { path: storage.location },
    });
  if (!isRepository) await patience.quick(() => createDirectoryDurably(storage.location, PRIVATE_FOLDER));
  await settleFolder(storage.location);
  try {
    const { id } = await initRepository(storage, { blockSize: options.blockSize, passphrase: options.passphrase });
    new PlaceMemory(ownFolder('seen', options.stateDirectory), storage.location).note(id);
  } finally {
    await storage.close();
  }
  return openRepository(location, options);
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

/** What lies there tells names of VMs, also of encrypted repositories. @throws STATE_FOLDER_UNSAFE */
function ownFolder(name: StateFolder, state: string | undefined): string {
  try {
    return stateFolder(name, state);
  } catch (error) {
    if (isHvError(error, 'STATE_FOLDER_UNSAFE')) throw error;
    // Whoever writes there meets the same obstacle, and knows what to do without.
    return join(state ?? stateLocation(), name);
  }
}

const vmNameOf = ({ body }: ManifestEnvelope): string | null => {
  const parsed = ManifestBody.shape.vm.shape.name.safeParse((body as { vm?: { name?: unknown } } | null)?.vm?.name);
  return parsed.success ? parsed.data : null;
};

/** @throws REPOSITORY_NOT_FOUND with what the link leads to: neither a repository nor a place for one */
async function refuseDanglingLink(location: string): Promise<void> {
  const target = await fs.readlink(location).catch(() => null);
  if (target === null) return;
  throw new HvError('REPOSITORY_NOT_FOUND', `${location} is a link to ${target}, which is not there`, {
    advice: 'Connect or mount what it leads to, or correct the link.',
    data: { location, target },
  });
}

async function requireFolder(location: string): Promise<void> {
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
