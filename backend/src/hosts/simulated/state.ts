/**
 * The state database of a simulated host (`host.sqlite`, WAL, synchronous FULL: a commit is durable). Two connections:
 * `state` is written only while the host's lock is held, `view` reads what is committed without any lock.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import type { ErrorCode } from '../../support/error-codes.ts';
import { HvError } from '../../support/errors.ts';

const FORMAT = 'hypervbackup-simulated-host';
const VERSION = '1';
/** ms; only for the moments SQLite itself needs, such as recovery after a kill. */
const BUSY_TIMEOUT = 10_000;
/** Compiled statements kept: more than there are, so that only a flood of made-up ones empties the store. */
const MAX_STATEMENTS = 200;

const SCHEMA = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
  CREATE TABLE vms (
    id TEXT PRIMARY KEY, ordinal INTEGER NOT NULL, definition TEXT NOT NULL, configuration_dirty INTEGER NOT NULL DEFAULT 1);
  -- Configuration files that came with an import and are kept byte for byte.
  CREATE TABLE vm_files (vm_id TEXT NOT NULL, kind TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (vm_id, kind));
  CREATE TABLE disks (
    key INTEGER PRIMARY KEY AUTOINCREMENT, vm_id TEXT NOT NULL, position INTEGER NOT NULL,
    controller_type TEXT NOT NULL, controller_number INTEGER NOT NULL, controller_location INTEGER NOT NULL,
    active_layer INTEGER, journal TEXT NOT NULL,
    tracker TEXT, generation INTEGER, journal_length INTEGER, tracked_id TEXT, tracked_size INTEGER, compacted_length INTEGER,
    frozen_rct_id TEXT);
  -- One file of a disk's chain. pending_guid: the DataWriteGuid a write in progress will leave.
  CREATE TABLE layers (
    id INTEGER PRIMARY KEY AUTOINCREMENT, disk_key INTEGER NOT NULL, parent INTEGER, path TEXT NOT NULL,
    guid TEXT NOT NULL, pending_guid TEXT, merging INTEGER NOT NULL DEFAULT 0, checkpoint_id TEXT);
  CREATE TABLE ended_trackers (tracker TEXT PRIMARY KEY, code TEXT NOT NULL, reason TEXT NOT NULL);
  CREATE TABLE checkpoints (
    id TEXT PRIMARY KEY, ordinal INTEGER NOT NULL, vm_id TEXT NOT NULL, label TEXT NOT NULL, created_at TEXT NOT NULL,
    consistency TEXT NOT NULL, vm TEXT NOT NULL);
  CREATE TABLE checkpoint_disks (
    checkpoint_id TEXT NOT NULL, position INTEGER NOT NULL, disk_key INTEGER NOT NULL, layer INTEGER NOT NULL,
    disk_id TEXT NOT NULL, size INTEGER NOT NULL, rct_id TEXT, PRIMARY KEY (checkpoint_id, position));
  CREATE TABLE reference_points (
    id TEXT PRIMARY KEY, ordinal INTEGER NOT NULL, vm_id TEXT NOT NULL, created_at TEXT NOT NULL, consistency TEXT NOT NULL,
    disks TEXT NOT NULL);
  CREATE TABLE faults (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, vm_id TEXT, disk INTEGER, remaining INTEGER, after INTEGER NOT NULL);
  CREATE TABLE plans (id TEXT PRIMARY KEY, vm_id TEXT NOT NULL, created_at TEXT NOT NULL);
  -- Files that a change under way has made or will make: found by the next holder of the lock, they are removed.
  CREATE TABLE intents (id TEXT PRIMARY KEY, what TEXT NOT NULL, paths TEXT NOT NULL);
  -- Files nothing refers to any more.
  CREATE TABLE garbage (path TEXT PRIMARY KEY);
  CREATE TABLE ordinals (last INTEGER NOT NULL);
  INSERT INTO ordinals VALUES (0);
`;

/** Writes a new, empty state database, closed and without companions, so that it can be renamed into place. */
export function createStateFile(file: string): void {
  const database = new DatabaseSync(file);
  database.exec('PRAGMA synchronous = FULL');
  database.exec(`BEGIN; ${SCHEMA}`);
  database.prepare('INSERT INTO meta VALUES (?, ?), (?, ?)').run('format', FORMAT, 'version', VERSION);
  database.exec('COMMIT');
  database.close();
}

export class State {
  readonly #database: DatabaseSync;
  readonly #file: string;
  readonly #statements = new Map<string, StatementSync>();

  /**
   * Opens an existing state database.
   * @param alone without the shared memory that takes a file beside it: on a full volume it can be read so. No other
   *   process can open it then
   * @throws HOST_STATE_CORRUPT when it is no such database, or of another version; DISK_FULL
   */
  constructor(file: string, { alone = false } = {}) {
    this.#file = file;
    let opened: DatabaseSync | undefined;
    try {
      opened = new DatabaseSync(file, { timeout: BUSY_TIMEOUT });
      this.#database = opened;
      if (alone) opened.exec('PRAGMA locking_mode = EXCLUSIVE');
      opened.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
      const meta = new Map(
        this.all<{ key: string; value: string }>('SELECT key, value FROM meta').map((m) => [m.key, m.value]),
      );
      if (meta.get('format') !== FORMAT) throw new Error('not the database of a simulated host');
      if (meta.get('version') !== VERSION)
        throw new Error(`version ${meta.get('version')}; this program knows ${VERSION}`);
    } catch (error) {
      opened?.close();
      throw stateError(file, error);
    }
  }

  all<T>(sql: string, ...values: SQLInputValue[]): T[] {
    return this.#translated(() => this.#statement(sql).all(...values) as T[]);
  }

  get<T>(sql: string, ...values: SQLInputValue[]): T | undefined {
    return this.#translated(() => this.#statement(sql).get(...values) as T | undefined);
  }

  /** @returns rowid of the last insert */
  run(sql: string, ...values: SQLInputValue[]): number {
    return this.#translated(() => Number(this.#statement(sql).run(...values).lastInsertRowid));
  }

  /** All of `change` or nothing, durable when it returns; also gives readers one consistent view. Synchronous. */
  transaction<T>(change: () => T): T {
    this.#translated(() => this.#database.exec('BEGIN'));
    try {
      const result = change();
      this.#translated(() => this.#database.exec('COMMIT'));
      return result;
    } catch (error) {
      // After some errors (a full disk) SQLite has rolled back already.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  /** Compiling costs more than running: some questions are asked with every read of a disk. */
  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      if (this.#statements.size >= MAX_STATEMENTS) this.#statements.clear();
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #translated<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw stateError(this.#file, error);
    }
  }

  /** A number larger than all before: the order of creation. Within a transaction. */
  nextOrdinal(): number {
    this.run('UPDATE ordinals SET last = last + 1');
    return this.get<{ last: number }>('SELECT last FROM ordinals')!.last;
  }

  /** Idempotent. */
  close(): void {
    this.#statements.clear();
    if (this.#database.isOpen) this.#database.close();
  }
}

/** SQLite's primary result codes that have a code of their own here. */
const SQLITE_CODES: Record<number, ErrorCode> = {
  5: 'HOST_BUSY',
  8: 'ACCESS_DENIED',
  10: 'IO_ERROR',
  13: 'DISK_FULL',
  14: 'ACCESS_DENIED',
};

const STATE_ADVICE: Partial<Record<ErrorCode, string>> = {
  HOST_BUSY: 'Wait until other processes are done with the host, and run the command again.',
  ACCESS_DENIED: 'Check the permissions of the folder.',
  DISK_FULL: 'Free space there, and run the command again.',
  HOST_STATE_CORRUPT: 'Create a new host in another folder and its VMs from the disks in this one.',
};

/** No room for the shared memory: SQLITE_IOERR_SHMSIZE. */
const NO_ROOM_FOR_MEMORY = 10 | (19 << 8);

/** What an error of SQLite means for who uses the host. */
export function stateError(path: string, error: unknown): HvError {
  if (error instanceof HvError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const { errcode = 0 } = error as { errcode?: number };
  const code = errcode === NO_ROOM_FOR_MEMORY ? 'DISK_FULL' : (SQLITE_CODES[errcode % 256] ?? 'HOST_STATE_CORRUPT');
  return new HvError(code, `The state of the simulated host cannot be used: ${path}: ${reason}`, {
    advice: STATE_ADVICE[code],
    data: { path },
    cause: error,
  });
}
