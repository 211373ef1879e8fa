/**
 * What a repository needs of the place it lies in: four operations on immutable objects (docs/format.md §1). A folder,
 * a bucket and the test storages implement it; one conformance suite runs against each.
 */
import { HvError } from '../../support/errors.ts';

export interface ObjectInfo {
  /** Path within the repository, `/` between segments. */
  name: string;
  /** Bytes; only when sizes were asked for, and not of an object that was deleted while the listing lasted. */
  size?: number;
  /** When it was put by the storage's own clock, milliseconds since 1970; with sizes, where the storage reports it. */
  modifiedAt?: number;
}

/** What lies in a folder, whatever it is. */
export interface StorageEntry {
  /** As the file system has it: any characters. */
  name: string;
  kind: 'file' | 'folder' | 'other';
}

/** An object that is being built. Nothing is visible under its name before commit(). */
export interface PutStream {
  /** What is appended goes past all caches to a disk of this machine: it is there when append() and commit() say so. */
  readonly local?: boolean;
  /**
   * Adds `chunks` at the end. Calls may overlap; they count in the order they were made. The chunks are free for reuse
   * when the promise resolves. @throws DISK_FULL, IO_ERROR; the stream can then only be aborted
   */
  append(chunks: readonly Uint8Array[]): Promise<void>;
  /**
   * Makes it durable and visible, unless the name is taken.
   * @returns false when it is; the stream is over either way
   */
  commit(): Promise<boolean>;
  /** Gives up. Idempotent, also after commit(). */
  abort(): Promise<void>;
}

/** An object that was taken from its place and is not deleted yet. */
export interface SetAside {
  bytes: number;
  /** Gives it its name again. */
  putBack(): Promise<void>;
  delete(): Promise<void>;
}

/** What a storage that lies on a volume knows about the volume's room (docs/format.md §1, Reserve). */
export interface StorageRoom {
  /** Bytes; null when that cannot be asked. */
  free(): Promise<number | null>;
  /** Makes the reserve, unless it is there or too little would be left. @returns whether it is there */
  keepReserve(): Promise<boolean>;
  /** @returns bytes given back; 0 when there was none, or the storage does not let go of it */
  giveUpReserve(): Promise<number>;
  /** Takes no room. @returns null when it is gone. @throws IO_ERROR, ACCESS_DENIED */
  setAside(name: string): Promise<SetAside | null>;
}

export interface Storage {
  /** For messages: the folder or URL. */
  readonly location: string;
  /**
   * Bytes; large reads that begin and end at multiples of it, into memory that lies as they do, cost least. Default: 1.
   */
  readonly grain?: number;
  /** Absent where room is not what a storage runs out of. */
  readonly room?: StorageRoom;
  /** Durable and visible when it resolves. @returns false when the name is taken: nothing was changed */
  put(name: string, data: Uint8Array): Promise<boolean>;
  createPut(name: string): Promise<PutStream>;
  /** The whole object. @throws FILE_NOT_FOUND; REPOSITORY_DAMAGED when it is larger than `limit` bytes */
  get(name: string, limit?: number): Promise<Buffer>;
  /** Fills `target` from `offset`. @throws FILE_NOT_FOUND; REPOSITORY_DAMAGED when the object ends before */
  read(name: string, offset: number, target: Uint8Array): Promise<void>;
  /**
   * Objects below the folder `prefix` (ends with `/`, or empty for all), ascending by name: all whose put returned
   * before the listing began and whose delete was not called before it ended. Others being put or deleted may be there
   * or not. Names that no object of the folder can have (foreign-names.ts) are left out.
   */
  list(prefix: string, options?: { sizes?: boolean }): Promise<ObjectInfo[]>;
  /**
   * What lies in each folder right below `prefix`: the names, ascending, with `/` between, by folder (`prefix` before,
   * `/` at its end). Folders without any are left out. As complete as list(); whether a name is an object's or a
   * folder's again is not asked, so it takes far less than listing. Default: by list().
   */
  folders?(prefix: string): Promise<Map<string, string>>;
  /**
   * All that lies right in a folder (as for list()), objects or not. Storages without folders have nothing to say here.
   */
  entries?(folder: string): Promise<StorageEntry[]>;
  /**
   * What time it is by the clock that `modifiedAt` is taken from, milliseconds since 1970: that of a file server, not
   * of this machine.
   * @throws ACCESS_DENIED, DISK_FULL, … where it takes a write
   */
  clock?(): Promise<number>;
  /** Gone for good when it resolves. Not an error when it is gone. @throws ACCESS_DENIED on append-only storage */
  delete(name: string): Promise<void>;
  /**
   * Makes sure that an object that was seen survives a power cut: its writer may have died, or be about to, between its
   * becoming visible and its becoming durable. To be called before relying on what another writer's put has not yet
   * guaranteed to be durable.
   */
  settle(name: string): Promise<void>;
  /** Removes what dead writers left outside the objects (temporary files, empty folders). @returns bytes given back */
  housekeep(): Promise<number>;
  close(): Promise<void>;
}

/** Largest object that get() reads into memory unless a limit is given. */
export const DEFAULT_GET_LIMIT = 256 * 1024 * 1024;

/** {@link Storage.folders} of any storage. */
export async function foldersBelow(storage: Storage, prefix: string): Promise<Map<string, string>> {
  if (storage.folders !== undefined) return storage.folders(prefix);
  const found = new Map<string, Set<string>>();
  for (const { name } of await storage.list(prefix)) {
    const [folder, inside] = name.slice(prefix.length).split('/') as [string, string?];
    if (inside === undefined) continue;
    const names = found.get(folder) ?? new Set();
    found.set(folder, names.add(inside));
  }
  return new Map([...found].map(([folder, names]) => [`${prefix}${folder}/`, [...names].sort().join('/')]));
}

const SEGMENT = /^[A-Za-z0-9._-]{1,120}$/;

/** Names that Windows gives to devices, with or without an extension. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** Whether it can be one part of an object's name. */
export const isSegment = (text: string): boolean =>
  SEGMENT.test(text) && !text.startsWith('.') && !text.endsWith('.') && !DEVICE.test(text);

/**
 * Refuses what is no plain relative name: nothing from a repository may lead out of its folder.
 * @throws USAGE
 */
export function requireObjectName(name: string): string {
  const segments = name.split('/');
  const fine = segments.length <= 8 && segments.every(isSegment);
  if (!fine) throw new HvError('USAGE', `Not a name of an object in a repository: ${JSON.stringify(name)}`);
  return name;
}
