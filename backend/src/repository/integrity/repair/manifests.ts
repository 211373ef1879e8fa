/**
 * Manifests that cannot be read, or are gone without a tombstone: written back from what this machine or the repository
 * itself still knows of them (docs/format.md §6). One that is unknown to both stays where it is, and what it may need
 * stays with it.
 */
import { isHvError, throwIfCancelled } from '../../../support/errors.ts';
import type { RepositoryCore } from '../../core.ts';
import { manifestName, pointIdOf } from '../../format/names.ts';
import type { ManifestEnvelope } from '../../port/points.ts';
import { recallManifest } from '../../reach/recall.ts';
import type { RepairContext } from './bad-packs.ts';

export interface RestoredManifests {
  /** Ids of restore points whose manifests are there again. */
  restored: string[];
  /** What this machine knows of others, by name: it must not forget it. */
  kept: Map<string, ManifestEnvelope>;
}

export async function repairManifests(core: RepositoryCore, context: RepairContext): Promise<RestoredManifests> {
  const result: RestoredManifests = { restored: [], kept: new Map() };
  for (const name of await missingManifests(core)) {
    throwIfCancelled(context.signal);
    const known = await recallManifest(core, name);
    if (known === null) continue;
    try {
      if (!context.dryRun) await core.manifests.publish(known);
      result.restored.push(pointIdOf(name));
    } catch (error) {
      if (!isHvError(error, 'ACCESS_DENIED', 'IO_ERROR', 'REPOSITORY_DAMAGED', 'FILE_EXISTS')) throw error;
      result.kept.set(name, known);
    }
  }
  return result;
}

/** Names of manifests that cannot be read, and of those that are gone without having been removed. */
async function missingManifests(core: RepositoryCore): Promise<string[]> {
  const found: string[] = [];
  const published = await core.ledger.names();
  const present = new Set(await core.manifests.present());
  for (const name of await core.manifests.withoutRemoved([...present]))
    try {
      await core.manifests.get(name, { fresh: true });
    } catch (error) {
      if (isHvError(error, 'FILE_NOT_FOUND')) continue;
      if (!isHvError(error, 'REPOSITORY_DAMAGED')) throw error;
      found.push(name);
    }
  const missing = core.watch.unexpected().filter(({ state }) => state === 'gone');
  for (const { folder, id } of missing) published.add(manifestName(folder, id));
  // Listed last: the tombstone comes before the manifest goes.
  const removed = await core.tombstones.ids();
  const gone = [...published].filter((name) => !present.has(name) && !removed.has(pointIdOf(name)));
  return [...found, ...gone];
}
