/**
 * What the folder storage asks of a file system, and what it relies on about flushing. The operating system's is the
 * default; tests give one that forgets, tears and reorders whatever was not flushed.
 */
import { type Dirent, promises as fs, readdir } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { openUncached } from '../../../support/direct-reads.ts';
import { DIRECT_GRAIN } from '../../../support/direct-writes.ts';
import { toHvError } from '../../../support/errors.ts';
import {
  createDirectoryDurably,
  exists,
  type FileOpener,
  type RandomAccessFile,
  removeFile,
  syncByFile,
  syncDirectory,
} from '../../../support/file.ts';
import { GatheredWrites, type WriteGuard } from '../../../support/gathered-writes.ts';
import type { StorageEntry } from '../storage.ts';

interface FileFacts {
  /** Bytes. */
  size: number;
  /** Milliseconds since 1970. */
  mtimeMs: number;
  /** Names the file has. */
  links: number;
}

/** Names are durable only once syncFolder() of their folder has returned, contents once sync() of the file has. */
export interface Files {
  open: FileOpener;
  /** Bytes: what Storage says of it. */
  grain?: number;
  /** Another way to append to a file that was just created; null where it does not work. Default: there is none. */
  gather?(file: RandomAccessFile, guard?: WriteGuard): Promise<GatheredWrites | null>;
  /** Gives a file a second name. @throws the system's own error, EEXIST when the name is taken */
  link(existing: string, created: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Not an error when it is gone. */
  remove(filePath: string): Promise<void>;
  exists(filePath: string): Promise<boolean>;
  /** Undefined when it is gone. @throws IO_ERROR, ACCESS_DENIED */
  stat(filePath: string): Promise<FileFacts | undefined>;
  /** Bytes that this account may still write on the volume of a folder. Default: that cannot be asked. */
  free?(folder: string): Promise<number>;
  /** Empty when the folder is missing. */
  entries(folder: string): Promise<StorageEntry[]>;
  /** The names alone, ascending; empty when the folder is missing. Costs a third of entries(). */
  names(folder: string): Promise<string[]>;
  /** With its missing parents; their names are durable when it returns. */
  createFolder(folder: string): Promise<void>;
  /**
   * When it is empty and may be removed; nothing happens otherwise. Durable with a later syncFolder() of its parent.
   */
  removeFolder(folder: string): Promise<void>;
  /**
   * Makes the name of a file durable where folders cannot be flushed, as far as that can be had; nothing where they
   * can, or when the file is gone.
   */
  syncName?(filePath: string): Promise<void>;
  /** @throws FILE_NOT_FOUND */
  syncFolder(folder: string): Promise<void>;
}

/** A good deal cheaper than those of `fs.promises`, which is noticed where there are thousands of folders. */
const readNames = promisify<string, string[]>(readdir);
const readEntries = promisify<string, { withFileTypes: true }, Dirent[]>(readdir);

export const systemFiles: Files = {
  open: openUncached,
  // See direct-reads.ts.
  grain: process.platform === 'linux' ? DIRECT_GRAIN : 1,
  gather: (file, guard) => GatheredWrites.open(file, guard),
  link: fs.link,
  rename: fs.rename,
  remove: removeFile,
  exists,
  stat: async (filePath) => {
    const stat = await fs.stat(filePath).catch((error) => {
      if (isGone(error)) return undefined;
      throw toHvError(error, filePath);
    });
    return stat && { size: stat.size, mtimeMs: stat.mtimeMs, links: stat.nlink };
  },
  free: async (folder) => {
    const { bavail, bsize } = await fs.statfs(folder);
    return bavail * bsize;
  },
  entries: async (folder) =>
    (await presentIn(folder, () => readEntries(folder, { withFileTypes: true }))).map((entry) => ({
      name: entry.name,
      kind: entry.isDirectory() ? 'folder' : entry.isFile() ? 'file' : 'other',
    })),
  names: async (folder) => (await presentIn(folder, () => readNames(folder))).sort(),
  createFolder: (folder) => createDirectoryDurably(folder),
  removeFolder: (folder) => fs.rmdir(folder).catch(() => undefined),
  syncName: process.platform === 'win32' ? syncByFile : undefined,
  syncFolder: syncDirectory,
};

/** What Windows says of a folder that was removed while a process had it open, until that is over. */
const BEING_REMOVED = new Set(['EPERM', 'EACCES', 'EBUSY']);

function isGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return code === 'ENOENT' || code === 'ENOTDIR' || (process.platform === 'win32' && BEING_REMOVED.has(code));
}

/** @param read of the folder. @param platform for tests. @returns nothing when the folder is missing */
export async function presentIn<T>(
  folder: string,
  read: () => Promise<T[]>,
  platform: string = process.platform,
): Promise<T[]> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await read();
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      // ENOTDIR: a file lies where the folder would; no object is in it.
      if (code === 'ENOENT' || code === 'ENOTDIR') return [];
      if (platform !== 'win32' || !BEING_REMOVED.has(code) || attempt === 10) throw toHvError(error, folder);
      await delay(20);
    }
  }
}
