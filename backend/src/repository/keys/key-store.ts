/**
 * The passphrases of an encrypted repository: opening it with one, and listing, adding and removing them
 * (docs/format.md §7).
 */

import { randomBytes } from 'node:crypto';
import { HvError, isHvError, toHvError } from '../../support/errors.ts';
import { passphraseBytes } from '../../support/passphrase.ts';
import type { RepositoryCore } from '../core.ts';
import { keepSpares, readSpareKey, spareKeyIds, spareUsed } from '../documents/spares.ts';
import { damaged } from '../errors.ts';
import type { RepositoryConfig } from '../format/config.ts';
import { CONFIG_NAME } from '../format/constants.ts';
import { randomId } from '../format/ids.ts';
import {
  costOf,
  DEFAULT_COST,
  digestOf,
  type KdfCost,
  type KeyObject,
  MAX_KEY_OBJECT_LENGTH,
  openLabel,
  parseKeyObject,
  renderKeyObject,
  unwrapKeys,
  type WrappedKeys,
  wrapKeys,
} from '../format/key-object.ts';
import { KEY_LENGTH, type RepositoryKeys } from '../format/keys.ts';
import { Folder, keyObjectName, parseKeyName, quarantineName, spareOf } from '../format/names.ts';
import type { Damage } from '../port/damage.ts';
import type { KeyInfo } from '../port/keys.ts';
import type { Storage } from '../storage/storage.ts';
import { openedKeys, type Unlocked } from './opened-keys.ts';

/** Tried at most, and added at most: half a second each. */
const MAX_KEYS = 64;
/** What trying them may cost together, in bytes of memory one after the other: as much as so many of ours. */
const MAX_COST_TRIED = MAX_KEYS * costOf(DEFAULT_COST);

export const newKeys = (): RepositoryKeys => ({
  encryptionKey: randomBytes(KEY_LENGTH),
  idKey: randomBytes(KEY_LENGTH),
});

/** Writes the key object of a new repository. @returns its name */
export async function putFirstKey(
  storage: Storage,
  config: RepositoryConfig,
  wrapped: WrappedKeys,
  passphrase: string,
  options: { label: string; cost?: KdfCost },
): Promise<string> {
  const wanted = { ...wrapped, id: randomId(), createdAt: config.createdAt, label: options.label };
  const object = await wrapKeys(wanted, config, passphrase, options.cost);
  await storage.put(keyObjectName(object.id), renderKeyObject(object));
  return keyObjectName(object.id);
}

/** Key objects where no repository is: of creations that were interrupted. */
export const earlierKeys = (storage: Storage): Promise<string[]> => keyNames(storage);

/**
 * Quarantines key objects that open nothing: whatever they once belonged to could not be opened without them. Again it
 * goes on where it was interrupted. @param names as earlierKeys() gave them before the configuration file was put: what
 * was added since stays
 */
export async function quarantineKeys(storage: Storage, names: readonly string[]): Promise<void> {
  for (const name of names) {
    try {
      await storage.put(quarantineName(name), await storage.get(name, MAX_KEY_OBJECT_LENGTH));
      await storage.delete(name);
    } catch (error) {
      // Taken away meanwhile, by the process that had put it; or it cannot be read or removed: then it stays, and "key
      // list" names it.
      if (!isHvError(error, 'FILE_NOT_FOUND', 'REPOSITORY_DAMAGED', 'IO_ERROR', 'ACCESS_DENIED')) throw error;
    }
  }
}

/**
 * Finds the key object that the passphrase opens.
 * @param configBytes hvbackup-repository.json as it lies there
 * @param reported gets what a second copy stood in for
 * @throws WRONG_PASSPHRASE when all key objects are intact; REPOSITORY_DAMAGED when one is not, or the configuration
 *   was altered
 */
export async function unlock(
  storage: Storage,
  config: RepositoryConfig,
  configBytes: Buffer,
  passphrase: string,
  reported: Damage[] = [],
): Promise<Unlocked> {
  const names = await keyNames(storage);
  const { objects, unusable } = await readKeys(storage, names);
  const problems = [...unusable.values()].map((error) => toHvError(error));
  const budget: Budget = { keys: MAX_KEYS, cost: MAX_COST_TRIED };
  let found: Unlocked | null = null;
  for (const { object, bytes } of objects) {
    if (!spend(budget, object)) break;
    try {
      found = await tryKey(object, config, passphrase, digestOf(Buffer.concat([bytes, configBytes])));
    } catch (error) {
      if (!isHvError(error, 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED')) throw error;
      unusable.set(keyObjectName(object.id), error);
      problems.push(toHvError(error));
    }
    if (found !== null) break;
  }
  const intact = new Set(objects.map(({ object }) => keyObjectName(object.id)));
  found ??= await unlockBySpare(storage, { config, configBytes, passphrase, intact, unusable, reported, budget });
  if (found === null && (budget.keys < 0 || budget.cost < 0)) throw tooManyKeys(storage.location, objects.length);
  if (found === null) throw noneOpens(storage.location, names.length, problems);
  if (!found.configDigest.equals(digestOf(configBytes)))
    throw damaged('config', CONFIG_NAME, `the configuration of ${storage.location} was altered since it was written`);
  return found;
}

/** How many key objects may still be tried, and what they may cost together. Below zero: there was more. */
interface Budget {
  keys: number;
  cost: number;
}

/** @returns whether the object may be tried */
function spend(budget: Budget, { kdf }: KeyObject): boolean {
  budget.keys -= 1;
  budget.cost -= costOf(kdf);
  return budget.keys >= 0 && budget.cost >= 0;
}

/**
 * @returns those that are intact, in the order they are to be tried in: ours first, then what costs least; and why
 * others are not
 */
async function readKeys(storage: Storage, names: readonly string[]) {
  const objects: { object: KeyObject; bytes: Buffer }[] = [];
  const unusable = new Map<string, unknown>();
  for (const name of names) {
    try {
      const bytes = await storage.get(name, MAX_KEY_OBJECT_LENGTH);
      objects.push({ object: parseKeyObject(bytes, name), bytes });
    } catch (error) {
      // Removed since the listing.
      if (isHvError(error, 'FILE_NOT_FOUND')) continue;
      if (!isHvError(error, 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED', 'IO_ERROR')) throw error;
      unusable.set(name, error);
    }
  }
  const rank = ({ object }: { object: KeyObject }): number =>
    costOf(object.kdf) === costOf(DEFAULT_COST) ? 0 : costOf(object.kdf);
  return { objects: objects.sort((a, b) => rank(a) - rank(b)), unusable };
}

/** Tries the second copies of key objects that are gone or cannot be read. */
async function unlockBySpare(
  storage: Storage,
  given: {
    config: RepositoryConfig;
    configBytes: Buffer;
    passphrase: string;
    intact: ReadonlySet<string>;
    unusable: ReadonlyMap<string, unknown>;
    reported: Damage[];
    budget: Budget;
  },
): Promise<Unlocked | null> {
  const { config, configBytes, passphrase } = given;
  for (const id of await spareKeyIds(storage)) {
    const name = keyObjectName(id);
    if (given.intact.has(name) && !given.unusable.has(name)) continue;
    const bytes = await readSpareKey(storage, id);
    if (bytes === null) continue;
    const object = parseKeyObject(bytes, name);
    if (!spend(given.budget, object)) return null;
    const digest = digestOf(Buffer.concat([bytes, configBytes]));
    const found = await tryKey(object, config, passphrase, digest).catch((error) => {
      if (isHvError(error, 'REPOSITORY_DAMAGED')) return null;
      throw error;
    });
    if (found === null) continue;
    const gone = new HvError('FILE_NOT_FOUND', `${name} is gone`);
    given.reported.push(spareUsed(name, given.unusable.get(name) ?? gone));
    return found;
  }
  return null;
}

/** Anyone who can write to the storage may put key objects there that only cost time. */
const tooManyKeys = (location: string, count: number): HvError =>
  new HvError(
    'WRONG_PASSPHRASE',
    `There are ${count} key objects in ${location}, more than are tried: the passphrase opens none of the first, and may be right all the same`,
    {
      advice: `Look into the folder keys: ours are made with "repository key add", at most ${MAX_KEYS} of them. Move what does not belong there away.`,
      data: { location, keys: count, tried: MAX_KEYS },
    },
  );

async function tryKey(
  object: KeyObject,
  config: RepositoryConfig,
  passphrase: string,
  digest: Buffer,
): Promise<Unlocked | null> {
  const known = digestOf(Buffer.concat([digest, passphraseBytes(passphrase)])).toString('hex');
  // A key object that is gone or changed opens nothing any more.
  const before = openedKeys.get(known);
  if (before !== undefined) return before;
  const wrapped = await unwrapKeys(object, config, passphrase);
  if (wrapped === null) return null;
  const unlocked = { ...wrapped, keyId: object.id };
  openedKeys.add(known, unlocked);
  return unlocked;
}

function noneOpens(location: string, count: number, problems: readonly HvError[]): HvError {
  if (count === 0)
    return new HvError(
      'REPOSITORY_DAMAGED',
      `${location} is encrypted, and none of its key objects is there (${Folder.keys})`,
      {
        advice:
          'Bring the folder keys back from a copy of the repository. Nothing opens it without: not the passphrase, not check, not repair.',
        data: { object: 'key', path: Folder.keys },
      },
    );
  const [problem] = problems;
  if (problem === undefined)
    return new HvError('WRONG_PASSPHRASE', `The passphrase does not open the repository ${location}`, {
      advice: 'Give the passphrase that it was created with, or one that was added since. Case and spaces count.',
      data: { location },
    });
  return new HvError(
    problem.code,
    `The passphrase opens none of the intact key objects of ${location}; it may be right all the same: ${problem.message}`,
    {
      advice: 'Bring the key object back from a copy of the repository, or give another passphrase that was added.',
      data: { ...problem.data, damaged: problems.length },
      cause: problem,
    },
  );
}

const keyNames = async (storage: Storage): Promise<string[]> =>
  (await storage.list(Folder.keys)).map(({ name }) => name).filter((name) => parseKeyName(name) !== null);

/** Also those of which only the second copy is left. */
async function namesWithSpares(storage: Storage): Promise<string[]> {
  return [...new Set([...(await keyNames(storage)), ...(await spareKeyIds(storage)).map(keyObjectName)])];
}

/** Passphrases of an open repository. */
export class KeyStore {
  readonly #core: RepositoryCore;
  readonly #unlocked: Unlocked;
  readonly #cost: KdfCost | undefined;

  /** @param cost of keys that are added; default DEFAULT_COST */
  constructor(core: RepositoryCore, unlocked: Unlocked, cost?: KdfCost) {
    this.#core = core;
    this.#unlocked = unlocked;
    this.#cost = cost;
  }

  /** Id of the key object that the repository was opened with. */
  get currentId(): string {
    return this.#unlocked.keyId;
  }

  /** Oldest first. */
  async list(): Promise<KeyInfo[]> {
    const { storage, config } = this.#core;
    const infos: KeyInfo[] = [];
    for (const name of await namesWithSpares(storage)) {
      const id = parseKeyName(name)!;
      const current = id === this.#unlocked.keyId;
      try {
        const object = parseKeyObject(await storage.get(name, MAX_KEY_OBJECT_LENGTH), name);
        const label = openLabel(object, config, this.#unlocked.keys);
        if (label === null) throw damaged('key', name, 'it was not written with the keys of this repository');
        infos.push({ id, createdAt: object.createdAt, label, current });
      } catch (error) {
        // Removed meanwhile, unless its copy is still there.
        const isGone = isHvError(error, 'FILE_NOT_FOUND');
        if (isGone && (await readSpareKey(storage, id)) === null) continue;
        if (!isGone && !isHvError(error, 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED', 'IO_ERROR')) throw error;
        infos.push({ id, createdAt: null, label: '', current, problem: toHvError(error).message });
      }
    }
    return infos.sort((a, b) => ((a.createdAt ?? '') < (b.createdAt ?? '') ? -1 : 1));
  }

  /**
   * One more passphrase; durable when it resolves.
   * @throws USAGE for an empty one, KEY_EXISTS for one that opens the repository already
   */
  async add(passphrase: string, label: string): Promise<KeyInfo> {
    const { storage, config, environment } = this.#core;
    if ((await keyNames(storage)).length >= MAX_KEYS)
      throw new HvError('USAGE', `${storage.location} has ${MAX_KEYS} passphrases already, and no more are tried`, {
        advice: 'Remove one first ("hvbackup repository key remove").',
      });
    const twin = await this.#opener(passphrase);
    if (twin !== null)
      throw new HvError('KEY_EXISTS', `The new passphrase opens ${storage.location} already: its key is ${twin}`, {
        advice: 'Give another one. Nothing was added.',
        data: { id: twin },
      });
    const { keys, configDigest } = this.#unlocked;
    const wanted = { keys, configDigest, id: randomId(), createdAt: new Date(environment.now()).toISOString(), label };
    const object = await wrapKeys(wanted, config, passphrase, this.#cost);
    await storage.put(keyObjectName(object.id), renderKeyObject(object));
    await keepSpares(storage);
    return { id: object.id, createdAt: object.createdAt, label: openLabel(object, config, keys) ?? '', current: false };
  }

  /** Id of an intact key object that the passphrase opens; null when none is. */
  async #opener(passphrase: string): Promise<string | null> {
    const { storage, config } = this.#core;
    const { objects } = await readKeys(storage, await keyNames(storage));
    const budget: Budget = { keys: MAX_KEYS, cost: MAX_COST_TRIED };
    for (const { object, bytes } of objects) {
      if (!spend(budget, object)) return null;
      const digest = digestOf(Buffer.concat([bytes, this.#unlocked.configDigest]));
      const found = await tryKey(object, config, passphrase, digest).catch((error) => {
        if (isHvError(error, 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED')) return null;
        throw error;
      });
      if (found !== null) return object.id;
    }
    return null;
  }

  /**
   * Removes a passphrase. Never the one the repository was opened with: so one passphrase remains that can open it.
   * @param id full, or a beginning of at least 4 characters that no other has
   * @returns the full id
   * @throws KEY_NOT_FOUND, KEY_IN_USE, REPOSITORY_BUSY beside another removal
   */
  async remove(id: string): Promise<string> {
    const { storage, sessions, environment } = this.#core;
    const name = await this.#find(id);
    if (name === keyObjectName(this.#unlocked.keyId))
      throw new HvError('KEY_IN_USE', `${name} is the key of the passphrase that was given`, {
        advice: 'Give another passphrase of the repository to remove this one; the last one is never removed.',
        data: { id: this.#unlocked.keyId },
      });
    // Two removals at once could each count on the key that the other takes away.
    const session = await sessions.register('keys', environment.identity().machine);
    try {
      const others = (await sessions.list()).filter((state) => state.document.id !== session.id);
      if (others.some((state) => state.alive && state.document.kind === 'keys'))
        throw new HvError('REPOSITORY_BUSY', `Another removal of a key is active in ${storage.location}`, {
          advice: 'Run the command again when it has ended.',
        });
      if (!(await namesWithSpares(storage)).includes(keyObjectName(this.#unlocked.keyId)))
        throw new HvError('KEY_IN_USE', 'The key of the passphrase that was given has been removed meanwhile', {
          advice: 'Give another passphrase of the repository.',
        });
      await storage.settle(keyObjectName(this.#unlocked.keyId));
      // First, so that a copy whose original is gone indicates a loss; and again, for who copied it in between.
      await storage.delete(spareOf(name));
      await storage.delete(name);
      await storage.delete(spareOf(name));
    } finally {
      await session.end().catch(() => undefined);
    }
    return parseKeyName(name)!;
  }

  async #find(id: string): Promise<string> {
    const wanted = id.toLowerCase();
    const names = wanted.length < 4 ? [] : await namesWithSpares(this.#core.storage);
    const found = names.filter((name) => name.startsWith(keyObjectName(wanted)));
    if (found.length === 1) return found[0]!;
    throw new HvError(
      'KEY_NOT_FOUND',
      `${found.length === 0 ? 'No key has' : 'More than one key has'} an id that begins with ${id}`,
      {
        advice: 'Run "hvbackup repository key list" to see the keys; give at least four characters of the id.',
        data: { id },
      },
    );
  }
}
