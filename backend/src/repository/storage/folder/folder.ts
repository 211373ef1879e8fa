/**
 * Storage in a folder: local disk, mounted file system or UNC path. An object is a file; it is written to `tmp/`,
 * flushed, and given its name by a hard link, which never replaces (docs/format.md §1).
 */

import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { HvError, isHvError } from '../../../support/errors.ts';
import type { RandomAccessFile } from '../../../support/file.ts';
import type { GatheredWrites } from '../../../support/gathered-writes.ts';
import { isWriterDead, writerName } from '../../../support/owner.ts';
import { damaged } from '../../errors.ts';
import { CONFIG_NAME } from '../../format/constants.ts';
import { isRandomId } from '../../format/ids.ts';
import { isPassing } from '../../format/names.ts';
import { mayBeOurs } from '../foreign-names.ts';
import {
  DEFAULT_GET_LIMIT,
  type ObjectInfo,
  type PutStream,
  requireObjectName,
  type Storage,
  type StorageEntry,
  type StorageRoom,
} from '../storage.ts';
import { FileCache } from './file-cache.ts';
import { type Files, systemFiles } from './files.ts';
import { FolderPut } from './folder-put.ts';
import { FolderRoom } from './folder-room.ts';
import { placeFile } from './place-file.ts';
import { PresentFolders } from './present-folders.ts';
import { breakReservation, isReservation, temporaryOf } from './reservation.ts';
import { StillThere } from './still-there.ts';

const TEMPORARY = 'tmp';
/** Joined names, none of which can be foreign. */
const PLAIN = /^[A-Za-z0-9/-]*$/;
/** Questions to the file system under way at once, while listing. */
const AT_ONCE = 16;
/** Small questions: most of them wait for a thread, so that the threads need not be woken for each. */
const WAITING = 64;
/** A temporary file of another machine is left alone this long: no backup holds one pack open for days. */
const FOREIGN_LEFTOVER_MS = 3 * 24 * 3600 * 1000;

export class FolderStorage implements Storage {
  readonly location: string;
  readonly grain: number;
  readonly room: StorageRoom;
  readonly #files: Files;
  readonly #open: FileCache;
  readonly #present: PresentFolders;
  readonly #there: StillThere;
  /** Folders known to exist, so that a put does not ask each time. */
  readonly #folders = new Set<string>();
  #counter = 0;

  /** Flushes of folders that have been asked for and have not begun: who comes meanwhile is served by them too. */
  readonly #syncs = new Map<string, Promise<void>>();

  /**
   * @param location absolute or relative path of the repository's folder; need not exist before the first put
   * @param files for tests: another file system
   */
  constructor(location: string, files: Files = systemFiles) {
    this.location = path.resolve(location);
    this.#files = files;
    this.grain = files.grain ?? 1;
    this.#open = new FileCache(files.open, 64);
    this.room = new FolderRoom(this.location, files, () => this.#temporaryPath());
    this.#present = new PresentFolders(this.location, files, CONFIG_NAME);
    this.#there = new StillThere(this.location, files);
  }

  async put(name: string, data: Uint8Array): Promise<boolean> {
    const stream = await this.#startPut(name);
    try {
      await stream.append([data]);
      return await stream.commit();
    } finally {
      await stream.abort();
    }
  }

  /** What comes in pieces is large, and read again long after: it goes past the page cache where that can be had. */
  createPut(name: string): Promise<PutStream> {
    return this.#startPut(name, this.#files.gather);
  }

  async #startPut(name: string, gather?: Files['gather']): Promise<PutStream> {
    requireObjectName(name);
    const temporary = this.#temporaryPath();
    let file: RandomAccessFile;
    let gathered: GatheredWrites | null;
    try {
      await this.#ensureFolder(path.dirname(temporary), name);
      file = await this.#files.open(temporary, 'create');
      gathered = (await gather?.(file)) ?? null;
    } catch (error) {
      // Another process may have removed the empty folder since it was noted.
      this.#folders.clear();
      throw await this.#there.explain(name, error);
    }
    return new FolderPut(file, gathered, temporary, this.#files, () => this.#place(temporary, name));
  }

  async #place(temporary: string, name: string): Promise<boolean> {
    const target = this.#path(name);
    const folder = path.dirname(target);
    for (let attempt = 1; ; attempt++) {
      await this.#ensureFolder(folder, name);
      // Folders that are known may lie in what is beneath a share that is mounted no more.
      await this.#there.require(name);
      try {
        const placed = await placeFile(temporary, target, this.#path(TEMPORARY), this.#files);
        // Only now: as long as it was empty, one process could remove it and another make it again.
        await this.#settleName(folder);
        return placed;
      } catch (error) {
        // Another process removed the empty folder in between, or since it was noted.
        const again = attempt < 5 && isHvError(error, 'FILE_NOT_FOUND') && (await this.#files.exists(temporary));
        if (!again) throw await this.#there.explain(name, error);
        this.#folders.clear();
      }
    }
  }

  async get(name: string, limit = DEFAULT_GET_LIMIT): Promise<Buffer> {
    // A file that is kept open would be the one that was there before.
    if (name === CONFIG_NAME) await this.#open.forget(this.#path(name));
    const bytes = await this.#get(name, limit);
    this.#present.isRepository ||= name === CONFIG_NAME;
    this.#there.noteRead(name);
    return bytes;
  }

  #get(name: string, limit: number): Promise<Buffer> {
    return this.#open.use(this.#path(requireObjectName(name)), async (file) => {
      const size = await file.size();
      if (size > limit)
        throw damaged('object', name, `it is ${size} bytes long, more than the ${limit} such an object may have`);
      const data = Buffer.allocUnsafe(size);
      await this.#readExactly(file, name, 0, data);
      return data;
    });
  }

  async read(name: string, offset: number, target: Uint8Array): Promise<void> {
    await this.#open.use(this.#path(requireObjectName(name)), (file) => this.#readExactly(file, name, offset, target));
  }

  list(prefix: string, options: { sizes?: boolean } = {}): Promise<ObjectInfo[]> {
    return this.#listFolder(prefix, prefix === '' ? 0 : prefix.split('/').length - 1, options.sizes ?? false);
  }

  async folders(prefix: string): Promise<Map<string, string>> {
    const root = this.#path(prefix.slice(0, -1));
    const entries = await this.#present.entries(prefix);
    const folders = entries.flatMap(({ name, kind }) => (kind === 'folder' && mayBeOurs(name) ? [name] : []));
    const found = new Map<string, string>();
    const look = async (folder: string): Promise<void> => {
      const names = await this.#files.names(root + path.sep + folder);
      let text = names.join('/');
      // Foreign names are rare, so they are not looked for name by name.
      if (!PLAIN.test(text)) text = names.filter(mayBeOurs).join('/');
      if (text !== '') found.set(`${prefix}${folder}/`, text);
    };
    await inTurns(folders, look, WAITING);
    return found;
  }

  entries(folder: string): Promise<StorageEntry[]> {
    return this.#present.entries(folder);
  }

  /** The time of a file that was created just now, by the file server's clock. */
  async clock(): Promise<number> {
    const file = this.#temporaryPath();
    await this.#ensureFolder(path.dirname(file), TEMPORARY);
    await this.#there.require(TEMPORARY);
    await (await this.#files.open(file, 'create')).close();
    try {
      const facts = await this.#files.stat(file);
      if (facts === undefined) throw new HvError('IO_ERROR', `The time of a new file cannot be read: ${file}`);
      return facts.mtimeMs;
    } finally {
      await this.#files.remove(file).catch(() => undefined);
    }
  }

  async delete(name: string): Promise<void> {
    const target = this.#path(requireObjectName(name));
    await this.#open.forget(target);
    await this.#files.remove(target);
    const folder = path.dirname(target);
    // Also of a name that was gone: who removed it may have died before this.
    await this.#syncFolder(folder);
    // The folder may be gone by now, or another that was made since: the one it lay in, removed all but durably.
    await this.#settleName(folder);
    if (this.#isPassing(folder)) await this.#files.removeFolder(folder);
  }

  async settle(name: string): Promise<void> {
    const target = this.#path(requireObjectName(name));
    const folder = path.dirname(target);
    await this.#files.syncName?.(target);
    await this.#syncFolder(folder);
    await this.#settleName(folder);
  }

  async housekeep(): Promise<number> {
    let freed = 0;
    const folder = this.#path(TEMPORARY);
    const entries = await this.#files.entries(folder);
    // Without the time by the clock of the share, what others have there stays.
    const now = entries.length === 0 ? undefined : await this.clock().catch(() => undefined);
    for (const entry of entries) {
      const file = path.join(folder, entry.name);
      const stat = await this.#files.stat(file);
      if (stat === undefined) continue;
      const isOld = now !== undefined && now - stat.mtimeMs >= FOREIGN_LEFTOVER_MS;
      if (isWriterDead(temporaryOf(entry.name) ?? entry.name) !== true && !isOld) continue;
      if (isReservation(entry.name)) await breakReservation(folder, entry.name, this.#files);
      else await this.#files.remove(file);
      // A file that has its final name too gives nothing back.
      if (stat.links <= 1) freed += stat.size;
    }
    await this.#removePassingBelow(this.location, 0);
    return freed;
  }

  /**
   * Empty ones: programs before this one left them, and who dies between the removal of the last object and the
   * folder's.
   */
  async #removePassingBelow(folder: string, depth: number): Promise<void> {
    const folders = (await this.#files.entries(folder)).filter(({ kind }) => kind === 'folder');
    await inTurns(folders, async ({ name }) => {
      const below = path.join(folder, name);
      if (this.#isPassing(below)) await this.#files.removeFolder(below);
      else if (depth < 2 && (depth > 0 || name === 'sessions' || name === 'jobs'))
        await this.#removePassingBelow(below, depth + 1);
    });
  }

  async close(): Promise<void> {
    await this.#open.close();
  }

  #path(name: string): string {
    return path.join(this.location, ...name.split('/'));
  }

  #temporaryPath(): string {
    this.#counter += 1;
    return path.join(this.#path(TEMPORARY), `${writerName()}-${this.#counter}-${randomBytes(4).toString('hex')}`);
  }

  /** @param forName what is to be put. @throws REPOSITORY_NOT_FOUND: nothing is made where a repository was */
  async #ensureFolder(folder: string, forName: string): Promise<void> {
    if (this.#folders.has(folder)) return;
    await this.#there.require(forName);
    await this.#files.createFolder(folder);
    // It may have gone in between: then what was made is not to be taken for known, nor to stay.
    await this.#there.require(forName).catch(async (error) => {
      for (let at = folder; at !== this.location; at = path.dirname(at)) await this.#files.removeFolder(at);
      throw error;
    });
    // Also of folders that were there: who created them may have died before their names were durable.
    for (let at = folder; at !== this.location && !this.#folders.has(at); at = path.dirname(at)) {
      // Of a folder that comes and goes that is done when something lies in it, for each thing.
      if (this.#isPassing(at)) continue;
      await this.#syncFolder(path.dirname(at));
      this.#folders.add(at);
    }
  }

  #isPassing(folder: string): boolean {
    return isPassing(`${path.relative(this.location, folder).replaceAll(path.sep, '/')}/`);
  }

  /** Makes the name of a folder that comes and goes durable. */
  async #settleName(folder: string): Promise<void> {
    if (this.#isPassing(folder)) await this.#syncFolder(path.dirname(folder));
  }

  async #readExactly(file: RandomAccessFile, name: string, offset: number, target: Uint8Array): Promise<void> {
    const got = await file.readUpTo(offset, target);
    if (got < target.length) throw damaged('object', name, 'the object ends here', { offset: offset + got });
  }

  async #listFolder(prefix: string, depth: number, sizes: boolean): Promise<ObjectInfo[]> {
    const names: string[] = [];
    const folders: string[] = [];
    for (const { name, kind } of await this.#present.entries(prefix)) {
      if ((prefix === '' && name === TEMPORARY) || kind === 'other' || !mayBeOurs(name)) continue;
      if (kind === 'folder') folders.push(`${prefix}${name}/`);
      else names.push(name);
    }
    // Sorted by the names alone: there may be hundreds of thousands, all with the same beginning.
    const files: ObjectInfo[] = names.sort().map((name) => ({ name: prefix + name }));
    if (sizes)
      await inTurns(files, async (object) => {
        const facts = await this.#files.stat(this.#path(object.name));
        object.size = facts?.size;
        object.modifiedAt = facts?.mtimeMs;
      });
    if (depth >= 8 || folders.length === 0) return files;
    const below: ObjectInfo[][] = [];
    await inTurns(folders.sort(), async (name, i) => {
      below[i] = await this.#listFolder(name, depth + 1, sizes);
    });
    // Folders that end with `/` are in the order of all that is in them; only beside files it takes a sort.
    const found = below.flat();
    if (files.length === 0) return found;
    return [...files, ...found].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Makes what was named and removed in a folder durable; calls that come together share one flush. */
  #syncFolder(folder: string): Promise<void> {
    const waiting = this.#syncs.get(folder);
    if (waiting !== undefined) return waiting;
    const sync = setImmediate().then(async () => {
      this.#syncs.delete(folder);
      await this.#files.syncFolder(folder).catch((error) => {
        if (!isHvError(error, 'FILE_NOT_FOUND')) throw error;
      });
    });
    this.#syncs.set(folder, sync);
    return sync;
  }
}

/** A few at a time: a folder may hold hundred thousands of files. */
async function inTurns<T>(
  items: readonly T[],
  action: (item: T, i: number) => Promise<void>,
  atOnce = AT_ONCE,
): Promise<void> {
  let next = 0;
  const slot = async () => {
    while (next < items.length) {
      const i = next++;
      await action(items[i]!, i);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, slot));
}

/**
 * What an interrupted creation leaves, by folder: temporary files, reservations, keys of a repository that never was.
 */
const LEFTOVERS: ReadonlyMap<string, (name: string) => boolean> = new Map([
  [TEMPORARY, (name: string) => isWriterDead(name) !== null || isReservation(name)],
  ['keys', isRandomId],
]);

/**
 * @returns whether the folder is missing, empty, or holds nothing but what an interrupted creation left.
 * @throws IO_ERROR, ACCESS_DENIED
 */
export async function isVacant(location: string, files: Files = systemFiles): Promise<boolean> {
  for (const { name, kind } of await files.entries(location)) {
    const isLeftover = LEFTOVERS.get(name);
    if (kind !== 'folder' || isLeftover === undefined) return false;
    const inside = await files.entries(path.join(location, name));
    if (!inside.every((entry) => entry.kind === 'file' && isLeftover(entry.name))) return false;
  }
  return true;
}
