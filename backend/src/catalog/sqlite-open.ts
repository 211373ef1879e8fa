/** Opens the catalog's SQLite file. */
import { DatabaseSync } from 'node:sqlite';
import { CATALOG_SCHEMA, CATALOG_VERSION } from './sqlite-schema.ts';

/**
 * @param path of the file, created when missing; `:memory:`
 * @throws Error when it is the catalog of another repository or version; ERR_SQLITE_ERROR. It is closed then
 */
export function openDatabase(path: string, repositoryId: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 60_000 });
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384;');
    database.exec('BEGIN IMMEDIATE');
    const known = identityOf(database);
    const identity = `${CATALOG_VERSION} ${repositoryId}`;
    if (known !== null && known !== identity) throw new Error('a catalog of something else');
    database.exec(CATALOG_SCHEMA);
    if (known === null) database.prepare("INSERT INTO meta VALUES ('identity', ?)").run(identity);
    database.exec('COMMIT');
    return database;
  } catch (error) {
    // An open file could not be removed on Windows.
    database.close();
    throw error;
  }
}

function identityOf(database: DatabaseSync): string | null {
  const table = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get();
  if (table === undefined) return null;
  const row = database.prepare("SELECT value FROM meta WHERE key = 'identity'").get();
  return row === undefined ? null : String(row.value);
}
