/** A person says that what is gone was removed: from then on the repository itself says so, to everybody. */
import { isHvError } from '../../support/errors.ts';
import type { RepositoryCore } from '../core.ts';
import { pointFolderOf, pointIdOf } from '../format/names.ts';
import type { UnexpectedPoint } from '../port/points.ts';
import { Certainty } from './certainty.ts';

/**
 * @returns what that concerned: points that are gone without a tombstone, and those that are back after their removal
 */
export async function acceptRemoved(core: RepositoryCore): Promise<UnexpectedPoint[]> {
  const certainty = new Certainty(core, { goOn: true });
  await certainty.require();
  const accepted = new Map(core.watch.unexpected().map((point) => [point.id, point]));
  for (const { kind, path, pointId, vmName, createdAt } of certainty.doubts) {
    if (kind !== 'point' || pointId === undefined) continue;
    const forged = await bury(core, path);
    const point = { id: pointId, folder: pointFolderOf(path), vmName: vmName ?? null, createdAt: createdAt ?? '' };
    accepted.set(pointId, { ...point, state: 'gone', forged });
  }
  core.watch.accept();
  return [...accepted.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** @returns whether there was a tombstone that could not be read */
async function bury(core: RepositoryCore, name: string): Promise<boolean> {
  const id = pointIdOf(name);
  const group = (await core.ledger.get(name).catch(() => null))?.group ?? pointFolderOf(name);
  const reason = 'it was gone, and a person has accepted that';
  if (await core.tombstones.put({ id, group }, reason)) return false;
  await core.tombstones.withdraw(id).catch((error) => {
    if (!isHvError(error, 'ACCESS_DENIED', 'IO_ERROR')) throw error;
  });
  await core.tombstones.put({ id, group }, reason);
  return true;
}
