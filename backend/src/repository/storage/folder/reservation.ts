/**
 * The right to rename a file to a name that is free, where a file system has no hard links (docs/format.md §1): a
 * reservation, an empty file `tmp/name-<SHA-256 of the name>-<temporary file>`. A writer makes its own and lists: when
 * there is no other, it holds the name. Of two writers one at least sees the other, for each makes its own before it
 * lists; then the lower name goes first.
 *
 * Who takes a reservation for left behind removes the temporary file that it names first. Should its writer live after
 * all, its rename fails. So ages decide how long one waits, and never whether an object is replaced. And as each
 * reservation has a name of its own, removing one, however late, never hits another's.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { HvError, isHvError } from '../../../support/errors.ts';
import { isWriterDead } from '../../../support/owner.ts';
import type { Files } from './files.ts';

export interface ReservationOptions {
  /** For tests. Of this age, by the clock of the share, a reservation counts as left behind. Default: 10 minutes. */
  staleMs?: number;
}

/** A reservation is held for milliseconds. */
const STALE_MS = 10 * 60 * 1000;
const ATTEMPTS = 200;
const PAUSE_MS = 25;

/** With the name of the temporary file; earlier software's without. */
const RESERVATION = /^name-[0-9a-f]{64}(?:-([0-9A-Za-z-]+))?$/;

/** The file that its writer is about to rename; null when it names none, or is no reservation. */
export const temporaryOf = (name: string): string | null => RESERVATION.exec(name)?.[1] ?? null;

export const isReservation = (name: string): boolean => RESERVATION.test(name);

export class Reservation {
  readonly #target: string;
  readonly #folder: string;
  readonly #files: Files;
  readonly #staleMs: number;
  readonly #prefix: string;
  readonly #own: string;

  private constructor(temporary: string, target: string, folder: string, files: Files, options: ReservationOptions) {
    this.#target = target;
    this.#folder = folder;
    this.#files = files;
    this.#staleMs = options.staleMs ?? STALE_MS;
    const name = path.relative(path.dirname(folder), target).replaceAll(path.sep, '/');
    this.#prefix = `name-${createHash('sha256').update(name).digest('hex')}`;
    this.#own = `${this.#prefix}-${path.basename(temporary)}`;
  }

  /**
   * @param folder for reservations; `temporary` lies in it
   * @returns null when the name is taken by now
   * @throws IO_ERROR (EBUSY) when another process holds it
   */
  static async take(
    temporary: string,
    target: string,
    folder: string,
    files: Files,
    options: ReservationOptions = {},
  ): Promise<Reservation | null> {
    const reservation = new Reservation(temporary, target, folder, files, options);
    try {
      if (await reservation.#hold()) return reservation;
    } catch (error) {
      await reservation.release().catch(() => undefined);
      throw error;
    }
    await reservation.release();
    return null;
  }

  /** Whether no other process has taken it for left behind. */
  isHeld(): Promise<boolean> {
    return this.#files.exists(this.#path(this.#own));
  }

  release(): Promise<void> {
    return this.#files.remove(this.#path(this.#own));
  }

  /** @returns false when the name is taken */
  async #hold(): Promise<boolean> {
    await this.#make();
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const all = (await this.#files.names(this.#folder)).filter((name) => name.startsWith(this.#prefix));
      const others = all.filter((name) => name !== this.#own);
      const isListed = all.length > others.length;
      if (isListed && others.length === 0) return true;
      const cleared = await this.#clear(others);
      if (cleared === 'taken') return false;
      if (cleared) continue;
      const isFirst = others.every((other) => other > this.#own);
      if (isFirst && !isListed) await this.#make();
      else {
        if (!isFirst && isListed) await this.release();
        await delay(PAUSE_MS);
      }
    }
    throw new HvError('IO_ERROR', `Another process holds the reservation of this name: ${this.#target}`, {
      advice: `Wait for it to finish; if it was killed on another machine, remove ${this.#path(this.#prefix)}-*.`,
      data: { path: this.#target, reservation: this.#path(this.#prefix), errno: 'EBUSY' },
    });
  }

  /** @returns whether one of them was removed; `taken` when the name is */
  async #clear(others: string[]): Promise<boolean | 'taken'> {
    let removed = false;
    for (const other of others) {
      if (!(await this.#isLeftBehind(other))) continue;
      // Looked at after its temporary file: a writer that has just renamed it is about to release its reservation
      // itself.
      if (await this.#files.exists(this.#target)) return 'taken';
      removed = (await breakReservation(this.#folder, other, this.#files)) || removed;
    }
    return removed || ((await this.#files.exists(this.#target)) ? 'taken' : false);
  }

  async #isLeftBehind(other: string): Promise<boolean> {
    const temporary = temporaryOf(other);
    if (temporary !== null) {
      if (isWriterDead(temporary) === true) return true;
      // Its writer has renamed it, or never will.
      if (!(await this.#files.exists(this.#path(temporary)))) return true;
    }
    // By the clock of the share: that of our own reservation.
    const [theirs, ours] = [await this.#files.stat(this.#path(other)), await this.#files.stat(this.#path(this.#own))];
    return theirs !== undefined && ours !== undefined && ours.mtimeMs - theirs.mtimeMs >= this.#staleMs;
  }

  async #make(): Promise<void> {
    try {
      await (await this.#files.open(this.#path(this.#own), 'create')).close();
    } catch (error) {
      // From an attempt before: no other process makes one of this name.
      if (!isHvError(error, 'FILE_EXISTS')) throw error;
    }
  }

  #path(name: string): string {
    return path.join(this.#folder, name);
  }
}

/**
 * Takes away a writer's right to rename, and then its reservation.
 * @returns false when its temporary file stays all the same, as one that a process of Windows has open
 */
export async function breakReservation(folder: string, name: string, files: Files): Promise<boolean> {
  const temporary = temporaryOf(name);
  if (temporary !== null) {
    await files.remove(path.join(folder, temporary));
    if (await files.exists(path.join(folder, temporary))) return false;
  }
  await files.remove(path.join(folder, name));
  return true;
}
