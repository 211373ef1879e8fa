/** Gives a finished file its name without ever replacing one: the folder's put-if-absent (docs/format.md §1). */
import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { HvError, toHvError } from '../../support/errors.ts';
import { exists, removeFile, syncDirectory } from '../../support/file.ts';
import { isWriterDead, writerName } from '../process-identity.ts';

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

export type Link = (existing: string, created: string) => Promise<void>;

/**
 * @param temporary flushed file on the same file system; gone afterwards, unless false is returned
 * @param reservations folder for reservations where hard links are missing
 * @returns false when `target` exists: nothing was changed
 */
export async function placeFile(
  temporary: string,
  target: string,
  reservations: string,
  link: Link = fs.link,
): Promise<boolean> {
  try {
    await link(temporary, target);
    await removeFile(temporary);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (code === 'EEXIST') return false;
    if (!NO_HARD_LINKS.has(code)) throw toHvError(error, target);
    if (!(await renameReserved(temporary, target, reservations))) return false;
  }
  await syncDirectory(path.dirname(target));
  return true;
}

/** An exclusively created reservation stands in for the link: whoever holds it may look and rename. */
async function renameReserved(temporary: string, target: string, folder: string): Promise<boolean> {
  const name = path.relative(path.dirname(folder), target).replaceAll(path.sep, '/');
  const reservation = path.join(folder, `name-${createHash('sha256').update(name).digest('hex')}`);
  await reserve(reservation, target);
  try {
    if (await exists(target)) return false;
    await fs.rename(temporary, target);
    return true;
  } catch (error) {
    throw toHvError(error, target);
  } finally {
    await removeFile(reservation).catch(() => undefined);
  }
}

async function reserve(reservation: string, target: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      await fs.writeFile(reservation, writerName(), { flag: 'wx' });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw toHvError(error, reservation);
    }
    if (await isStale(reservation)) await removeFile(reservation);
    else await delay(25);
  }
  throw new HvError('IO_ERROR', `Another process holds the reservation of this name: ${target}`, {
    advice: `Wait for it to finish; if it was killed, remove ${reservation}.`,
    data: { path: target, reservation },
  });
}

async function isStale(reservation: string): Promise<boolean> {
  try {
    const [writer, stat] = await Promise.all([fs.readFile(reservation, 'utf8'), fs.stat(reservation)]);
    return isWriterDead(writer) === true || Date.now() - stat.mtimeMs > STALE_RESERVATION_MS;
  } catch {
    return false;
  }
}
