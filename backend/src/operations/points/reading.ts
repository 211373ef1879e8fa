/**
 * Reading restore points so that no removal takes anything away meanwhile, and saying so when one was removed all
 * the same.
 */

import type { ReaderPin } from '../../repository/port/pins.ts';
import type { Tombstone } from '../../repository/port/points.ts';
import type { Repository } from '../../repository/port/repository.ts';
import { HvError, isHvError } from '../../support/errors.ts';
import { machineLabel } from '../../support/machine-label.ts';
import type { OperationContext } from '../../support/progress.ts';
import type { Point } from './point.ts';

/** Errors that a removal beside the reading explains. */
const MISSING = ['REPOSITORY_DAMAGED', 'FILE_NOT_FOUND', 'POINT_NOT_FOUND'] as const;

/**
 * Runs `work` while the restore points are pinned: what they need stays, even when they are removed meanwhile.
 * @param what for people on other machines: `export`, `restore`, …
 * @throws POINT_REMOVED when one is gone before it was pinned, or was removed where it could not be
 */
export async function whileReading<T>(
  repository: Repository,
  points: readonly Point[],
  what: string,
  context: OperationContext,
  work: () => Promise<T>,
): Promise<T> {
  const pin = await pinPoints(repository, points, what, context);
  try {
    const gone = points.find(({ manifest }) => pin.gone.has(manifest.id));
    if (gone !== undefined) throw await goneMeanwhile(gone, pin);
    const result = await work();
    for (const tombstone of await pin.removed())
      context.warn?.(
        `${removedSentence(points, tombstone)}${pin.protects ? '; all that it needs was kept meanwhile' : ''}.`,
      );
    return result;
  } catch (error) {
    if (!isHvError(error, ...MISSING)) throw error;
    const [tombstone] = await pin.removed();
    if (tombstone === undefined) throw error;
    throw pointRemoved(points, tombstone, error);
  } finally {
    await pin.end();
  }
}

/** Pins them without requiring that all are still there: those in `gone` are not protected. */
export function pinPoints(
  repository: Repository,
  points: readonly Point[],
  what: string,
  { warn }: OperationContext,
): Promise<ReaderPin> {
  const names = [...new Set(points.map(({ body }) => body.vm.name))];
  const of = names.length === 1 ? names[0] : `${points.length} restore points`;
  return repository.pin(
    points.map(({ manifest }) => manifest),
    { owner: `${what} of ${of}`, warn },
  );
}

/** The error for a restore point that was gone before it could be pinned. */
export async function goneMeanwhile(point: Point, pin: ReaderPin): Promise<HvError> {
  const { id } = point.manifest;
  const tombstone = (await pin.removed()).find((one) => one.point === id);
  if (tombstone !== undefined) return pointRemoved([point], tombstone);
  return new HvError('POINT_NOT_FOUND', `Restore point ${id} is not in the repository any more.`, {
    advice: 'Run "hvbackup list" to see the restore points.',
    data: { id },
  });
}

export function pointRemoved(points: readonly Point[], tombstone: Tombstone, cause?: unknown): HvError {
  return new HvError('POINT_REMOVED', `${removedSentence(points, tombstone)}.`, {
    advice: 'Use another restore point: "hvbackup list" shows them.',
    data: {
      pointId: tombstone.point,
      removedAt: tombstone.removedAt,
      removedBy: tombstone.by,
      reason: tombstone.reason,
    },
    cause,
  });
}

export function removedSentence(points: readonly Point[], { point, by, removedAt, reason }: Tombstone): string {
  const vm = points.find(({ manifest }) => manifest.id === point)?.body.vm.name;
  const of = vm === undefined ? '' : ` of ${vm}`;
  return `Restore point ${point}${of} was removed while it was read (on ${machineLabel(by)} at ${removedAt}: ${reason})`;
}
