/** A place where a repository lies or shall lie, before its storage is opened. One implementation a kind of storage. */
import type { Patience } from './retrying/patience.ts';
import type { Storage } from './storage.ts';

export interface StoragePlace {
  /** For messages, and to know the place again: what its storage says of itself. */
  readonly location: string;
  /** Reads something of a repository that is surely there, past this machine's cache. @throws what it fails with */
  probe(): Promise<unknown>;
  /** @param patience for single calls that may be repeated at once; RetryingStorage repeats those of the storage */
  open(patience: Patience): Storage;
  /** @throws REPOSITORY_NOT_FOUND, NOT_A_DIRECTORY, ACCESS_DENIED, …: why no repository can be here */
  requireThere(): Promise<void>;
  /**
   * Makes the place ready for a new repository, if none is there already.
   * @throws FILE_EXISTS when other things lie there, NOT_A_DIRECTORY, ACCESS_DENIED
   */
  prepare(patience: Patience): Promise<void>;
}
