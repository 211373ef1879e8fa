/**
 * Storage in a folder: local disk, mounted file system or UNC path. An object is a file; it is written to `tmp/`,
 * flushed, and given its name by a hard link, which never replaces (docs/format.md §1).
 */
import { randomBytes } from 'node:crypto';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { HvError, toHvError } from '../../support/errors.ts';
import { createDirectoryDurably, openFile, type RandomAccessFile, removeFile } from '../../support/file.ts';
import { isWriterDead, writerName } from '../process-identity.ts';
import { FileCache } from './file-cache.ts';
import { placeFile } from './place-file.ts';
import {
  DEFAULT_GET_LIMIT,
  damaged,
  type ObjectInfo,
  type PutStream,
  requireObjectName,
  type Storage,
} from './storage.ts';

const TEMPORARY = 'tmp';
/** A temporary file of another machine is left alone this long: no backup holds one pack open for days. */
const FOREIGN_LEFTOVER_MS = 3 * 24 * 3600 * 1000;

export class FolderStorage implements Storage {
  readonly location: string;
  readonly #files: FileCache;
  /** Folders known to exist, so that a put does not ask each time. */
  readonly #folders = new Set<string>();
  #counter = 0;

  /** @param location absolute or relative path of the repository's folder; need not exist before the first put */
  constructor(location: string) {
    this.location = path.resolve(location);
    this.#files = new FileCache(64);
  }

  async put(name: string, data: Uint8Array): Promise<boolean> {
    const stream = await this.createPut(name);
    try {
      await stream.append([data]);
      return await stream.commit();
    } finally {
      await stream.abort();
    }
  }

  async createPut(name: string): Promise<PutStream> {
    const target = this.#path(requireObjectName(name));
    const temporary = this.#temporaryPath();
    let file: RandomAccessFile;
    try {
      await this.#ensureFolder(path.dirname(temporary));
      file = await openFile(temporary, 'create');
    } catch (error) {
      // Somebody may have removed the empty folder since it was noted.
      this.#folders.clear();
      throw error;
    }
    return new FolderPut(file, temporary, async () => {
      await this.#ensureFolder(path.dirname(target));
      return placeFile(temporary, target, this.#path(TEMPORARY));
    });
  }

  async get(name: string, limit = DEFAULT_GET_LIMIT): Promise<Buffer> {
    return this.#files.use(this.#path(requireObjectName(name)), async (file) => {
      const size = await file.size();
      if (size > limit)
        throw damaged('object', name, `it is ${size} bytes long, more than the ${limit} such an object may have`);
      const data = Buffer.allocUnsafe(size);
      await this.#readExactly(file, name, 0, data);
      return data;
    });
  }

  async read(name: string, offset: number, target: Uint8Array): Promise<void> {
    await this.#files.use(this.#path(requireObjectName(name)), (file) => this.#readExactly(file, name, offset, target));
  }

  async list(prefix: string, options: { sizes?: boolean } = {}): Promise<ObjectInfo[]> {
    const found: ObjectInfo[] = [];
    await this.#listFolder(prefix, prefix === '' ? 0 : prefix.split('/').length - 1, options.sizes ?? false, found);
    return found.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }

  async delete(name: string): Promise<void> {
    const target = this.#path(requireObjectName(name));
    await this.#files.forget(target);
    await removeFile(target);
  }

  async housekeep(): Promise<number> {
    let freed = 0;
    const folder = this.#path(TEMPORARY);
    for (const entry of await this.#entries(folder)) {
      const file = path.join(folder, entry.name);
      const stat = await fs.stat(file).catch(() => undefined);
      if (stat === undefined) continue;
      const dead = isWriterDead(entry.name);
      if (dead !== true && Date.now() - stat.mtimeMs < FOREIGN_LEFTOVER_MS) continue;
      await removeFile(file);
      // A file that has its final name too gives nothing back.
      if (stat.nlink <= 1) freed += stat.size;
    }
    return freed;
  }

  async close(): Promise<void> {
    await this.#files.close();
  }

  #path(name: string): string {
    return path.join(this.location, ...name.split('/'));
  }

  #temporaryPath(): string {
    this.#counter += 1;
    return path.join(this.#path(TEMPORARY), `${writerName()}-${this.#counter}-${randomBytes(4).toString('hex')}`);
  }

  async #ensureFolder(folder: string): Promise<void> {
    if (this.#folders.has(folder)) return;
    await createDirectoryDurably(folder);
    this.#folders.add(folder);
  }

  async #readExactly(file: RandomAccessFile, name: string, offset: number, target: Uint8Array): Promise<void> {
    const got = await file.readUpTo(offset, target);
    if (got < target.length) throw damaged('object', name, 'the object ends here', { offset: offset + got });
  }

  async #listFolder(prefix: string, depth: number, sizes: boolean, found: ObjectInfo[]): Promise<void> {
    const folder = prefix === '' ? this.location : this.#path(prefix.slice(0, -1));
    const entries = await this.#entries(folder);
    for (const entry of entries) {
      const name = prefix + entry.name;
      if (name === TEMPORARY || entry.name.startsWith('.')) continue;
      if (entry.isDirectory()) {
        if (depth < 8) await this.#listFolder(`${name}/`, depth + 1, sizes, found);
      } else if (entry.isFile()) {
        found.push({ name });
      }
    }
    if (!sizes) return;
    await Promise.all(
      found.map(async (object) => {
        if (object.size !== undefined) return;
        object.size = await fs.stat(this.#path(object.name)).then(
          (stat) => stat.size,
          () => undefined,
        );
      }),
    );
  }

  async #entries(folder: string) {
    try {
      return await fs.readdir(folder, { withFileTypes: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw toHvError(error, folder);
    }
  }
}

class FolderPut implements PutStream {
  readonly #file: RandomAccessFile;
  readonly #temporary: string;
  readonly #place: () => Promise<boolean>;
  #position = 0;
  #over = false;
  #failure: unknown;
  readonly #pending = new Set<Promise<void>>();

  constructor(file: RandomAccessFile, temporary: string, place: () => Promise<boolean>) {
    this.#file = file;
    this.#temporary = temporary;
    this.#place = place;
  }

  append(chunks: readonly Uint8Array[]): Promise<void> {
    const writes = chunks.map((chunk) => {
      const at = this.#position;
      this.#position += chunk.length;
      return this.#file.writeFully(at, chunk);
    });
    const all = Promise.all(writes).then(() => undefined);
    this.#pending.add(all);
    all.catch((error) => {
      this.#failure ??= error;
    });
    return all.finally(() => this.#pending.delete(all));
  }

  async commit(): Promise<boolean> {
    if (this.#over) throw new HvError('INTERNAL', `commit() of a finished put: ${this.#temporary}`);
    await Promise.all(this.#pending);
    // A part that failed stays missing, whatever was written after it.
    if (this.#failure !== undefined) throw this.#failure;
    await this.#file.sync();
    await this.#file.close();
    const placed = await this.#place();
    this.#over = placed;
    if (!placed) await this.abort();
    return placed;
  }

  async abort(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    await Promise.allSettled(this.#pending);
    await this.#file.close().catch(() => undefined);
    await removeFile(this.#temporary).catch(() => undefined);
  }
}

/** @returns whether the folder is missing or holds nothing but what an interrupted creation left (empty `tmp`) */
export async function isVacant(location: string): Promise<boolean> {
  try {
    const entries = await fs.readdir(location);
    return entries.every((entry) => entry === TEMPORARY) && (await isLeftover(path.join(location, TEMPORARY)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
    throw toHvError(error, location);
  }
}

async function isLeftover(folder: string): Promise<boolean> {
  const entries = await fs.readdir(folder).catch(() => []);
  return entries.every((entry) => isWriterDead(entry) !== null);
}
