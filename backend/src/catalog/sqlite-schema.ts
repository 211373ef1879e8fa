/** Tables and statements of the catalog. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** Another version is thrown away and loaded anew. */
export const CATALOG_VERSION = 6;

/**
 * Records themselves lie in segments; their entries name packs by number, and those whose pack is not in `packs` are
 * stale. Pack numbers are never used again, so a stale entry cannot point into a newer pack. `bases`: of delta records.
 */
export const CATALOG_SCHEMA = `
  CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS indexes (name TEXT PRIMARY KEY) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS supersedes (name TEXT, old TEXT, PRIMARY KEY (name, old)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS packs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL,
    length INTEGER NOT NULL, session TEXT NOT NULL, class INTEGER NOT NULL, records INTEGER NOT NULL,
    blocks INTEGER NOT NULL, block_bytes INTEGER NOT NULL, nodes INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS index_packs (name TEXT, pack INTEGER, PRIMARY KEY (name, pack)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS index_packs_by_pack ON index_packs (pack);
  CREATE TABLE IF NOT EXISTS segments (
    name TEXT PRIMARY KEY, tag INTEGER NOT NULL, pages INTEGER NOT NULL, entries INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS bases (
    pack INTEGER, ordinal INTEGER, base BLOB NOT NULL, PRIMARY KEY (pack, ordinal)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS stale (pack INTEGER PRIMARY KEY, records INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS manifests (
    path TEXT PRIMARY KEY, id TEXT NOT NULL, json TEXT NOT NULL, proof TEXT NOT NULL) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS manifests_by_id ON manifests (id);
  CREATE TABLE IF NOT EXISTS contents (root TEXT, path TEXT, PRIMARY KEY (root, path)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS digests (
    kind TEXT, path TEXT, json TEXT NOT NULL, key TEXT, proof TEXT NOT NULL, PRIMARY KEY (path, kind)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS digests_by_key ON digests (kind, key);
  CREATE TABLE IF NOT EXISTS digested (kind TEXT, folder TEXT, mark TEXT NOT NULL, PRIMARY KEY (kind, folder)) WITHOUT ROWID;
  CREATE TRIGGER IF NOT EXISTS pack_goes_stale AFTER DELETE ON packs
    BEGIN INSERT OR REPLACE INTO stale VALUES (old.number, old.records); END;
`;

const QUERIES = {
  version: 'PRAGMA data_version',
  // One text: a row for each of thousands takes ten times as long.
  indexes: "SELECT group_concat(name, '/') FROM indexes",
  supersedes: 'SELECT name, old FROM supersedes',
  hasIndex: 'SELECT 1 FROM indexes WHERE name = ?',
  addIndex: 'INSERT INTO indexes VALUES (?)',
  addSupersedes: 'INSERT OR IGNORE INTO supersedes VALUES (?, ?)',
  removeIndex: 'DELETE FROM indexes WHERE name = ?',
  removeSupersedes: 'DELETE FROM supersedes WHERE name = ?',
  removeIndexPacks: 'DELETE FROM index_packs WHERE name = ?',
  removeUnnamedPacks: 'DELETE FROM packs WHERE number NOT IN (SELECT pack FROM index_packs)',
  staleRecords:
    'SELECT (SELECT coalesce(sum(entries), 0) FROM segments) AS entries, (SELECT coalesce(sum(records), 0) FROM stale) AS stale',
  stalePacks: 'SELECT pack FROM stale',
  removeBases: 'DELETE FROM bases WHERE pack = ?',
  removeStale: 'DELETE FROM stale WHERE pack = ?',
  indexPacks: 'SELECT index_packs.name, packs.id FROM index_packs JOIN packs ON packs.number = index_packs.pack',
  indexesOfPack: 'SELECT name FROM index_packs WHERE pack = (SELECT number FROM packs WHERE id = ?)',
  indexSizes: 'SELECT name, count(*) AS packs FROM index_packs GROUP BY name',
  packsOf: 'SELECT packs.* FROM index_packs JOIN packs ON packs.number = index_packs.pack WHERE name = ?',
  packs: 'SELECT number, id, length, session, class, records FROM packs ORDER BY number',
  packIds: "SELECT group_concat(id, '/') FROM packs",
  packNumbers: 'SELECT number FROM packs',
  packCount: 'SELECT count(*) AS packs FROM packs',
  lastPack: 'SELECT max(number) AS number FROM packs',
  pack: 'SELECT * FROM packs WHERE number = ?',
  packById: 'SELECT * FROM packs WHERE id = ?',
  addPack:
    'INSERT INTO packs (id, length, session, class, records, blocks, block_bytes, nodes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  addIndexPack: 'INSERT OR IGNORE INTO index_packs VALUES (?, ?)',
  segments: 'SELECT name, tag, pages, entries FROM segments',
  addSegment: 'INSERT INTO segments VALUES (?, ?, ?, ?)',
  removeSegment: 'DELETE FROM segments WHERE name = ?',
  addBase: 'INSERT OR IGNORE INTO bases VALUES (?, ?, ?)',
  base: 'SELECT base FROM bases WHERE pack = ? AND ordinal = ?',
  bases: 'SELECT pack, ordinal, base FROM bases',
  totals: 'SELECT total(blocks) AS blocks, total(block_bytes) AS blockBytes, total(nodes) AS nodes FROM packs',
  manifest: 'SELECT json, proof FROM manifests WHERE path = ?',
  addManifest: 'INSERT OR REPLACE INTO manifests VALUES (?, ?, ?, ?)',
  pointPaths: 'SELECT path FROM manifests WHERE id = ?',
  removeManifest: 'DELETE FROM manifests WHERE path = ?',
  addContent: 'INSERT OR IGNORE INTO contents VALUES (?, ?)',
  contentPaths: 'SELECT path FROM contents WHERE root = ?',
  removeContent: 'DELETE FROM contents WHERE root = ? AND path = ?',
  digests: 'SELECT path, json, key, proof FROM digests WHERE kind = ?',
  digestsOfKey: 'SELECT path, json, key, proof FROM digests WHERE kind = ? AND key = ?',
  digest: 'SELECT json, key, proof FROM digests WHERE path = ? AND kind = ?',
  addDigest: 'INSERT OR REPLACE INTO digests (kind, path, json, key, proof) VALUES (?, ?, ?, ?, ?)',
  removeDigests: 'DELETE FROM digests WHERE path = ?',
  digested: 'SELECT folder, mark FROM digested WHERE kind = ?',
  addDigested: 'INSERT OR REPLACE INTO digested VALUES (?, ?, ?)',
  removeDigested: 'DELETE FROM digested WHERE kind = ? AND folder = ?',
  removeDigestedFolder: 'DELETE FROM digested WHERE folder = ?',
} as const;

export type Statements = Record<keyof typeof QUERIES, StatementSync>;

/** Prepared once: a lookup then costs microseconds. */
export function prepareStatements(database: DatabaseSync): Statements {
  const prepared = Object.entries(QUERIES).map(([name, text]) => [name, database.prepare(text)]);
  const statements = Object.fromEntries(prepared) as Statements;
  // Read by the ten thousand.
  for (const name of [
    'indexes',
    'packIds',
    'supersedes',
    'digests',
    'digestsOfKey',
    'digested',
    'bases',
    'packs',
  ] as const)
    statements[name].setReturnArrays(true);
  return statements;
}
