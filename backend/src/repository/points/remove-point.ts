/** Removes a restore point for good: tombstone and manifest, in an order that survives a crash (docs/format.md §6). */
import { isHvError } from '../../support/errors.ts';
import { pointFolderOf, pointIdOf } from '../format/names.ts';
import type { Storage } from '../storage/storage.ts';
import type { ManifestStore } from './manifests.ts';
import type { TombstoneStore } from './tombstones.ts';

/** A repository, as far as a removal needs it. */
export interface PointStores {
  storage: Storage;
  manifests: ManifestStore;
  tombstones: TombstoneStore;
}

export interface PointRemoval {
  /** Name of the manifest. */
  name: string;
  reason: string;
  /** Called when another process can see the removal; when it throws, the restore point stays. */
  confirm?: () => Promise<void>;
}

/** Its tombstone durable, then its manifest deleted. */
export async function removePoint(stores: PointStores, { name, reason, confirm }: PointRemoval): Promise<void> {
  const { storage, manifests, tombstones } = stores;
  const id = pointIdOf(name);
  // A removal goes by the others that are listed: a power cut must not take one of them as well.
  await storage.settle(name);
  const first = await tombstones.put({ id, group: await groupOf(manifests, name) }, reason);
  try {
    await confirm?.();
  } catch (error) {
    if (first) await tombstones.withdraw(id);
    throw error;
  }
  await manifests.withdraw(name);
}

/**
 * The same where there is no room for a tombstone as long as its manifest is there. What would undo it is kept in
 * memory only; killed in between, the caller's own note makes the next prune put the tombstone.
 */
export async function removeManifestFirst(stores: PointStores, { name, reason, confirm }: PointRemoval): Promise<void> {
  const { storage, manifests, tombstones } = stores;
  const id = pointIdOf(name);
  const group = await groupOf(manifests, name);
  const bytes = await storage.get(name);
  await confirm?.();
  await manifests.withdraw(name);
  let isNew = false;
  try {
    isNew = await tombstones.put({ id, group }, reason);
    // A hold that came meanwhile sees the tombstone, or is seen here.
    await confirm?.();
  } catch (error) {
    await storage.put(name, bytes);
    if (isNew) await tombstones.withdraw(id);
    throw error;
  }
}

/** The group of a manifest. One that cannot be read can still be removed: then the folder's name has to do. */
async function groupOf(manifests: ManifestStore, name: string): Promise<string> {
  try {
    return (await manifests.get(name)).group;
  } catch (error) {
    if (!isHvError(error, 'REPOSITORY_DAMAGED', 'IO_ERROR', 'FILE_NOT_FOUND')) throw error;
    return pointFolderOf(name);
  }
}
