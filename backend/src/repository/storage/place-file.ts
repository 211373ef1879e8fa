/** Gives a finished file its name without ever replacing one: the folder's put-if-absent (docs/format.md §1). */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { HvError, isHvError, toHvError } from '../../support/errors.ts';
import { isWriterDead, writerName } from '../process-identity.ts';
import type { Files } from './files.ts';

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
/** A reservation is held for milliseconds; of an unknown machine's, this age proves that it was left behind. */
const STALE_RESERVATION_MS = 10 * 60 * 1000;

/**
 * @param temporary flushed file on the same file system; gone afterwards, unless false is returned
 * @param reservations folder for reservations where hard links are missing
 * @returns false when `target` exists: nothing was changed
 */
export async function placeFile(
  temporary: string,
  target: string,
  reservations: string,
  files: Files,
): Promise<boolean> {
  const placed = await linkOrRename(temporary, target, reservations, files);
  await files.syncName?.(target);
  // Also of a name that is taken: the caller goes by its being there, and who gave it may have died before this.
  await files.syncFolder(path.dirname(target)).catch((error) => {
    // Somebody has deleted it by now, and its folder.
    if (!isHvError(error, 'FILE_NOT_FOUND')) throw error;
  });
  return placed;
}

async function linkOrRename(temporary: string, target: string, reservations: string, files: Files): Promise<boolean> {
  try {
    await files.link(temporary, target);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (code === 'EEXIST') return false;
    if (!NO_HARD_LINKS.has(code)) throw toHvError(error, target);
    return renameReserved(temporary, target, reservations, files);
  }
  // The object is there; a second name in tmp is housekeeping's when it cannot be removed.
  await files.remove(temporary).catch(() => undefined);
  return true;
}

/** An exclusively created reservation stands in for the link: whoever holds it may look and rename. */
async function renameReserved(temporary: string, target: string, folder: string, files: Files): Promise<boolean> {
  const name = path.relative(path.dirname(folder), target).replaceAll(path.sep, '/');
  const reservation = path.join(folder, `name-${createHash('sha256').update(name).digest('hex')}`);
  await reserve(reservation, target, files);
  try {
    if (await files.exists(target)) return false;
    await files.rename(temporary, target);
    return true;
  } catch (error) {
    throw toHvError(error, target);
  } finally {
    await files.remove(reservation).catch(() => undefined);
  }
}

async function reserve(reservation: string, target: string, files: Files): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (await createReservation(reservation, files)) return;
    if (await isStale(reservation, files)) await files.remove(reservation);
    else await delay(25);
  }
  throw new HvError('IO_ERROR', `Another process holds the reservation of this name: ${target}`, {
    advice: `Wait for it to finish; if it was killed, remove ${reservation}.`,
    data: { path: target, reservation },
  });
}

async function createReservation(reservation: string, files: Files): Promise<boolean> {
  try {
    const file = await files.open(reservation, 'create');
    await file.writeFully(0, Buffer.from(writerName())).finally(() => file.close());
    return true;
  } catch (error) {
    if (isHvError(error, 'FILE_EXISTS')) return false;
    throw toHvError(error, reservation);
  }
}

async function isStale(reservation: string, files: Files): Promise<boolean> {
  try {
    const stat = await files.stat(reservation);
    if (stat === undefined) return false;
    const file = await files.open(reservation, 'read');
    const text = Buffer.alloc(Math.min(stat.size, 256));
    const length = await file.readUpTo(0, text).finally(() => file.close());
    return isWriterDead(text.toString('utf8', 0, length)) === true || Date.now() - stat.mtimeMs > STALE_RESERVATION_MS;
  } catch {
    return false;
  }
}
