/** Tables and statements of the catalog. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** Another version is thrown away and loaded anew. */
export const CATALOG_VERSION = 1;

/**
 * A record's row is found by its id; rows whose pack is not in `packs` are stale. Pack numbers are never used again, so a
 * stale row cannot point into a newer pack.
 */
export const CATALOG_SCHEMA = `
  CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS indexes (name TEXT PRIMARY KEY) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS supersedes (name TEXT, old TEXT, PRIMARY KEY (name, old)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS packs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL,
    length INTEGER NOT NULL, session TEXT NOT NULL, class INTEGER NOT NULL, records INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS index_packs (name TEXT, pack INTEGER, PRIMARY KEY (name, pack)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS index_packs_by_pack ON index_packs (pack);
  CREATE TABLE IF NOT EXISTS records (
    id BLOB, kind INTEGER, pack INTEGER, ordinal INTEGER,
    offset INTEGER NOT NULL, raw INTEGER NOT NULL, stored INTEGER NOT NULL, encoding INTEGER NOT NULL,
    PRIMARY KEY (id, kind, pack, ordinal)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS stale (pack INTEGER PRIMARY KEY, records INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS manifests (path TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID;
  CREATE TRIGGER IF NOT EXISTS pack_goes_stale AFTER DELETE ON packs
    BEGIN INSERT OR REPLACE INTO stale VALUES (old.number, old.records); END;
`;

const RECORD = 'pack, ordinal, offset, raw AS rawLength, stored AS storedLength, encoding';

/** Prepared once: a lookup then costs microseconds. */
export class Statements {
  readonly indexes: StatementSync;
  readonly supersedes: StatementSync;
  readonly hasIndex: StatementSync;
  readonly addIndex: StatementSync;
  readonly addSupersedes: StatementSync;
  readonly removeIndex: StatementSync;
  readonly removeSupersedes: StatementSync;
  readonly removeIndexPacks: StatementSync;
  readonly removeUnnamedPacks: StatementSync;
  readonly staleRecords: StatementSync;
  readonly sweepRecords: { run(): void };
  readonly indexPacks: StatementSync;
  readonly indexSizes: StatementSync;
  readonly packsOf: StatementSync;
  readonly packs: StatementSync;
  readonly pack: StatementSync;
  readonly packById: StatementSync;
  readonly addPack: StatementSync;
  readonly addIndexPack: StatementSync;
  readonly addRecord: StatementSync;
  readonly find: StatementSync;
  readonly totals: StatementSync;
  readonly manifest: StatementSync;
  readonly addManifest: StatementSync;
  readonly removeManifest: StatementSync;

  constructor(database: DatabaseSync) {
    const sql = (text: string): StatementSync => database.prepare(text);
    this.indexes = sql('SELECT name FROM indexes');
    this.supersedes = sql('SELECT name, old FROM supersedes');
    this.hasIndex = sql('SELECT 1 FROM indexes WHERE name = ?');
    this.addIndex = sql('INSERT INTO indexes VALUES (?)');
    this.addSupersedes = sql('INSERT OR IGNORE INTO supersedes VALUES (?, ?)');
    this.removeIndex = sql('DELETE FROM indexes WHERE name = ?');
    this.removeSupersedes = sql('DELETE FROM supersedes WHERE name = ?');
    this.removeIndexPacks = sql('DELETE FROM index_packs WHERE name = ?');
    this.removeUnnamedPacks = sql('DELETE FROM packs WHERE number NOT IN (SELECT pack FROM index_packs)');
    this.staleRecords = sql(
      'SELECT (SELECT coalesce(sum(records), 0) FROM packs) AS packed, (SELECT coalesce(sum(records), 0) FROM stale) AS stale',
    );
    const sweep = sql('DELETE FROM records WHERE pack IN (SELECT pack FROM stale)');
    const swept = sql('DELETE FROM stale');
    this.sweepRecords = {
      run: () => {
        sweep.run();
        swept.run();
      },
    };
    this.indexPacks = sql(
      'SELECT index_packs.name, packs.id FROM index_packs JOIN packs ON packs.number = index_packs.pack',
    );
    this.indexSizes = sql('SELECT name, count(*) AS packs FROM index_packs GROUP BY name');
    this.packsOf = sql('SELECT packs.* FROM index_packs JOIN packs ON packs.number = index_packs.pack WHERE name = ?');
    this.packs = sql('SELECT * FROM packs ORDER BY number');
    this.pack = sql('SELECT * FROM packs WHERE number = ?');
    this.packById = sql('SELECT * FROM packs WHERE id = ?');
    this.addPack = sql('INSERT INTO packs (id, length, session, class, records) VALUES (?, ?, ?, ?, ?)');
    this.addIndexPack = sql('INSERT OR IGNORE INTO index_packs VALUES (?, ?)');
    this.addRecord = sql('INSERT OR IGNORE INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
    this.find = sql(`SELECT ${RECORD} FROM records WHERE id = ? AND kind = ?`);
    this.totals = sql(
      'SELECT kind, count(*) AS count, sum(raw) AS bytes FROM records WHERE pack IN (SELECT number FROM packs) GROUP BY kind',
    );
    this.manifest = sql('SELECT json FROM manifests WHERE path = ?');
    this.addManifest = sql('INSERT OR REPLACE INTO manifests VALUES (?, ?)');
    this.removeManifest = sql('DELETE FROM manifests WHERE path = ?');
  }
}
