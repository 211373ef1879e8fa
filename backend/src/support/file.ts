/**
 * Positional file access with whole reads and writes, and the durable ways of publishing a file. Every format reads and
 * writes through {@link RandomAccessFile}, so that a test can cut, delay or falsify any single file operation.
 */
import { constants, promises as fs } from 'node:fs';
import path from 'node:path';
import { HvError, hex, toHvError } from './errors.ts';
import { makeFolder } from './make-folder.ts';
import { removeDeadTemporaries, temporaryName } from './temporary-files.ts';

/** An open file. Offsets and lengths are bytes. Safe for concurrent reads. */
export interface RandomAccessFile {
  readonly path: string;
  /** Current length of the file in bytes. */
  size(): Promise<number>;
  /** Fills `target`. @throws IO_ERROR with the hex offset when the file ends before */
  readFully(offset: number, target: Uint8Array): Promise<void>;
  /** Reads until `target` is full or the file ends. @returns bytes read; less than asked only at the end of the file */
  readUpTo(offset: number, target: Uint8Array): Promise<number>;
  /** Writes all of `data`. */
  writeFully(offset: number, data: Uint8Array): Promise<void>;
  /** Cuts the file, or extends it with zeros (a hole where the file system has them). */
  truncate(size: number): Promise<void>;
  /** fsync: all that was written is durable. */
  sync(): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** `read`: must exist. `write`: must exist, read and write. `create`: must not exist, read and write. */
export type OpenMode = 'read' | 'write' | 'create';

/** Opens files; tests pass their own to inject faults. */
export type FileOpener = (filePath: string, mode: OpenMode) => Promise<RandomAccessFile>;

/** One read or write call moves at most this much: Node and some network file systems fail above 2^31-1. */
const LARGEST_TRANSFER = 1 << 30;

/** What we write is the content of disks, or speaks of them: for this account alone, where the system knows modes. */
const PRIVATE_FILE = 0o600;
export const PRIVATE_FOLDER = 0o700;

/**
 * @param rights of a file that is created, cut by the process's umask
 * @throws FILE_NOT_FOUND, FILE_EXISTS (create), ACCESS_DENIED, NOT_A_FILE for a folder, pipe, socket or device
 */
export async function openFile(filePath: string, mode: OpenMode, rights = PRIVATE_FILE): Promise<RandomAccessFile> {
  try {
    // Before open(): opening a pipe would wait for its other end for ever.
    if (mode !== 'create') requireRegular(filePath, await fs.stat(filePath));
    const handle = await fs.open(filePath, mode === 'read' ? 'r' : mode === 'write' ? 'r+' : 'wx+', rights);
    return fileOver(filePath, handle);
  } catch (error) {
    throw toHvError(error, filePath);
  }
}

function requireRegular(filePath: string, stat: { isFile(): boolean }): void {
  if (stat.isFile()) return;
  throw new HvError('NOT_A_FILE', `This is not a regular file: ${filePath}`, {
    advice: 'Give the path of a file.',
    data: { path: filePath },
  });
}

/** What an operating system gives for an open file: reads and writes may move less than they were asked for. */
export interface FileHandle {
  read(target: Uint8Array, at: number, length: number, position: number): Promise<{ bytesRead: number }>;
  write(data: Uint8Array, at: number, length: number, position: number): Promise<{ bytesWritten: number }>;
  stat(): Promise<{ size: number }>;
  truncate(size: number): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Whole reads and writes over a handle. */
export const fileOver = (filePath: string, handle: FileHandle): RandomAccessFile => new HandleFile(filePath, handle);

class HandleFile implements RandomAccessFile {
  readonly path: string;
  readonly #handle: FileHandle;
  #closed = false;

  constructor(filePath: string, handle: FileHandle) {
    this.path = filePath;
    this.#handle = handle;
  }

  size(): Promise<number> {
    return this.#run(async () => (await this.#handle.stat()).size);
  }

  async readFully(offset: number, target: Uint8Array): Promise<void> {
    const done = await this.readUpTo(offset, target);
    if (done === target.length) return;
    throw new HvError('IO_ERROR', `The file ends at ${hex(offset + done)}, inside a read: ${this.path}`, {
      advice: 'The file was cut short, or is being changed by another program.',
      data: { path: this.path, offset, length: target.length, got: done },
    });
  }

  readUpTo(offset: number, target: Uint8Array): Promise<number> {
    return this.#run(async () => {
      let done = 0;
      while (done < target.length) {
        const want = Math.min(target.length - done, LARGEST_TRANSFER);
        const { bytesRead } = await this.#handle.read(target, done, want, offset + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return done;
    });
  }

  writeFully(offset: number, data: Uint8Array): Promise<void> {
    return this.#run(async () => {
      let done = 0;
      while (done < data.length) {
        const want = Math.min(data.length - done, LARGEST_TRANSFER);
        const { bytesWritten } = await this.#handle.write(data, done, want, offset + done);
        if (bytesWritten === 0) throw new HvError('DISK_FULL', `A write made no progress: ${this.path}`);
        done += bytesWritten;
      }
    });
  }

  truncate(size: number): Promise<void> {
    return this.#run(() => this.#handle.truncate(size));
  }

  sync(): Promise<void> {
    return this.#run(() => this.#handle.sync());
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#run(() => this.#handle.close());
  }

  async #run<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw toHvError(error, this.path);
    }
  }
}

/** What a platform answers that cannot flush a directory; there the rename itself is all that can be had. */
const NO_DIRECTORY_SYNC = new Set(['EPERM', 'EACCES', 'EISDIR', 'EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'EBADF', 'ENOSYS']);

/**
 * Makes names created, renamed or removed in `directory` durable. A no-op where directories cannot be opened or flushed
 * (Windows, some network file systems).
 */
export async function syncDirectory(directory: string): Promise<void> {
  let handle: fs.FileHandle | undefined;
  try {
    handle = await fs.open(directory, constants.O_RDONLY);
    await handle.sync();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const tolerated = NO_DIRECTORY_SYNC.has(code) && (process.platform === 'win32' || handle !== undefined);
    if (!tolerated) throw toHvError(error, directory);
  } finally {
    await handle?.close().catch(() => undefined);
  }
}

/**
 * Flushes a file that has just got its name: on Windows, where folders cannot be flushed, FlushFileBuffers writes the
 * file system's log as well, and with it what NTFS and ReFS know of the name. Nothing when the file is gone or may not
 * be written.
 */
export async function syncByFile(filePath: string): Promise<void> {
  let handle: fs.FileHandle | undefined;
  try {
    handle = await fs.open(filePath, 'r+');
    await handle.sync();
  } catch (error) {
    if (!['ENOENT', 'EPERM', 'EACCES', 'EBUSY'].includes((error as NodeJS.ErrnoException).code ?? ''))
      throw toHvError(error, filePath);
  } finally {
    await handle?.close().catch(() => undefined);
  }
}

/**
 * Creates `directory` and its missing parents, and makes the new names durable. @throws as makeFolder()
 * @param rights of those that are created, cut by the process's umask
 */
export async function createDirectoryDurably(directory: string, rights?: number): Promise<void> {
  const made = await makeFolder(directory, rights);
  // From the deepest up: each parent holds the name of what was made in it.
  for (const folder of made.reverse()) await syncDirectory(path.dirname(folder));
}

const NO_HARD_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL', 'EISDIR', 'UNKNOWN']);

/**
 * Gives the finished, flushed file `temporary` its final name and flushes the directory. Never replaces unless asked.
 * Where the file system has no hard links, a look before the rename stands in, which another process could slip
 * through.
 * @throws FILE_EXISTS when `target` is there and `replace` is not set; `temporary` is still there then
 */
export async function publishFile(
  temporary: string,
  target: string,
  options: { replace?: boolean } = {},
): Promise<void> {
  try {
    if (options.replace) await fs.rename(temporary, target);
    else await renameWithoutReplacing(temporary, target);
  } catch (error) {
    throw toHvError(error, target);
  }
  if (process.platform === 'win32') await syncByFile(target);
  await syncDirectory(path.dirname(path.resolve(target)));
}

async function renameWithoutReplacing(temporary: string, target: string): Promise<void> {
  try {
    await fs.link(temporary, target);
  } catch (error) {
    if (!NO_HARD_LINKS.has((error as NodeJS.ErrnoException).code ?? '')) throw withPath(error, target);
    if (await exists(target))
      throw new HvError('FILE_EXISTS', `The file exists already: ${target}`, { data: { path: target } });
    await fs.rename(temporary, target);
    return;
  }
  await fs.unlink(temporary);
}

/** link() reports the existing source as its path; the person needs the name that is taken. */
function withPath(error: unknown, target: string): unknown {
  if (error instanceof Error && 'path' in error) error.path = target;
  return error;
}

/** Whether something, even a broken link, has this name. */
export async function exists(filePath: string): Promise<boolean> {
  try {
    await fs.lstat(filePath);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    throw toHvError(error, filePath);
  }
}

/** Removes a file; not an error when it is gone. Does not flush the directory. */
export async function removeFile(filePath: string): Promise<void> {
  try {
    await fs.unlink(filePath);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw toHvError(error, filePath);
  }
}

/**
 * Writes a whole small file so that a crash leaves either the old content (or no file) or all of `data`: temporary
 * file, fsync, rename, directory fsync.
 * @param options.exclusive fail with FILE_EXISTS instead of replacing
 */
export async function writeFileDurably(
  filePath: string,
  data: Uint8Array | string,
  options: { exclusive?: boolean } = {},
): Promise<void> {
  await removeDeadTemporaries(filePath);
  const temporary = temporaryName(filePath);
  const file = await openFile(temporary, 'create');
  try {
    await file.writeFully(0, typeof data === 'string' ? Buffer.from(data, 'utf8') : data);
    await file.sync();
    await file.close();
    await publishFile(temporary, filePath, { replace: !options.exclusive });
  } catch (error) {
    await file.close().catch(() => undefined);
    await removeFile(temporary).catch(() => undefined);
    throw error;
  }
}
