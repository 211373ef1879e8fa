/**
 * Proof of life of a running job: an exclusive SQLite transaction on a file of this machine. The operating system
 * drops the lock with the process, however it ends, so a lock that can be taken belongs to nobody alive.
 */
import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { toHvError } from '../support/errors.ts';
import { makeFolderSync } from '../support/make-folder.ts';
import { ensurePrivateFile } from '../support/private-file.ts';
import { stateFolder } from '../support/state-directory.ts';

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

/**
 * Names this machine for the crash journal. The host name alone can repeat (clones, containers), so the system's own
 * machine id is added where there is one.
 */
export function machineName(): string {
  try {
    return `${hostname()}/${readFileSync('/etc/machine-id', 'utf8').trim()}`;
  } catch {
    return hostname();
  }
}

/**
 * Whether the owner of a journalled job is proven dead. A job of another machine never is: only its own machine can
 * tell (DESIGN §5, step 2).
 * @param heldPath lock that the caller holds itself; a job that recorded it is over
 */
export function isOwnerDead(owner: { machine: string; pid: number; lockPath: string }, heldPath: string): boolean {
  if (owner.machine !== machineName()) return false;
  if (owner.lockPath === heldPath) return true;
  // The state directory was another one then: its lock still tells, if it is still there.
  if (existsSync(owner.lockPath)) {
    const lock = JobLock.tryAcquire(owner.lockPath);
    lock?.release();
    return lock !== null;
  }
  return !processExists(owner.pid);
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it exists and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
