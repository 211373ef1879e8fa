/** Gives a finished file its name without ever replacing one: the folder's put-if-absent (docs/format.md §1). */
import path from 'node:path';
import { HvError, isHvError, toHvError } from '../../../support/errors.ts';
import type { Files } from './files.ts';
import { Reservation, type ReservationOptions } from './reservation.ts';

/** What systems answer where a file system has no hard links. */
const NO_HARD_LINKS = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EMLINK',
  'EINVAL',
  'EISDIR',
  'UNKNOWN',
  'EACCES',
]);

/**
 * @param temporary flushed file on the same file system; gone afterwards, unless false is returned or the target's
 *   folder is missing
 * @param reservations its folder, for reservations where hard links are missing
 * @returns false when `target` exists: nothing was changed
 */
export async function placeFile(
  temporary: string,
  target: string,
  reservations: string,
  files: Files,
  options: ReservationOptions = {},
): Promise<boolean> {
  const placed = await linkOrRename(temporary, target, reservations, files, options);
  await files.syncName?.(target);
  // Also of a name that is taken: the caller goes by its being there, and who gave it may have died before this.
  await files.syncFolder(path.dirname(target)).catch((error) => {
    // Another process has deleted it by now, and its folder.
    if (!isHvError(error, 'FILE_NOT_FOUND')) throw error;
  });
  return placed;
}

async function linkOrRename(
  temporary: string,
  target: string,
  reservations: string,
  files: Files,
  options: ReservationOptions,
): Promise<boolean> {
  try {
    await files.link(temporary, target);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EEXIST') return false;
    if (!NO_HARD_LINKS.has(code) || (await hasHardLinks(temporary, files))) throw toHvError(error, target);
    return renameReserved(temporary, target, reservations, files, options);
  }
  // The object is there; a second name in tmp is housekeeping's when it cannot be removed.
  await files.remove(temporary).catch(() => undefined);
  return true;
}

/**
 * Whether hard links are missing, or one was refused for another reason: a writer that renames beside one that links
 * would replace what that one has just named.
 */
async function hasHardLinks(temporary: string, files: Files): Promise<boolean> {
  const second = `${temporary}-link`;
  try {
    await files.link(temporary, second);
  } catch (error) {
    if (NO_HARD_LINKS.has(codeOf(error))) return false;
    if (codeOf(error) !== 'EEXIST') throw toHvError(error, second);
  }
  await files.remove(second).catch(() => undefined);
  return true;
}

/** A reservation stands in for the link: its holder may look and rename. */
async function renameReserved(
  temporary: string,
  target: string,
  folder: string,
  files: Files,
  options: ReservationOptions,
): Promise<boolean> {
  const reservation = await Reservation.take(temporary, target, folder, files, options);
  if (reservation === null) return false;
  try {
    if (await files.exists(target)) {
      await reservation.release().catch(() => undefined);
      return false;
    }
    await files.rename(temporary, target);
    // Where removing a file is not one step, who broke the reservation may remove what was renamed meanwhile.
    if (!(await reservation.isHeld())) throw brokenInto(target);
  } catch (error) {
    const isMissing = codeOf(error) === 'ENOENT';
    const isThere = isMissing && (await files.exists(temporary));
    // A share may yet do what it has reported as failed, as long as there is something to rename.
    if (isThere || (await hasRemoved(temporary, files))) await reservation.release().catch(() => undefined);
    throw isMissing && !isThere ? brokenInto(target) : toHvError(error, target);
  }
  await reservation.release().catch(() => undefined);
  return true;
}

const hasRemoved = (temporary: string, files: Files): Promise<boolean> =>
  files.remove(temporary).then(
    () => true,
    () => false,
  );

/** The storage's caller begins again, with a new file, and then learns who has the name. */
const brokenInto = (target: string): HvError =>
  new HvError('IO_ERROR', `Another process took this one for dead while it gave a name: ${target}`, {
    advice: 'Run the command again.',
    data: { path: target, errno: 'EBUSY' },
  });

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? '';
