/** Opens and creates repositories by their location: storage and catalog are chosen and put together here. */
import { join } from 'node:path';
import { PlaceMemory } from '../catalog/place-memory.ts';
import { PointMemory } from '../catalog/point-memory.ts';
import { SqliteCatalog } from '../catalog/sqlite-catalog.ts';
import { initRepository, openStoredRepository } from '../repository/open.ts';
import type { ManifestEnvelope } from '../repository/port/points.ts';
import type { Repository } from '../repository/port/repository.ts';
import type { StoredRepository } from '../repository/repository.ts';
import { throttledStorage } from '../repository/storage/throttled.ts';
import { ManifestBody } from '../schema/manifest.ts';
import { isHvError } from '../support/errors.ts';
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
 * @param location a path, or what repository/storage/open.ts knows beside it
 * @throws REPOSITORY_NOT_FOUND, REPOSITORY_VERSION, NOT_SUPPORTED, REPOSITORY_DAMAGED, ACCESS_DENIED,
 *   PASSPHRASE_REQUIRED, WRONG_PASSPHRASE, REPOSITORY_NOT_ENCRYPTED, USAGE for a location of no known kind
 */
export async function openRepository(location: string, options: OpenRepositoryOptions = {}): Promise<Repository> {
  const { place, storage, patience } = patientStorage(location, options);
  const { limiter, signal, passphrase, forContent } = options;
  let repository: StoredRepository;
  try {
    await patience.run('', () => place.requireThere());
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
  const memory = new PlaceMemory(ownFolder('seen', options.stateDirectory), storage.location);
  const known = memory.repositoryId;
  if (known === null) memory.note(repository.id);
  else if (known !== repository.id)
    repository.notePlace(anotherOne(repository, known), () => memory.note(repository.id));
  return repository;
}

const anotherOne = ({ id, location, createdAt }: Repository, known: string): string =>
  `this machine knows another repository at ${location} (${known}): the one that lies there now (${id}) was created ${createdAt}`;

/**
 * Creates a repository in a place that is empty, and opens it.
 * @param options.passphrase makes it an encrypted one
 * @param options.blockSize bytes, a power of two from 64 KiB to 4 MiB
 * @throws REPOSITORY_EXISTS, FILE_EXISTS when other things lie there, USAGE, ACCESS_DENIED
 */
export async function createRepository(
  location: string,
  options: OpenRepositoryOptions & { blockSize?: number } = {},
): Promise<Repository> {
  const { place, storage, patience } = patientStorage(location, options);
  await place.prepare(patience);
  try {
    const { id } = await initRepository(storage, { blockSize: options.blockSize, passphrase: options.passphrase });
    new PlaceMemory(ownFolder('seen', options.stateDirectory), storage.location).note(id);
  } finally {
    await storage.close();
  }
  return openRepository(location, options);
}

/** What lies there contains names of VMs, also of encrypted repositories. @throws STATE_FOLDER_UNSAFE */
function ownFolder(name: StateFolder, state: string | undefined): string {
  try {
    return stateFolder(name, state);
  } catch (error) {
    if (isHvError(error, 'STATE_FOLDER_UNSAFE')) throw error;
    // A writer meets the same obstacle there, and knows what to do without.
    return join(state ?? stateLocation(), name);
  }
}

const vmNameOf = ({ body }: ManifestEnvelope): string | null => {
  const parsed = ManifestBody.shape.vm.shape.name.safeParse((body as { vm?: { name?: unknown } } | null)?.vm?.name);
  return parsed.success ? parsed.data : null;
};
