/** Holding a restore point and releasing it. */
import type { Repository } from '../../repository/port/repository.ts';
import type { HoldPointParams, HoldPointResult } from '../../schema/points.ts';
import { HvError } from '../../support/errors.ts';
import type { OperationContext } from '../../support/progress.ts';
import { withRepository } from '../with.ts';
import { setHold } from './holds.ts';
import { readPoint } from './points.ts';

/** Puts a hold on a restore point, or releases it. @throws POINT_NOT_FOUND, also when it is being removed meanwhile */
export async function holdPoint(params: HoldPointParams, context: OperationContext): Promise<HoldPointResult> {
  return withRepository(params, context, async (repository) => {
    const { manifest, body } = await readPoint(repository, params.point);
    const changed = params.release
      ? await setHold(repository.records, manifest.id, false)
      : await placeHold(repository, manifest.id);
    return { pointId: manifest.id, vmId: body.vm.id, vmName: body.vm.name, held: !params.release, changed };
  });
}

/**
 * Holds a restore point. Who removes looks for a hold after the tombstone is there, and here it is the other way round;
 * so one of the two sees the other.
 * @returns whether it was not held before
 * @throws POINT_NOT_FOUND when it is being removed
 */
export async function placeHold(repository: Repository, pointId: string): Promise<boolean> {
  const changed = await setHold(repository.records, pointId, true);
  if ((await repository.tombstone(pointId)) === null) return changed;
  await setHold(repository.records, pointId, false);
  throw new HvError('POINT_NOT_FOUND', `Restore point ${pointId} is being removed: it cannot be held any more.`, {
    advice: 'Run "hvbackup list" to see the restore points that are left.',
    data: { pointId },
  });
}
