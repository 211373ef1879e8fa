/**
 * Files for this account alone, where the system knows modes; what SQLite puts beside a database gets the database's
 * mode.
 */
import { chmodSync, closeSync, openSync, statSync } from 'node:fs';

/**
 * Makes an empty file when it is missing, and takes others' rights to an existing one of our own.
 * @throws errors of the file system
 */
export function ensurePrivateFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const { mode, uid } = statSync(path);
    if ((mode & 0o077) !== 0 && uid === process.geteuid?.()) chmodSync(path, 0o600);
  }
}
