/**
 * `copy`: restore points from one repository to another, so that there is a second one, elsewhere. Oldest first, each
 * over the one before it; what is there already is skipped, so a copy that was cut short goes on where it stopped.
 */
import { pointIdOf } from '../../repository/format/names.ts';
import { byOrder } from '../../repository/points/point-order.ts';
import type { Damage } from '../../repository/port/damage.ts';
import type { Tombstone } from '../../repository/port/points.ts';
import type { Repository } from '../../repository/port/repository.ts';
import type { CopiedPointResult, CopyPointsParams, CopyPointsResult } from '../../schema/copy.ts';
import { isoDate } from '../../support/clock.ts';
import { HvError, isHvError, throwIfCancelled, toHvError } from '../../support/errors.ts';
import type { OperationContext } from '../../support/progress.ts';
import { rateLimiter } from '../../support/rate-limiter.ts';
import { ulidTime } from '../../support/ulid.ts';
import type { Point } from '../points/point.ts';
import { knownPoint, readablePoints, readPoint } from '../points/points.ts';
import { selectVms } from '../points/select-vms.ts';
import { withFullExplained } from '../repository/full-repository.ts';
import { withContent } from '../with.ts';
import { type CopiedPoint, copyPoint, type PointCopier } from './copy-point.ts';
import { healPoint } from './heal-point.ts';

/** Failures after which the next restore point would fare no better. */
const FATAL = [
  'CANCELLED',
  'DISK_FULL',
  'ACCESS_DENIED',
  'REPOSITORY_SESSION_EXPIRED',
  'REPOSITORY_NOT_FOUND',
  'INTERNAL',
] as const;

/**
 * @throws USAGE when both are the same repository, POINT_NOT_FOUND, VM_NOT_FOUND, DISK_FULL, CANCELLED, …: what was
 *   copied before stays. A restore point that cannot be read does not stop the others.
 */
export async function copyPoints(params: CopyPointsParams, context: OperationContext): Promise<CopyPointsResult> {
  const clock = performance.now();
  const limited = { limiter: rateLimiter(params.limitRate), signal: context.signal };
  return withContent(
    params,
    context,
    (from) =>
      withContent({ repository: params.to, passphrase: params.toPassphrase }, context, async (to) => {
        requireTwo(from, to);
        const { wanted, unreadable } = await selectPoints(from, params, context);
        for (const point of unreadable) context.partial?.(point);
        const copier = { from, to, compression: params.compression, context, revive: params.point !== undefined };
        const done = await withFullExplained(to, () => copyAll(copier, wanted));
        await to.keepReserve();
        const points = [...unreadable, ...done];
        const count = (action: CopiedPointResult['action']) => points.filter((p) => p.action === action).length;
        const sum = (pick: (point: CopiedPointResult) => number) => points.reduce((total, p) => total + pick(p), 0);
        return {
          points,
          copied: count('copied'),
          healed: count('healed'),
          skipped: count('skipped'),
          failed: count('failed'),
          readBytes: sum((point) => point.readBytes),
          newBytes: sum((point) => point.newBytes),
          durationMs: Math.round(performance.now() - clock),
        };
      }),
    limited,
  );
}

function requireTwo(from: Repository, to: Repository): void {
  if (from.id !== to.id) return;
  throw new HvError('USAGE', `${from.location} and ${to.location} are the same repository.`, {
    advice: 'Create another repository to copy to: a copied folder is no second repository.',
    data: { repositoryId: from.id },
  });
}

/** One whose manifest cannot be read may be of any VM: it is named among the failed ones. */
async function selectPoints(
  from: Repository,
  { point, vm }: CopyPointsParams,
  context: OperationContext,
): Promise<{ wanted: Point[]; unreadable: CopiedPointResult[] }> {
  const unreadable: CopiedPointResult[] = [];
  const onDamage = (damage: Damage): void => void unreadable.push(failedUnread(damage));
  const points =
    point === undefined
      ? await readablePoints(from, (warning) => context.warn?.(warning), onDamage)
      : [await readPoint(from, point)];
  return { wanted: selectVms(points, vm, from.location).sort(oldestFirst), unreadable };
}

function failedUnread({ path, message }: Damage): CopiedPointResult {
  const id = pointIdOf(path);
  const error = new HvError('REPOSITORY_DAMAGED', message, { data: { object: 'manifest', path } }).toJSON();
  const createdAt = isoDate(new Date(ulidTime(id)).toISOString());
  return { id, vmName: '', createdAt, action: 'failed', error, readBytes: 0, newBytes: 0 };
}

const oldestFirst = (a: Point, b: Point): number => byOrder(a.manifest, b.manifest);

/** @param wanted oldest first. What was copied before an error stays. */
export async function copyAll(copier: PointCopier, wanted: readonly Point[]): Promise<CopiedPointResult[]> {
  const shared = new SharedPoints(copier);
  const results: CopiedPointResult[] = [];
  for (const point of wanted) {
    throwIfCancelled(copier.context.signal);
    const result = await copyOne(copier, point, shared);
    results.push(result);
    copier.context.partial?.(result);
  }
  return results;
}

async function copyOne(copier: PointCopier, point: Point, shared: SharedPoints): Promise<CopiedPointResult> {
  const { manifest, body } = point;
  const { id, createdAt } = manifest;
  const about = {
    id,
    vmId: body.vm.id,
    vmName: body.vm.name,
    createdAt: isoDate(createdAt),
    readBytes: 0,
    newBytes: 0,
  };
  const { known, bases, problem } = await shared.of(point);
  const twin = known.find(({ source }) => source.manifest.id === id);
  if (twin) return healOrSkip(copier, twin, about, shared);
  const tombstone = await tombstoneIn(copier.to, id);
  // One that an earlier copy announced and did not get to publish was never there.
  if (tombstone && tombstone.late === undefined && !copier.revive)
    return { ...about, action: 'skipped', reason: `it was removed there (${tombstone.reason})` };
  try {
    const { copied, ...done } = await copyPoint(copier, point, bases);
    shared.add({ source: point, target: copied });
    return { ...about, ...done, basePointId: done.basePointId ?? undefined, ...replaced(problem) };
  } catch (caught) {
    if (isHvError(caught, 'FILE_EXISTS')) return skipAsThere(copier, about);
    if (isHvError(caught, 'POINT_REMOVED'))
      return { ...about, action: 'skipped', reason: `${caught.message.slice(0, -1)}` };
    if (isHvError(caught, ...FATAL)) throw caught;
    const error = toHvError(caught);
    copier.context.warn?.(`Restore point ${id} of ${body.vm.name} was not copied: ${error.message}`);
    return { ...about, action: 'failed', error: error.toJSON() };
  }
}

/** One that lay there and could not be read is there again; its bytes are kept. */
const replaced = (problem: Damage | undefined): Pick<CopiedPointResult, 'action' | 'reason'> =>
  problem === undefined
    ? { action: 'copied' }
    : { action: 'healed', reason: `the one that was there could not be read (${problem.message})` };

/** A tombstone that proves nothing removes nothing. */
async function tombstoneIn(to: Repository, id: string): Promise<Tombstone | null> {
  return to.tombstone(id).catch((error) => {
    if (isHvError(error, 'REPOSITORY_DAMAGED')) return null;
    throw error;
  });
}

/** What is there already is skipped, unless it is known that something of it is lost: that is stored again. */
async function healOrSkip(
  copier: PointCopier,
  twin: CopiedPoint,
  about: Omit<CopiedPointResult, 'action'>,
  shared: SharedPoints,
): Promise<CopiedPointResult> {
  try {
    const healed = (await shared.isIll()) ? await healPoint(copier, twin) : null;
    if (healed === null) return await skipAsThere(copier, about);
    await copier.to.settlePoint(about.id);
    const { leftBytes, ...done } = healed;
    if (leftBytes === 0)
      return { ...about, ...done, action: 'healed', reason: 'some of it was damaged or missing there' };
    const message = `${leftBytes} bytes of it are damaged or missing in both repositories.`;
    const advice = 'Run a backup: what it reads of that is stored again. Or restore with --skip-unreadable.';
    const error = new HvError('REPOSITORY_DAMAGED', message, { advice, data: { pointId: about.id, leftBytes } });
    return { ...about, ...done, action: 'failed', error: error.toJSON() };
  } catch (caught) {
    if (isHvError(caught, ...FATAL)) throw caught;
    return { ...about, action: 'failed', error: toHvError(caught).toJSON() };
  }
}

/** Its writer may have died before it was durable: it counts as a copy only when it is. */
async function skipAsThere({ to }: PointCopier, about: Omit<CopiedPointResult, 'action'>): Promise<CopiedPointResult> {
  await to.settlePoint(about.id);
  return { ...about, action: 'skipped', reason: 'it is there already' };
}

/** Which restore points both repositories have, by VM; looked up when a VM is first met. */
class SharedPoints {
  readonly #copier: PointCopier;
  readonly #groups = new Map<string, CopiedPoint[]>();
  /** What cannot be read in the target, by the id of the restore point. */
  readonly #unreadable = new Map<string, Damage>();
  #ill: Promise<boolean> | undefined;

  constructor(copier: PointCopier) {
    this.#copier = copier;
  }

  /** Whether anything in the target is known to be damaged or missing; asked once. */
  isIll(): Promise<boolean> {
    this.#ill ??= this.#copier.to.knowsDamage();
    return this.#ill;
  }

  /**
   * @returns what both have of the VM, and what the point can be built on: the one before it first, younger ones last
   */
  async of({ manifest }: Point): Promise<{ known: CopiedPoint[]; bases: CopiedPoint[]; problem: Damage | undefined }> {
    const known = this.#groups.get(manifest.group) ?? (await this.#load(manifest.group));
    const older = known.filter(({ source }) => byOrder(source.manifest, manifest) <= 0).reverse();
    const younger = known.filter(({ source }) => byOrder(source.manifest, manifest) > 0);
    return { known, bases: [...older, ...younger], problem: this.#unreadable.get(manifest.id) };
  }

  add(point: CopiedPoint): void {
    const group = this.#groups.get(point.source.manifest.group)!;
    group.push(point);
    group.sort((a, b) => oldestFirst(a.source, b.source));
  }

  async #load(group: string): Promise<CopiedPoint[]> {
    const { from, to } = this.#copier;
    const onDamage = (damage: Damage): void => void this.#unreadable.set(pointIdOf(damage.path), damage);
    const here = new Map((await to.listManifests(group, { onDamage })).map((manifest) => [manifest.id, manifest]));
    // Those of the source have been named.
    const known = await from.listManifests(group, { onDamage: () => undefined });
    const both = known.flatMap((manifest) => {
      const twin = here.get(manifest.id);
      const [source, target] = twin ? [manifest, twin].flatMap((one) => knownPoint(one, () => undefined)) : [];
      return source && target ? [{ source, target }] : [];
    });
    both.sort((a, b) => oldestFirst(a.source, b.source));
    this.#groups.set(group, both);
    return both;
  }
}
