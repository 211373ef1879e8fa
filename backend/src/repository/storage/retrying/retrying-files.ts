/**
 * A file system whose single calls are repeated at once when they fail for the moment, so that one stumble in a listing
 * of ten thousand folders does not cost the listing. What lasts longer is for {@link RetryingStorage}, which repeats
 * the whole operation.
 *
 * Flushing a file is never repeated: after an fsync that failed, the system may have dropped what it could not write
 * and the next one succeed with nothing written. The object is written anew, to a new file.
 */
import { isHvError } from '../../../support/errors.ts';
import type { OpenMode, RandomAccessFile } from '../../../support/file.ts';
import type { Files } from '../folder/files.ts';
import type { Patience } from './patience.ts';

export function retryingFiles(files: Files, patience: Patience): Files {
  const again = <T>(action: () => Promise<T>): Promise<T> => patience.quick(action);
  const open = async (filePath: string, mode: OpenMode): Promise<RandomAccessFile> =>
    new SteadyFile(await onlyOnce(patience, isExists, () => files.open(filePath, mode)), patience);
  return {
    open,
    grain: files.grain,
    // Best effort: without an answer it is not known.
    free: files.free,
    gather: files.gather && ((file) => files.gather!(file, again)),
    link: (existing, created) => onlyOnce(patience, isExists, () => files.link(existing, created)),
    rename: (from, to) => onlyOnce(patience, isMissing, () => files.rename(from, to)),
    remove: (filePath) => again(() => files.remove(filePath)),
    exists: (filePath) => again(() => files.exists(filePath)),
    stat: (filePath) => again(() => files.stat(filePath)),
    entries: (folder) => again(() => files.entries(folder)),
    names: (folder) => again(() => files.names(folder)),
    createFolder: (folder) => again(() => files.createFolder(folder)),
    removeFolder: (folder) => files.removeFolder(folder),
    syncName: files.syncName && ((filePath) => files.syncName!(filePath)),
    syncFolder: (folder) => again(() => files.syncFolder(folder)),
  };
}

/**
 * What takes a name may have happened although it was reported as failed. Repeated, it finds the name taken, or what it
 * was to rename gone, and cannot determine which process did that: the first failure stands, and the storage compares
 * what is there.
 */
function onlyOnce<T>(
  patience: Patience,
  isConsequence: (error: unknown) => boolean,
  action: () => Promise<T>,
): Promise<T> {
  let failure: unknown;
  return patience
    .quick(async () => {
      try {
        return await action();
      } catch (error) {
        if (failure !== undefined && isConsequence(error)) throw new Settled(failure);
        failure = error;
        throw error;
      }
    })
    .catch((error) => {
      throw error instanceof Settled ? error.failure : error;
    });
}

/** Ends the repetition. */
class Settled {
  readonly failure: unknown;
  constructor(failure: unknown) {
    this.failure = failure;
  }
}

const isExists = (error: unknown): boolean =>
  isHvError(error, 'FILE_EXISTS') || (error as NodeJS.ErrnoException).code === 'EEXIST';
const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

class SteadyFile implements RandomAccessFile {
  readonly #file: RandomAccessFile;
  readonly #patience: Patience;

  constructor(file: RandomAccessFile, patience: Patience) {
    this.#file = file;
    this.#patience = patience;
  }

  get path(): string {
    return this.#file.path;
  }
  size(): Promise<number> {
    return this.#patience.quick(() => this.#file.size());
  }
  readFully(offset: number, target: Uint8Array): Promise<void> {
    return this.#patience.quick(() => this.#file.readFully(offset, target));
  }
  readUpTo(offset: number, target: Uint8Array): Promise<number> {
    return this.#patience.quick(() => this.#file.readUpTo(offset, target));
  }
  writeFully(offset: number, data: Uint8Array): Promise<void> {
    return this.#patience.quick(() => this.#file.writeFully(offset, data));
  }
  truncate(size: number): Promise<void> {
    return this.#patience.quick(() => this.#file.truncate(size));
  }
  /** Not repeated. */
  sync(): Promise<void> {
    return this.#file.sync();
  }
  close(): Promise<void> {
    return this.#file.close();
  }
}
