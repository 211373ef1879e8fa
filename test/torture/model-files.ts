/** The folder storage's file system on a {@link ModelDisk}; reads and writes move as much as they like. */
import path from 'node:path';
import type { Files } from '../../backend/src/repository/storage/folder/files.ts';
import type { StorageEntry } from '../../backend/src/repository/storage/storage.ts';
import { toHvError } from '../../backend/src/support/errors.ts';
import { type FileHandle, fileOver, type OpenMode, type RandomAccessFile } from '../../backend/src/support/file.ts';
import { below } from '../fuzz/random.ts';
import { errno, Folder, Inode, type ModelDisk } from './model-disk.ts';

/** What happens to an operation that the gate lets through. */
export interface Verdict {
  /** Thrown when it has been done. */
  after?: Error;
  /** A read gives one wrong bit. */
  misread?: boolean;
  /** Only the beginning is written. */
  torn?: boolean;
}

/** Called before each operation; what it throws is what the operation fails with. */
export type Gate = (operation: FileOperation, filePath: string, file?: Inode) => Promise<Verdict | undefined>;

export type FileOperation =
  | 'open'
  | 'read'
  | 'write'
  | 'sync'
  | 'close'
  | 'link'
  | 'rename'
  | 'remove'
  | 'list'
  | 'stat'
  | 'createFolder'
  | 'removeFolder'
  | 'syncFolder';

/** One process's view of the disk. */
export class ModelFiles implements Files {
  readonly #disk: ModelDisk;
  readonly #gate: Gate;
  readonly #random: () => number;

  constructor(disk: ModelDisk, random: () => number, gate: Gate = async () => undefined) {
    this.#disk = disk;
    this.#random = random;
    this.#gate = gate;
  }

  readonly open = (filePath: string, mode: OpenMode): Promise<RandomAccessFile> =>
    this.#told(filePath, () =>
      this.#run('open', filePath, undefined, () =>
        fileOver(filePath, this.#handle(filePath, this.#openInode(filePath, mode))),
      ),
    );

  /** The system's own errors, as the storage asks for. */
  link(existing: string, created: string): Promise<void> {
    return this.#run('link', created, undefined, () => {
      const node = this.#disk.find(existing);
      if (!(node instanceof Inode)) throw errno('ENOENT', 'link', existing);
      const { folder, name } = this.#disk.folderOf(created);
      if (folder.entries.has(name)) throw errno('EEXIST', 'link', created);
      this.#disk.change({ folder, name, node });
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#run('rename', to, undefined, () => {
      const node = this.#disk.find(from);
      if (!(node instanceof Inode)) throw errno('ENOENT', 'rename', from);
      this.#disk.change({ ...this.#disk.folderOf(from), node: null }, { ...this.#disk.folderOf(to), node });
    });
  }

  remove(filePath: string): Promise<void> {
    return this.#told(filePath, () =>
      this.#run('remove', filePath, undefined, () => {
        if (this.#disk.find(filePath) === undefined) return;
        this.#disk.change({ ...this.#disk.folderOf(filePath), node: null });
      }),
    );
  }

  exists(filePath: string): Promise<boolean> {
    return this.#run('stat', filePath, undefined, () => this.#disk.find(filePath) !== undefined);
  }

  stat(filePath: string): Promise<{ size: number; mtimeMs: number; links: number } | undefined> {
    return this.#run('stat', filePath, undefined, () => {
      const node = this.#disk.find(filePath);
      if (!(node instanceof Inode)) return undefined;
      return { size: node.content.length, mtimeMs: node.mtimeMs, links: node.links };
    });
  }

  entries(folder: string): Promise<StorageEntry[]> {
    return this.#told(folder, () =>
      this.#run('list', folder, undefined, () => {
        const node = this.#disk.find(folder);
        if (!(node instanceof Folder)) return [];
        return [...node.entries].map(([name, child]) => ({ name, kind: child instanceof Folder ? 'folder' : 'file' }));
      }),
    );
  }

  async names(folder: string): Promise<string[]> {
    return (await this.entries(folder)).map(({ name }) => name).sort();
  }

  /** As createDirectoryDurably() does it: only the names it made itself are flushed. */
  createFolder(folder: string): Promise<void> {
    return this.#told(folder, async () => {
      const created = await this.#run('createFolder', folder, undefined, () => this.#createFolders(folder));
      for (const parent of created.reverse()) {
        await this.#run('syncFolder', folder, undefined, () => this.#disk.syncFolder(parent));
      }
    });
  }

  async removeFolder(folder: string): Promise<void> {
    await this.#run('removeFolder', folder, undefined, () => {
      const node = this.#disk.find(folder);
      if (!(node instanceof Folder) || node.entries.size > 0) return;
      this.#disk.change({ ...this.#disk.folderOf(folder), node: null });
    }).catch(() => undefined);
  }

  syncFolder(folder: string): Promise<void> {
    return this.#told(folder, () =>
      this.#run('syncFolder', folder, undefined, () => {
        const node = this.#disk.find(folder);
        if (!(node instanceof Folder)) throw errno('ENOENT', 'open', folder);
        this.#disk.syncFolder(node);
      }),
    );
  }

  /** @returns the folders that got a new name in them, from the top */
  #createFolders(folder: string): Folder[] {
    const changed: Folder[] = [];
    let at = this.#disk.root;
    for (const name of folder.split(path.sep).filter((part) => part !== '')) {
      let next = at.entries.get(name);
      if (next === undefined) {
        next = new Folder();
        this.#disk.change({ folder: at, name, node: next });
        changed.push(at);
      }
      if (!(next instanceof Folder)) throw errno('ENOTDIR', 'mkdir', folder);
      at = next;
    }
    return changed;
  }

  #openInode(filePath: string, mode: OpenMode): Inode {
    const { folder, name } = this.#disk.folderOf(filePath);
    const found = folder.entries.get(name);
    if (mode === 'create') {
      if (found !== undefined) throw errno('EEXIST', 'open', filePath);
      const file = new Inode();
      file.mtimeMs = this.#disk.now;
      this.#disk.change({ folder, name, node: file });
      return file;
    }
    if (found instanceof Folder) throw errno('EISDIR', 'open', filePath);
    if (found === undefined) throw errno('ENOENT', 'open', filePath);
    return found;
  }

  #handle(filePath: string, file: Inode): FileHandle {
    return {
      read: (target, at, length, position) =>
        this.#run('read', filePath, file, ({ misread }) => {
          const bytesRead = Math.max(0, Math.min(this.#some(length), file.content.length - position));
          target.set(file.content.subarray(position, position + bytesRead), at);
          if (misread && bytesRead > 0) target[at + below(this.#random, bytesRead)]! ^= 1 << below(this.#random, 8);
          return { bytesRead };
        }),
      write: (data, at, length, position) =>
        this.#run('write', filePath, file, ({ torn }) => {
          // A call with too little room for all of it writes what there is room for; the next one says so.
          const room = this.#disk.capacity - this.#disk.usedBytes();
          if (room <= 0) throw errno('ENOSPC', 'write', filePath);
          const wanted = torn ? below(this.#random, length) : this.#some(length);
          const bytesWritten = Math.min(wanted, room);
          file.write(position, data.subarray(at, at + bytesWritten));
          return { bytesWritten };
        }),
      sync: () => this.#run('sync', filePath, file, () => file.flush()),
      stat: async () => ({ size: file.content.length }),
      truncate: (size) => this.#run('write', filePath, file, () => file.truncate(size)),
      close: () => this.#run('close', filePath, file, () => undefined),
    };
  }

  async #run<T>(
    operation: FileOperation,
    filePath: string,
    file: Inode | undefined,
    action: (verdict: Verdict) => T,
  ): Promise<T> {
    const verdict = (await this.#gate(operation, filePath, file)) ?? {};
    const result = action(verdict);
    if (verdict.after) throw verdict.after;
    return result;
  }

  async #told<T>(filePath: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw toHvError(error, filePath);
    }
  }

  /** Now and then fewer bytes than were asked for. */
  #some(length: number): number {
    return length > 1 && this.#random() < 0.2 ? 1 + below(this.#random, length) : length;
  }
}
