/**
 * Removing restore points. This machine notes what it is about to remove, so that a later prune of its own finishes a
 * removal that was cut short; tombstones of other machines alone delete nothing (docs/format.md §6).
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PruneResult } from '../../repository/port/maintenance.ts';
import type { Repository } from '../../repository/port/repository.ts';
import { HvError, isHvError, toHvError } from '../../support/errors.ts';
import { makeFolderSync } from '../../support/make-folder.ts';
import { isDead, type ProcessIdentity, processIdentity } from '../../support/owner.ts';
import type { OperationContext } from '../../support/progress.ts';
import { stateFolder } from '../../support/state-directory.ts';
import { isUlid } from '../../support/ulid.ts';
import { forgetHolds, heldPoints, requireNotHeld } from './holds.ts';

/** What a note says when the removal failed; before, it says which process is at work. */
const ABANDONED = 'abandoned';

const folder = (repository: Repository): string => join(stateFolder('removals'), repository.id);

/**
 * Tombstone, manifest deleted. Its space comes back by {@link prune}.
 * @throws POINT_HELD, POINT_NOT_FOUND, ACCESS_DENIED on append-only storage
 */
export async function unpublish(repository: Repository, pointId: string, reason: string): Promise<void> {
  await requireNotHeld(repository, pointId);
  const note = join(folder(repository), pointId);
  try {
    makeFolderSync(folder(repository), 0o700);
    writeFileSync(note, JSON.stringify(processIdentity()), { mode: 0o600 });
  } catch (error) {
    throw toHvError(error, note);
  }
  try {
    await repository.removeManifest(pointId, { reason, confirm: () => requireNotHeld(repository, pointId) });
  } catch (error) {
    // Taken back for a hold, or to be finished by a prune.
    if (isHvError(error, 'POINT_HELD')) rmSync(note, { force: true });
    else writeFileSync(note, ABANDONED);
    throw error;
  }
  await forgetHolds(repository.records, pointId);
  rmSync(note, { force: true });
}

/**
 * Full id of a restore point that is to go, listed or left over from a removal that was cut short.
 * @throws POINT_NOT_FOUND, …
 */
export async function findToRemove(repository: Repository, selector: string): Promise<string> {
  try {
    return await repository.findPoint(selector);
  } catch (error) {
    const id = selector.toUpperCase();
    if (isHvError(error, 'POINT_NOT_FOUND') && isUlid(id) && (await repository.tombstone(id)) !== null) return id;
    throw error;
  }
}

/**
 * Prunes after `removed` have gone from the list: when that fails, they are gone all the same, and the error says so.
 */
export async function pruneAfter(
  repository: Repository,
  removed: readonly string[],
  options: PruneOptions,
): Promise<PruneResult> {
  try {
    return await prune(repository, options);
  } catch (error) {
    if (removed.length === 0) throw error;
    const { code, message, advice, data } = toHvError(error);
    const what =
      removed.length === 1
        ? `Restore point ${removed[0]} was removed`
        : `${removed.length} restore points were removed`;
    throw new HvError(code, `${what}, and the space was not freed: ${message}`, {
      advice: `${advice ?? ''} Then run "hvbackup prune" again.`.trim(),
      data: { ...data, removed: [...removed] },
      cause: error,
    });
  }
}

export type PruneOptions = OperationContext & {
  dryRun?: boolean;
  without?: ReadonlySet<string>;
  overrideDoubt?: boolean;
};

/** Prunes, finishing what this machine began to remove, and says what keeps it from giving space back. */
export async function prune(repository: Repository, options: PruneOptions): Promise<PruneResult> {
  const result = options.dryRun ? await repository.prune(options) : await pruneAndFinish(repository, options);
  for (const { pointId, vmName, message } of result.blocked) {
    const which = pointId === null ? 'What a running backup builds on' : `Restore point ${pointId}`;
    const next =
      pointId === null
        ? 'Prune again when that backup has ended.'
        : `Run "hvbackup repair", with --from if another repository has this restore point; or give it up: hvbackup remove --point ${pointId}.`;
    options.warn?.(
      `${which}${vmName === null ? '' : ` of ${vmName}`} cannot be read (${message}), so it cannot be known what it needs: ` +
        `no space is freed as long as it is present. ${next}`,
    );
  }
  return result;
}

async function pruneAndFinish(repository: Repository, options: PruneOptions): Promise<PruneResult> {
  const known = notes(repository);
  const mine = new Set(known.filter((id) => isOver(join(folder(repository), id))));
  await finishFirstDeleted(repository, mine);
  const held = mine.size > 0 ? await heldPoints(repository.records) : new Set<string>();
  const others: string[] = [];
  const result = await repository.prune({
    ...options,
    finish: ({ point, by }) => {
      if (held.has(point)) return false;
      if (!known.includes(point)) others.push(`${point} (by ${by.split('/')[0]})`);
      return mine.has(point);
    },
  });
  if (others.length > 0) {
    options.warn?.(
      `Marked as removed by another machine, and still there: ${others.slice(0, 5).join(', ')}${others.length > 5 ? ', …' : ''}. ` +
        'Their space is not freed until "hvbackup remove" finishes that, here or there.',
    );
  }
  for (const point of mine) {
    if (held.has(point)) continue;
    // Only of what is removed for good: no one can hold it any more.
    if ((await repository.tombstone(point)) !== null) await forgetHolds(repository.records, point);
    rmSync(join(folder(repository), point), { force: true });
  }
  return result;
}

/**
 * Of a removal that had no room for its tombstone before the manifest was gone, and was killed then, only the note is
 * left.
 */
async function finishFirstDeleted(repository: Repository, mine: ReadonlySet<string>): Promise<void> {
  for (const point of mine) {
    if ((await repository.tombstone(point).catch(() => undefined)) !== null) continue;
    const isGone = await repository.readManifest(point).then(
      () => false,
      (error) => isHvError(error, 'POINT_NOT_FOUND'),
    );
    if (isGone) await repository.finishRemoval(point, 'its removal was cut short');
  }
}

/** Whether no process is at work on a removal any more. One that goes on may still be taken back, for a hold. */
function isOver(note: string): boolean {
  try {
    const text = readFileSync(note, 'utf8');
    if (text === ABANDONED) return true;
    const identity = JSON.parse(text) as ProcessIdentity;
    // The folder is this machine's, so another identity is that of an earlier boot.
    return identity.machine !== processIdentity().machine || isDead(identity);
  } catch {
    // Written only in part: the tombstone comes after it.
    return true;
  }
}

/** Ids of restore points that this machine began to remove and did not finish. */
function notes(repository: Repository): string[] {
  try {
    return readdirSync(folder(repository)).filter(isUlid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw toHvError(error, folder(repository));
  }
}
