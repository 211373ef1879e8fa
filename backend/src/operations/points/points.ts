/** Restore points as people see them: list, show, remove. */
import { byOrder, sequenceOf } from '../../repository/points/point-order.ts';
import type { Damage } from '../../repository/port/damage.ts';
import type { ManifestDigest, ManifestEnvelope } from '../../repository/port/points.ts';
import type { Repository } from '../../repository/port/repository.ts';
import { ManifestBody, type ManifestDisk } from '../../schema/manifest.ts';
import type {
  ListPointsParams,
  ListPointsResult,
  PointSummary,
  RemovePointParams,
  RemovePointResult,
  ShowPointParams,
  ShowPointResult,
} from '../../schema/points.ts';
import { isoDate } from '../../support/clock.ts';
import { HvError, isHvError } from '../../support/errors.ts';
import type { OperationContext } from '../../support/progress.ts';
import { unexpectedPointWarnings } from '../unexpected-points.ts';
import { withRepository } from '../with.ts';
import { clockWarnings } from './clock-warnings.ts';
import { diskResult } from './disk-result.ts';
import { heldPoints, isHeld } from './holds.ts';
import type { Point } from './point.ts';
import { findToRemove, pruneAfter, unpublish } from './removal.ts';
import { noPointsOf } from './select-vms.ts';

/** @throws POINT_NOT_FOUND, POINT_AMBIGUOUS, REPOSITORY_DAMAGED, REPOSITORY_VERSION */
export async function readPoint(repository: Repository, id: string): Promise<Point> {
  return checkedPoint(await repository.readManifest(id));
}

/** @throws REPOSITORY_VERSION when the body is not of a shape this version knows */
export function checkedPoint(manifest: ManifestEnvelope): Point {
  const parsed = ManifestBody.safeParse(manifest.body);
  if (parsed.success) return { manifest, body: parsed.data };
  throw new HvError(
    'REPOSITORY_VERSION',
    `Restore point ${manifest.id} has a description that this version does not know (${parsed.error.issues[0]?.path.join('.')}).`,
    { advice: 'Use the version of HyperVBackup that wrote it, or a newer one.', data: { pointId: manifest.id } },
  );
}

/**
 * All restore points that can be read and understood. Each other one is reported by `warn` and left alone.
 * @param onDamage called for those that cannot be read; `warn` is when absent
 */
export async function readablePoints(
  repository: Repository,
  warn: (warning: string) => void,
  onDamage = ({ path, message }: Damage): void =>
    warn(`A restore point cannot be read and is left as it is (${named(path, message)}): run "hvbackup check".`),
  options: { fresh?: boolean } = {},
): Promise<Point[]> {
  const manifests = await repository.listManifests(undefined, { ...options, onDamage });
  return manifests.flatMap((manifest) => knownPoint(manifest, warn));
}

/** None when it is described in a way that this version does not know. */
export function knownPoint(manifest: ManifestEnvelope, warn: (warning: string) => void): Point[] {
  try {
    return [checkedPoint(manifest)];
  } catch (error) {
    if (!isHvError(error, 'REPOSITORY_VERSION')) throw error;
    warn(`${error.message} It is left as it is. ${error.advice ?? ''}`.trimEnd());
    return [];
  }
}

const named = (path: string, message: string): string => (message.includes(path) ? message : `${path}: ${message}`);

/**
 * Pages of restore points. The cursor is the highest id of the page before: names alone show where a page begins, and
 * where no clock was wrong the order is that of the ids. Within a page they are in order.
 * @throws VM_NOT_FOUND when a VM is asked for that has none: a name that was mistyped is no VM without backups
 */
export async function listPoints(params: ListPointsParams, context: OperationContext): Promise<ListPointsResult> {
  return withRepository(params, context, async (repository) => {
    const wanted = params.vm?.toLowerCase();
    const group = wanted && /^[0-9a-f-]{36}$/.test(wanted) ? wanted : undefined;
    const held = await heldPoints(repository.records);
    const key = group === undefined ? wanted : undefined;
    // One more than asked for shows whether there is another page.
    const limit = wanted ? undefined : params.limit + 1;
    const unreadable: string[] = [];
    const onDamage = ({ path, message }: Damage): void => {
      unreadable.push(
        `A restore point cannot be read and is not listed (${named(path, message)}): run "hvbackup check".`,
      );
    };
    const found = await repository.listDigests(SUMMARY, { group, after: params.cursor, limit, key, onDamage });
    if (params.vm !== undefined && params.cursor === undefined && found.length === 0) {
      // They may have been its points.
      for (const warning of [...unreadable, ...unexpectedPointWarnings(repository)]) context.warn?.(warning);
      const names = (await repository.listDigests(SUMMARY, { onDamage: () => undefined })).map(({ vmName }) => vmName);
      throw noPointsOf(params.vm, names, repository.location);
    }
    const page = found.slice(0, params.limit);
    const nextCursor = found.length > page.length ? page.at(-1)?.id : undefined;
    const points = page.map((point) => ({ ...point, held: held.has(point.id) })).sort(byOrder);
    const unexpected = unexpectedPointWarnings(repository);
    // Once is enough: on the first page.
    const first = params.cursor === undefined;
    const clock = clockWarnings(repository, points, first ? 'read' : 'part');
    const warnings = [...unreadable, ...(first ? unexpected : []), ...clock];
    return nextCursor === undefined ? { points, warnings } : { points, nextCursor, warnings };
  });
}

export async function showPoint(params: ShowPointParams, context: OperationContext): Promise<ShowPointResult> {
  return withRepository(params, context, async (repository) => {
    const point = await readPoint(repository, params.point);
    const { body } = point;
    return {
      point: {
        ...summary(point, await isHeld(repository.records, point.manifest.id)),
        host: body.hostUri,
        metadataBytes: body.configurationBytes,
        disks: body.disks.map((disk) => ({ ...diskResult(disk), path: disk.path, stored: disk.content !== null })),
        configuration: body.configuration.map(({ name, kind, content }) => ({ name, kind, size: content.size })),
        vm: body.vm,
        warnings: body.warnings,
        copiedFrom: body.copiedFrom,
      },
    };
  });
}

/**
 * Unpublishes a restore point, then gives back the space that nothing else needs.
 * @throws POINT_NOT_FOUND, POINT_AMBIGUOUS, POINT_HELD, REPOSITORY_DOUBTFUL
 */
export async function removePoint(params: RemovePointParams, context: OperationContext): Promise<RemovePointResult> {
  return withRepository(params, context, async (repository) => {
    const id = await findToRemove(repository, params.point);
    const { overrideDoubt } = params;
    await repository.requireCertainty({ goOn: overrideDoubt });
    await unpublish(repository, id, 'removed by hand');
    context.progress?.({ phase: 'prune' });
    const { freedBytes, pendingBytes, blocked } = await pruneAfter(repository, [id], { ...context, overrideDoubt });
    return { pointId: id, blocked, freedBytes, pendingBytes };
  });
}

/** What lists show of a restore point, but for what may change. */
const SUMMARY: ManifestDigest<PointSummary> = {
  kind: 'summary-2',
  make: (manifest) => summary(checkedPoint(manifest), false),
  key: ({ vmName }) => vmName.toLowerCase(),
};

function summary({ manifest, body }: Point, held: boolean): PointSummary {
  const sum = (pick: (disk: ManifestDisk) => number) => body.disks.reduce((total, disk) => total + pick(disk), 0);
  return {
    id: manifest.id,
    sequence: sequenceOf(manifest),
    vmId: body.vm.id,
    vmName: body.vm.name,
    createdAt: isoDate(manifest.createdAt),
    kind: body.kind,
    mode: body.mode,
    consistency: body.consistency,
    size: sum((disk) => disk.size),
    newBytes: sum((disk) => disk.newBytes) + body.configurationBytes,
    held,
  };
}
