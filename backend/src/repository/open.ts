/** Creates and opens repositories over any storage. */

import { hostname } from 'node:os';
import { HvError, isHvError } from '../support/errors.ts';
import { newGuid } from '../support/guid.ts';
import { RepositoryCore } from './core.ts';
import { keepSpares, MAX_CONFIG_LENGTH, readSpareConfig, spareUsed, UNUSABLE } from './documents/spares.ts';
import { defaultWorkers, prepareCodecWorkers } from './engine/spawn-worker.ts';
import type { WorkerPool } from './engine/worker-pool.ts';
import { type Environment, systemEnvironment } from './environment.ts';
import { damaged } from './errors.ts';
import {
  ENCRYPTION,
  isWritable,
  notWritable,
  parseConfig,
  type RepositoryConfig,
  renderConfig,
  requireBlockSize,
} from './format/config.ts';
import { CONFIG_NAME, CREATED_VERSION, DEFAULT_BLOCK_SIZE, PAGE_SIZE } from './format/constants.ts';
import { digestOf, type KdfCost } from './format/key-object.ts';
import { Folder, parseFeatureName } from './format/names.ts';
import { earlierKeys, KeyStore, newKeys, putFirstKey, quarantineKeys, unlock } from './keys/key-store.ts';
import { openedKeys, type Unlocked } from './keys/opened-keys.ts';
import type { Catalog } from './port/catalog.ts';
import type { Damage } from './port/damage.ts';
import type { Memory } from './port/memory.ts';
import { StoredRepository } from './repository.ts';
import { judgingStorage } from './storage/judging.ts';
import { objectsOnly } from './storage/objects-only.ts';
import { readOnlyStorage } from './storage/read-only.ts';
import type { Storage } from './storage/storage.ts';

export interface OpenOptions {
  /** The catalog of the repository with this id. */
  catalog(repositoryId: string): Catalog;
  environment?: Environment;
  /** Of an encrypted repository; must not be given for another. */
  passphrase?: string;
  /** What this machine remembers of the repository with this id; nothing is remembered when absent. */
  memory?(repositoryId: string): Memory;
  /** What deriving a key from a passphrase that is added costs; default DEFAULT_COST. */
  kdfCost?: KdfCost;
  /** Codec threads; default: one a core, at most 8. */
  workers?: number;
  /** Says that the threads will be needed at once: they start while the key is derived. */
  forContent?: boolean;
}

export interface InitOptions {
  /** Bytes; default DEFAULT_BLOCK_SIZE. */
  blockSize?: number;
  environment?: Environment;
  /** Of the format; default CREATED_VERSION. */
  version?: 1 | 2;
  /** Makes it an encrypted repository. */
  passphrase?: string;
  /** What deriving a key from a passphrase costs; default DEFAULT_COST. */
  kdfCost?: KdfCost;
}

/**
 * Makes an empty storage a repository. That nothing else lies there is the caller's to check; keys that an interrupted
 * creation left are quarantined. Interrupted anywhere it can be called again: the repository exists from the moment its
 * configuration file does.
 * @throws REPOSITORY_EXISTS, USAGE
 */
export async function initRepository(storage: Storage, options: InitOptions = {}): Promise<RepositoryConfig> {
  const { passphrase, environment = systemEnvironment } = options;
  const version = options.version ?? CREATED_VERSION;
  if (passphrase !== undefined && version === 1)
    throw new HvError('NOT_SUPPORTED', 'A repository of format version 1 cannot be encrypted');
  const config: RepositoryConfig = {
    id: newGuid(),
    version,
    blockSize: requireBlockSize(options.blockSize ?? DEFAULT_BLOCK_SIZE),
    pageSize: version === 1 ? 0 : PAGE_SIZE,
    createdAt: new Date(environment.now()).toISOString(),
    minReaderVersion: version,
    minWriterVersion: version,
    encryption: passphrase === undefined ? null : ENCRYPTION,
  };
  const bytes = renderConfig(config);
  parseConfig(bytes, storage.location);
  // Nothing is put beside a repository that exists.
  if (await isThere(storage)) {
    // The caller relies on it once it is reported, and the process that put it may have seen it fail.
    await storage.settle(CONFIG_NAME);
    throw repositoryExists(storage.location);
  }
  const earlier = await earlierKeys(storage);
  let key: string | null = null;
  if (passphrase !== undefined) {
    const label = `${hostname()}, when the repository was created`;
    const wrapped = { keys: newKeys(), configDigest: digestOf(bytes) };
    key = await putFirstKey(storage, config, wrapped, passphrase, { label, cost: options.kdfCost });
  }
  if (await storage.put(CONFIG_NAME, bytes)) {
    // Not before: another process may be creating it as well, and its key must be there when it is the one that gets to
    // put it.
    await quarantineKeys(storage, earlier);
    // Not those of others who are creating it as well: they take them away again.
    await keepSpares(storage, key === null ? [CONFIG_NAME] : [CONFIG_NAME, key]);
    return config;
  }
  // Another process was quicker; its repository has keys of its own.
  if (key !== null) await storage.delete(key);
  throw repositoryExists(storage.location);
}

async function isThere(storage: Storage): Promise<boolean> {
  try {
    await storage.get(CONFIG_NAME, MAX_CONFIG_LENGTH);
    return true;
  } catch (error) {
    // Too long for a configuration, it is in the way all the same.
    if (isHvError(error, 'REPOSITORY_DAMAGED')) return true;
    if (isHvError(error, 'FILE_NOT_FOUND', 'NOT_A_DIRECTORY', 'NOT_A_FILE')) return false;
    throw error;
  }
}

const repositoryExists = (location: string): HvError =>
  new HvError('REPOSITORY_EXISTS', `There is a repository already: ${location}`, {
    advice: 'Use it as it is, or choose another folder.',
    data: { location },
  });

/**
 * Opens the repository; the storage and the catalog are its own from now on and are closed with it.
 * @throws REPOSITORY_NOT_FOUND, REPOSITORY_VERSION, NOT_SUPPORTED, REPOSITORY_DAMAGED, PASSPHRASE_REQUIRED,
 *   WRONG_PASSPHRASE, REPOSITORY_NOT_ENCRYPTED when it has no use for the passphrase
 */
export async function openStoredRepository(raw: Storage, options: OpenOptions): Promise<StoredRepository> {
  const objects = objectsOnly(judgingStorage(raw));
  const problems: Damage[] = [];
  const { config, configBytes } = await readConfig(objects, problems);
  const storage = isWritable(config) ? objects : readOnlyStorage(objects, () => notWritable(config, objects.location));
  const memory = options.memory?.(config.id) ?? null;
  try {
    requireKnownEncryption(config, memory, storage.location);
    // Deriving the key takes half a second of one core.
    if (options.forContent && options.passphrase !== undefined && options.workers === undefined)
      prepareCodecWorkers(defaultWorkers());
    const [unlocked] = await Promise.all([
      unlockWith(storage, config, configBytes, options.passphrase, problems),
      requireNoFeatures(storage),
    ]);
    if (memory?.encrypted === null) memory.rememberEncryption(config.encryption !== null);
    const environment = options.environment ?? systemEnvironment;
    const keys = unlocked?.keys ?? null;
    const open = (remembered: Memory | null, pool?: WorkerPool): StoredRepository => {
      const parts = { workers: options.workers, pool, keys, memory: remembered, problems };
      const core = new RepositoryCore(storage, config, options.catalog(config.id), environment, parts);
      const keyStore = unlocked && new KeyStore(core, unlocked, options.kdfCost);
      const another = () => open(options.memory?.(config.id) ?? null, core.pool);
      const release = unlocked ? openedKeys.use(unlocked) : undefined;
      return new StoredRepository(core, keyStore, another, pool === undefined, release);
    };
    return open(memory);
  } catch (error) {
    memory?.close();
    throw error;
  }
}

/** The one thing a configuration file alone could betray: anyone who replaces it could have us write in plain text. */
function requireKnownEncryption(config: RepositoryConfig, memory: Memory | null, location: string): void {
  if (memory?.encrypted !== true || config.encryption !== null) return;
  throw damaged(
    'config',
    CONFIG_NAME,
    `this machine knows the repository ${location} as encrypted, but its configuration is of an unencrypted one`,
  );
}

async function unlockWith(
  storage: Storage,
  config: RepositoryConfig,
  configBytes: Buffer,
  passphrase: string | undefined,
  problems: Damage[],
): Promise<Unlocked | null> {
  const { location } = storage;
  if (config.encryption === null) {
    if (passphrase === undefined) return null;
    throw new HvError(
      'REPOSITORY_NOT_ENCRYPTED',
      `A passphrase was given, and the repository ${location} is not encrypted`,
      {
        advice:
          'If it was created without a passphrase, omit it (also the variable HVBACKUP_PASSPHRASE_FILE). If not, its configuration was replaced: do not back up to it.',
        data: { location },
      },
    );
  }
  if (passphrase !== undefined) return unlock(storage, config, configBytes, passphrase, problems);
  throw new HvError('PASSPHRASE_REQUIRED', `The repository ${location} is encrypted`, {
    advice: 'Give its passphrase with --passphrase-file (-Passphrase in PowerShell).',
    data: { location },
  });
}

/** The configuration, or where it cannot be read its second copy. @param problems gets what the copy stands in for */
async function readConfig(
  storage: Storage,
  problems: Damage[],
): Promise<{ config: RepositoryConfig; configBytes: Buffer }> {
  try {
    const configBytes = await storage.get(CONFIG_NAME, MAX_CONFIG_LENGTH);
    return { config: parseConfig(configBytes, storage.location), configBytes };
  } catch (error) {
    if (!isHvError(error, ...UNUSABLE)) throw error;
    const spare = await readSpareConfig(storage);
    if (spare !== null) {
      problems.push(spareUsed(CONFIG_NAME, error));
      return { config: parseConfig(spare, storage.location), configBytes: spare };
    }
    if (isHvError(error, 'REPOSITORY_DAMAGED', 'IO_ERROR')) throw error;
    throw new HvError('REPOSITORY_NOT_FOUND', `There is no repository: ${storage.location}`, {
      advice: 'Check the location, or create one with "hvbackup repository create".',
      data: { location: storage.location },
      cause: error,
    });
  }
}

/** This version knows no additions to the format (docs/format.md §8). */
async function requireNoFeatures(storage: Storage): Promise<void> {
  const unknown = (await storage.list(Folder.features)).flatMap(({ name }) => parseFeatureName(name) ?? []);
  if (unknown.length === 0) return;
  throw new HvError('REPOSITORY_VERSION', `The repository ${storage.location} uses ${unknown.join(', ')}`, {
    advice: 'Use a newer version of HyperVBackup.',
    data: { features: unknown },
  });
}
