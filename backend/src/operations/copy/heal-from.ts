/**
 * `repair --from`: what a repository has lost is read from another one that has it. Restore points that both have are
 * compared by what they hold, so the other may have other block sizes and keys; it may as well be a copy of the folder
 * itself.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pointIdOf } from '../../repository/format/names.ts';
import type { Repository } from '../../repository/port/repository.ts';
import { HvError, isHvError, throwIfCancelled, toHvError } from '../../support/errors.ts';
import type { OperationContext } from '../../support/progress.ts';
import { openRepository } from '../open-repository.ts';
import { usesOf } from '../points/losses.ts';
import type { Point } from '../points/point.ts';
import { readablePoints } from '../points/points.ts';
import { type CopiedPoint, copyPoint, type PointCopier } from './copy-point.ts';
import { healPoint } from './heal-point.ts';

export interface HealedFrom {
  /** Ids of restore points that are there again. */
  restored: string[];
  /** Ids of restore points that got back what they had lost. */
  healed: string[];
  /** Paths of small records that were taken over. */
  records: string[];
}

export interface OtherRepository {
  repository: string;
  passphrase?: string;
}

/** The other one with a catalog of its own: a copy of the folder has the id of the original, and not its objects. */
export async function withOther<T>(
  other: OtherRepository,
  repository: Repository,
  { signal, warn, repeated }: OperationContext,
  work: (from: Repository) => Promise<T>,
): Promise<T> {
  const state = await mkdtemp(join(tmpdir(), 'hvbackup-from-'));
  try {
    const { passphrase } = other;
    const options = { passphrase, stateDirectory: state, forContent: true, signal, warn, repeated };
    const from = await openRepository(other.repository, options);
    try {
      if (from.location === repository.location)
        throw new HvError('USAGE', `${from.location} cannot be repaired from itself.`, {
          advice: 'Give another repository that holds copies of its restore points.',
          data: { location: from.location },
        });
      return await work(from);
    } finally {
      await from.close();
    }
  } finally {
    await rm(state, { recursive: true, force: true });
  }
}

/**
 * @param missing paths of small records that are gone or were quarantined
 * @throws what keeps either repository from being read or written at all
 */
export async function healFrom(
  from: Repository,
  to: Repository,
  missing: readonly string[],
  context: OperationContext,
): Promise<HealedFrom> {
  const copier: PointCopier = { from, to, compression: 'default', context };
  const records = from.id === to.id ? await to.takeRecords(from, missing) : [];
  const source = new Map((await readable(from, context)).map((point) => [point.manifest.id, point]));
  const restored: string[] = [];
  for (const id of await lostPoints(to)) {
    const point = source.get(id);
    if (point !== undefined && (await restorePoint(copier, point))) restored.push(id);
  }
  const healed: string[] = [];
  const targets = await readable(to, context);
  // These blocks may not have been read yet: rot that is not known would not be healed.
  await to.verify(
    targets.flatMap(usesOf).map(({ content }) => content),
    context,
  );
  if (await to.knowsDamage())
    for (const target of targets) {
      const twin = source.get(target.manifest.id);
      if (twin && (await heal(copier, { source: twin, target }))) healed.push(target.manifest.id);
    }
  return { restored, healed, records };
}

const readable = (repository: Repository, { warn }: OperationContext): Promise<Point[]> =>
  readablePoints(
    repository,
    (warning) => warn?.(warning),
    () => undefined,
  );

/** Restore points that cannot be read, or are gone without having been removed. */
async function lostPoints(repository: Repository): Promise<Set<string>> {
  const lost = new Set<string>();
  await repository.listManifests(undefined, {
    onDamage: ({ path }) => void lost.add(pointIdOf(path)),
  });
  for (const { id, state } of repository.unexpectedPoints()) if (state === 'gone') lost.add(id);
  return lost;
}

async function restorePoint(copier: PointCopier, point: Point): Promise<boolean> {
  throwIfCancelled(copier.context.signal);
  try {
    await copyPoint(copier, point, []);
    return true;
  } catch (error) {
    return forgiven(copier, point, error);
  }
}

async function heal(copier: PointCopier, both: CopiedPoint): Promise<boolean> {
  throwIfCancelled(copier.context.signal);
  try {
    const done = await healPoint(copier, both);
    return done !== null && done.newBytes > 0;
  } catch (error) {
    return forgiven(copier, both.target, error);
  }
}

/** What concerns one restore point does not stop the others. */
function forgiven({ context }: PointCopier, { manifest, body }: Point, error: unknown): false {
  if (!isHvError(error, 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED', 'FILE_EXISTS', 'POINT_NOT_FOUND')) throw error;
  const { message } = toHvError(error);
  context.warn?.(
    `Restore point ${manifest.id} of ${body.vm.name} could not be healed from the other repository: ${message}`,
  );
  return false;
}
