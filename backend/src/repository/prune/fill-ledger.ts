/**
 * Keeps the ledger as the restore points are (docs/format.md §6): entries for those that were published by older
 * software or by a writer that was killed before its own, none for those whose tombstone is past its time.
 */
import { isHvError } from '../../support/errors.ts';
import type { RepositoryCore } from '../core.ts';
import { pointIdOf } from '../format/names.ts';

/**
 * Adds what is missing. Best effort: nothing depends on it today, and where there is no room or no permission it must
 * not keep a prune from its work.
 */
export async function fillLedger(core: RepositoryCore): Promise<void> {
  const listed = await core.manifests.names();
  const noted = await core.ledger.names();
  try {
    for (const name of listed) {
      if (noted.has(name)) continue;
      const manifest = await core.manifests.get(name, { fresh: true }).catch(unreadable);
      if (manifest === null) continue;
      // Others rely on its being there from now on.
      await core.storage.settle(name);
      await core.ledger.put(name, manifest);
    }
  } catch (error) {
    if (!isHvError(error, 'DISK_FULL', 'ACCESS_DENIED', 'IO_ERROR')) throw error;
  }
}

/**
 * Before a restore point is removed: where it is the only one, its tombstone alone would not explain the packs that
 * stay behind it for a while, as for a reader. Best effort, as above.
 * @param name of the manifest
 */
export async function noteBeforeRemoval(core: RepositoryCore, name: string): Promise<void> {
  try {
    if ((await core.ledger.get(name)) !== null) return;
    const manifest = await core.manifests.get(name, { fresh: true }).catch(unreadable);
    if (manifest === null) return;
    await core.storage.settle(name);
    await core.ledger.put(name, manifest);
  } catch (error) {
    if (!isHvError(error, 'DISK_FULL', 'ACCESS_DENIED', 'IO_ERROR', 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED')) throw error;
  }
}

/**
 * Drops tombstones past their time, and what the ledger says of their restore points first: an entry without tombstone
 * would be a restore point that was not removed.
 * @param present ids of all manifests
 */
export async function dropOldTombstones(core: RepositoryCore, present: ReadonlySet<string>): Promise<void> {
  let noted: Map<string, string[]> | undefined;
  await core.tombstones.dropOld(present, async (id) => {
    noted ??= Map.groupBy(await core.ledger.names(), pointIdOf);
    for (const name of noted.get(id) ?? []) await core.ledger.drop(name);
  });
}

/** Gone since, or damaged: then there is nothing to note. */
function unreadable(error: unknown): null {
  if (isHvError(error, 'FILE_NOT_FOUND', 'REPOSITORY_DAMAGED', 'IO_ERROR', 'NOT_SUPPORTED')) return null;
  throw error;
}
