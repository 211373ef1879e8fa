/**
 * What this machine remembers of a repository (repository/port/memory.ts), in a SQLite file of its own: unlike the
 * catalog it is never thrown away. One row a restore point, so a backup adds a row whatever is remembered already.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Memory, RememberedPoint } from '../repository/port/memory.ts';
import type { ManifestEnvelope } from '../repository/port/points.ts';
import type { ClockMemory } from '../support/clock.ts';
import { makeFolderSync } from '../support/make-folder.ts';
import { ensurePrivateFile } from '../support/private-file.ts';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS points (
    folder TEXT, id TEXT, vm TEXT, created TEXT, gone INTEGER NOT NULL, PRIMARY KEY (folder, id)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS points_there ON points (folder) WHERE gone = 0;
`;
/** SQLITE_CORRUPT, SQLITE_NOTADB. */
const DAMAGED = [11, 26];
const COLUMNS = 'folder, id, vm, created, gone';

type PointRow = [folder: string, id: string, vm: string | null, created: string, gone: number];

export class PointMemory implements Memory {
  problem: string | null = null;
  readonly vmNameOf: (manifest: ManifestEnvelope) => string | null;
  readonly #path: string;
  #database: DatabaseSync;

  /** @param path of the file, created with its folder when missing */
  constructor(path: string, vmNameOf: (manifest: ManifestEnvelope) => string | null) {
    this.#path = path;
    this.vmNameOf = vmNameOf;
    this.#database = this.#openOrBegin();
  }

  get encrypted(): boolean | null {
    const row = this.#run((database) => database.prepare("SELECT value FROM meta WHERE key = 'encrypted'").get());
    return row === undefined ? null : row.value === 'yes';
  }

  rememberEncryption(encrypted: boolean): void {
    const value = encrypted ? 'yes' : 'no';
    this.#run((database) => database.prepare("INSERT OR REPLACE INTO meta VALUES ('encrypted', ?)").run(value));
  }

  get clock(): ClockMemory | null {
    const row = this.#run((database) => database.prepare("SELECT value FROM meta WHERE key = 'clock'").get());
    try {
      const clock = JSON.parse(String(row?.value)) as ClockMemory;
      return Number.isFinite(clock.last) && Number.isFinite(clock.believed) ? clock : null;
    } catch {
      return null;
    }
  }

  noteClock(clock: ClockMemory): void {
    const value = JSON.stringify(clock);
    this.#run((database) => database.prepare("INSERT OR REPLACE INTO meta VALUES ('clock', ?)").run(value));
  }

  get token(): string {
    const [known] = this.#run((database) => database.prepare("SELECT value FROM meta WHERE key = 'token'").all());
    if (known !== undefined) return String(known.value);
    const token = randomBytes(16).toString('hex');
    // Another process may be quicker.
    this.#run((database) => database.prepare("INSERT OR IGNORE INTO meta VALUES ('token', ?)").run(token));
    return this.token;
  }

  points(folder?: string): RememberedPoint[] {
    const rows = this.#run((database) => {
      const where = folder === undefined ? '' : 'WHERE folder = ?';
      const query = database.prepare(`SELECT ${COLUMNS} FROM points ${where}`);
      // Half the time of rows as objects.
      query.setReturnArrays(true);
      return folder === undefined ? query.all() : query.all(folder);
    }) as unknown as PointRow[];
    return rows.map(([where, id, vmName, createdAt, gone]) => ({
      folder: where,
      id,
      vmName,
      createdAt,
      gone: gone !== 0,
      ...(gone > 1 ? { publications: gone - 1 } : {}),
    }));
  }

  folders(): Map<string, number> {
    const rows = this.#run((database) => {
      const query = database.prepare('SELECT folder, count(*) FROM points WHERE gone = 0 GROUP BY folder');
      query.setReturnArrays(true);
      return query.all();
    }) as unknown as [folder: string, points: number][];
    return new Map(rows);
  }

  remember(points: readonly RememberedPoint[]): void {
    this.#run((database) => {
      const insert = database.prepare('INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?)');
      database.exec('BEGIN IMMEDIATE');
      try {
        // One column for both: 0 is there, 1 + publications is gone.
        for (const { folder, id, vmName, createdAt, gone, publications } of points)
          insert.run(folder, id, vmName, createdAt, gone ? 1 + (publications ?? 0) : 0);
        database.exec('COMMIT');
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK');
        throw error;
      }
    });
  }

  close(): void {
    try {
      this.#database.close();
    } catch {
      // Closed already.
    }
  }

  #openOrBegin(): DatabaseSync {
    try {
      return open(this.#path);
    } catch (error) {
      return this.#beginAgain(error);
    }
  }

  /** Goes on without what cannot be used, and says so: a warning that never comes is what an attacker would want. */
  #beginAgain(error: unknown): DatabaseSync {
    const why = error instanceof Error ? error.message : String(error);
    try {
      if (!DAMAGED.includes((error as { errcode?: number }).errcode ?? 0)) throw error;
      for (const end of ['', '-wal', '-shm'])
        if (existsSync(this.#path + end)) renameSync(this.#path + end, `${this.#path}.unreadable${end}`);
      this.problem = `What this machine remembers of the repository could not be read (${why}) and begins anew: restore points that were removed before now are not noticed.`;
      return open(this.#path);
    } catch {
      this.problem = `This machine cannot remember what it has seen of the repository (${why}: ${this.#path}): the removal of restore points is not noticed.`;
      return open(':memory:');
    }
  }

  #run<T>(action: (database: DatabaseSync) => T): T {
    try {
      return action(this.#database);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_SQLITE_ERROR') throw error;
      this.close();
      this.#database = this.#beginAgain(error);
      return action(this.#database);
    }
  }
}

function open(path: string): DatabaseSync {
  // It holds names of VMs: for the account that backs up, as the catalog.
  if (path !== ':memory:') makeFolderSync(dirname(path), 0o700);
  if (path !== ':memory:') ensurePrivateFile(path);
  const database = new DatabaseSync(path, { timeout: 60_000 });
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    database.exec(SCHEMA);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
