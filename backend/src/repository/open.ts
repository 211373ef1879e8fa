/** Creates and opens repositories over any storage. */
import { HvError, isHvError } from '../support/errors.ts';
import { newGuid } from '../support/guid.ts';
import type { Catalog } from './catalog-port.ts';
import { RepositoryCore } from './core.ts';
import type { WorkerPool } from './engine/worker-pool.ts';
import { type Environment, systemEnvironment } from './environment.ts';
import { parseConfig, type RepositoryConfig, renderConfig, requireBlockSize } from './format/config.ts';
import { CONFIG_NAME, CREATED_VERSION, DEFAULT_BLOCK_SIZE, PAGE_SIZE } from './format/constants.ts';
import { StoredRepository } from './repository.ts';
import type { Storage } from './storage/storage.ts';

export interface OpenOptions {
  /** The catalog of the repository with this id. */
  catalog(repositoryId: string): Catalog;
  environment?: Environment;
  /** Codec threads; default: one a core, at most 8. */
  workers?: number;
}

const MAX_CONFIG_LENGTH = 64 * 1024;

export interface InitOptions {
  /** Bytes; default DEFAULT_BLOCK_SIZE. */
  blockSize?: number;
  environment?: Environment;
  /** Of the format; default CREATED_VERSION. */
  version?: 1 | 2;
}

/**
 * Makes an empty storage a repository. That nothing else lies there is the caller's to check.
 * @throws REPOSITORY_EXISTS, USAGE
 */
export async function initRepository(storage: Storage, options: InitOptions = {}): Promise<RepositoryConfig> {
  const version = options.version ?? CREATED_VERSION;
  const config: RepositoryConfig = {
    id: newGuid(),
    version,
    blockSize: requireBlockSize(options.blockSize ?? DEFAULT_BLOCK_SIZE),
    pageSize: version === 1 ? 0 : PAGE_SIZE,
    createdAt: new Date((options.environment ?? systemEnvironment).now()).toISOString(),
    minReaderVersion: version,
    minWriterVersion: version,
    encryption: null,
  };
  const bytes = renderConfig(config);
  parseConfig(bytes, storage.location);
  if (await storage.put(CONFIG_NAME, bytes)) return config;
  throw new HvError('REPOSITORY_EXISTS', `There is a repository already: ${storage.location}`, {
    advice: 'Use it as it is, or choose another folder.',
    data: { location: storage.location },
  });
}

/**
 * Opens the repository; the storage and the catalog are its own from now on and are closed with it.
 * @throws REPOSITORY_NOT_FOUND, REPOSITORY_VERSION, NOT_SUPPORTED, REPOSITORY_DAMAGED
 */
export async function openStoredRepository(storage: Storage, options: OpenOptions): Promise<StoredRepository> {
  const config = parseConfig(await readConfig(storage), storage.location);
  // Its keys are needed before anything else of it can be read.
  if (config.encryption !== null)
    throw new HvError('NOT_SUPPORTED', `The repository ${storage.location} is encrypted`, {
      advice: 'Use a newer version of HyperVBackup for this repository.',
    });
  await requireNoFeatures(storage);
  const environment = options.environment ?? systemEnvironment;
  const open = (pool?: WorkerPool): StoredRepository => {
    const core = new RepositoryCore(storage, config, options.catalog(config.id), environment, { ...options, pool });
    return new StoredRepository(core, () => open(core.pool), pool === undefined);
  };
  return open();
}

async function readConfig(storage: Storage): Promise<Buffer> {
  try {
    return await storage.get(CONFIG_NAME, MAX_CONFIG_LENGTH);
  } catch (error) {
    if (!isHvError(error, 'FILE_NOT_FOUND', 'NOT_A_DIRECTORY', 'NOT_A_FILE')) throw error;
    throw new HvError('REPOSITORY_NOT_FOUND', `There is no repository: ${storage.location}`, {
      advice: 'Check the location, or create one with "hvbackup repository create".',
      data: { location: storage.location },
      cause: error,
    });
  }
}

/** This version knows no additions to the format (docs/format.md §8). */
async function requireNoFeatures(storage: Storage): Promise<void> {
  const unknown = (await storage.list('features/')).map(({ name }) => name.slice('features/'.length));
  if (unknown.length === 0) return;
  throw new HvError('REPOSITORY_VERSION', `The repository ${storage.location} uses ${unknown.join(', ')}`, {
    advice: 'Use a newer version of HyperVBackup.',
    data: { features: unknown },
  });
}
