/**
 * Holds: a held restore point is not removed, by hand or by retention. Numbered records, the newest counts, so that
 * releasing needs no delete (docs/format.md §6).
 */

import { hostname } from 'node:os';
import { Folder, holdFolder, holdName, parseHoldName } from '../../repository/format/names.ts';
import type { RecordStore } from '../../repository/port/records.ts';
import type { Repository } from '../../repository/port/repository.ts';
import { HoldRecord } from '../../schema/manifest.ts';
import { HvError, isHvError } from '../../support/errors.ts';
import { quoted } from '../../support/shell-quote.ts';

/** Durable when it resolves. @returns whether anything was changed */
export async function setHold(records: RecordStore, pointId: string, held: boolean): Promise<boolean> {
  // Names that are taken and not listed: a listing may be short, and anything may lie there.
  let taken = 0;
  for (;;) {
    const newest = (await records.list(holdFolder(pointId))).at(-1);
    if ((newest !== undefined && (await saysHeld(records, newest))) === held) {
      if (newest !== undefined) await records.settle(newest);
      return false;
    }
    const number = Math.max(parseHoldName(newest ?? '')?.number ?? 0, taken) + 1;
    const record: HoldRecord = {
      schema: 1,
      point: pointId,
      state: held ? 'held' : 'released',
      at: new Date().toISOString(),
      by: hostname(),
    };
    try {
      await records.put(holdName(pointId, number), record);
      return true;
    } catch (error) {
      // Another process was quicker: what counts now may be what was wanted.
      if (!isHvError(error, 'FILE_EXISTS')) throw error;
      taken = number;
    }
  }
}

/** Not by a listing alone, which may be short: numbers follow each other, so the next one is asked for. */
export async function isHeld(records: RecordStore, pointId: string): Promise<boolean> {
  let newest = (await records.list(holdFolder(pointId))).at(-1);
  for (;;) {
    const number = (parseHoldName(newest ?? '')?.number ?? 0) + 1;
    const next = holdName(pointId, number);
    let isThere: boolean;
    try {
      isThere = (await records.get(next)) !== null;
    } catch (error) {
      // It holds, whether it is there or not: of a folder that cannot be read no number is known to be the last.
      if (isHvError(error, 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED')) return true;
      throw error;
    }
    if (!isThere) return newest !== undefined && saysHeld(records, newest);
    newest = next;
  }
}

/** Ids of all held restore points: one listing, and one small read for each that ever was held. */
export async function heldPoints(records: RecordStore): Promise<Set<string>> {
  const newest = new Map<string, string>();
  for (const path of await records.list(Folder.holds)) {
    const hold = parseHoldName(path);
    if (hold !== null) newest.set(hold.of, path);
  }
  const held = new Set<string>();
  for (const [pointId, path] of newest) if (await saysHeld(records, path)) held.add(pointId);
  return held;
}

/** @throws POINT_HELD */
export async function requireNotHeld(repository: Repository, pointId: string): Promise<void> {
  if (!(await isHeld(repository.records, pointId))) return;
  throw new HvError('POINT_HELD', `Restore point ${pointId} is held: it cannot be removed.`, {
    advice: `Release it first: hvbackup hold --repository ${quoted(repository.location)} --point ${pointId} --release`,
    data: { pointId },
  });
}

/** Removes the hold records of a restore point that is gone, or never came to be. Best effort. */
export async function forgetHolds(records: RecordStore, pointId: string): Promise<void> {
  for (const path of await records.list(holdFolder(pointId))) await records.delete(path);
}

/** A record that cannot be understood holds: removing is what cannot be taken back. */
async function saysHeld(records: RecordStore, path: string): Promise<boolean> {
  try {
    const value = await records.get(path);
    return value !== null && HoldRecord.safeParse(value).data?.state !== 'released';
  } catch (error) {
    if (isHvError(error, 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED', 'IO_ERROR')) return true;
    throw error;
  }
}
