/** The repository as operations have it, put together from its roles. */
import type { Contents } from './contents.ts';
import type { Keys } from './keys.ts';
import type { Maintenance } from './maintenance.ts';
import type { PinnablePoint, PinOptions, ReaderPin } from './pins.ts';
import type { Points } from './points.ts';
import type { RecordStore } from './records.ts';
import type { Sessions } from './sessions.ts';
import type { SessionOptions, WriteSession } from './writing.ts';

/** What is known of this machine's clock without believing it. */
export interface ClockFacts {
  /** What it says, ms since 1970. */
  now: number;
  /** The latest date that is no future one: `now`, unless the clock has jumped and is not believed yet. */
  believed: number;
  /** What it said when this machine last wrote to the repository; null: never, or nothing is remembered. */
  before: number | null;
  /** How far the storage's clock is ahead of it, ms; null until something was written, and where it cannot be asked. */
  storageAhead: number | null;
}

/**
 * What operations ask of a repository. What a disk, a VM or a host is, it does not know: a manifest carries an opaque,
 * schema-checked body.
 */
export interface Repository extends Contents, Points, Keys, Sessions, Maintenance {
  readonly id: string;
  readonly location: string;
  /** Bytes, a power of two. */
  readonly blockSize: number;
  readonly formatVersion: number;
  readonly createdAt: string;
  readonly encrypted: boolean;
  readonly records: RecordStore;
  beginSession(options?: SessionOptions): Promise<WriteSession>;
  /**
   * Protects what is about to be read against removal and prune. To be called before the first byte is read, with the
   * manifests as they were listed.
   */
  pin(points: readonly PinnablePoint[], options: PinOptions): Promise<ReaderPin>;
  /**
   * Takes small records over from a copy of this repository's folder, where they are gone or cannot be read here.
   * @param paths of objects. @returns those that were taken over
   */
  takeRecords(from: Repository, paths: readonly string[]): Promise<string[]>;
  /**
   * Handles for `count` pieces of work at once, this one among them: they share worker threads and the memory that one
   * would use, and know nothing of each other else. The others are to be closed before this one.
   */
  sideBySide(count: number): Repository[];
  clock(): ClockFacts;
  /** Remembers what the clock says, for the commands that follow. */
  rememberClock(): void;
  close(): Promise<void>;
}
