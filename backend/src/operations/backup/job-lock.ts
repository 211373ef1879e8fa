/**
 * Proof of life of a running job: an exclusive SQLite transaction on a file of this machine. The operating system
 * drops the lock with the process, however it ends, so a lock that can be taken belongs to no living process.
 */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { JobStarted } from '../../schema/manifest.ts';
import { toHvError } from '../../support/errors.ts';
import { makeFolderSync } from '../../support/make-folder.ts';
import { hardwareName, isGone, processIdentity } from '../../support/owner.ts';
import { ensurePrivateFile } from '../../support/private-file.ts';
import { stateFolder } from '../../support/state-directory.ts';

export class JobLock {
  readonly path: string;
  readonly #database: DatabaseSync;

  private constructor(path: string, database: DatabaseSync) {
    this.path = path;
    this.#database = database;
  }

  /** @returns null when another process (or another job of this one) holds it */
  static tryAcquire(path: string): JobLock | null {
    makeFolderSync(dirname(path), 0o700);
    ensurePrivateFile(path);
    const database = new DatabaseSync(path);
    try {
      database.exec('PRAGMA busy_timeout = 0');
      database.exec('BEGIN EXCLUSIVE');
      return new JobLock(path, database);
    } catch (error) {
      database.close();
      if (isBusy(error)) return null;
      throw toHvError(error, path);
    }
  }

  /** The file stays: removing it would race with the next one who opens it. */
  release(): void {
    this.#database.close();
  }
}

function isBusy(error: unknown): boolean {
  return (error as { errcode?: number }).errcode === 5 || /database is locked/.test(String(error));
}

/** Lock file of the jobs of one VM in one repository. */
export const jobLockPath = (repositoryId: string, vmId: string): string =>
  resolve(join(stateFolder('locks'), `${repositoryId}-${vmId}.lock`));

/** What a job says of its process in the crash journal. */
export const jobOwner = (lockPath: string): JobStarted['owner'] => ({
  machine: machineName(),
  pid: process.pid,
  lockPath,
  process: processIdentity(),
  hardware: hardwareName(),
});

/** For people; clones have the same. */
function machineName(): string {
  try {
    return `${hostname()}/${readFileSync('/etc/machine-id', 'utf8').trim()}`;
  } catch {
    return hostname();
  }
}

/**
 * Whether the process of a journalled job is proven dead, which only its own machine can do. Older software did not say
 * enough.
 * @param heldPath lock that the caller holds: on the same machine, since the same start, no other process or job does
 */
export function isOwnerDead({ process: began, hardware, lockPath }: JobStarted['owner'], heldPath: string): boolean {
  if (began === undefined) return false;
  if (began.machine === processIdentity().machine && lockPath === heldPath) return true;
  return isGone(began, hardware ?? null);
}
