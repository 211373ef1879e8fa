/**
 * Check looks at structure, verify reads content, repair repairs. Damage is the result, named down to VM, disk and
 * offset.
 */

import type { Damage } from '../../repository/port/damage.ts';
import type { RepairResult } from '../../repository/port/maintenance.ts';
import type { Repository } from '../../repository/port/repository.ts';
import type {
  AffectedPoint,
  CheckRepositoryParams,
  CheckRepositoryResult,
  DamageReport,
  RepairRepositoryParams,
  RepairRepositoryResult,
  VerifyRepositoryParams,
  VerifyRepositoryResult,
} from '../../schema/verify.ts';
import type { OperationContext } from '../../support/progress.ts';
import { type HealedFrom, healFrom, withOther } from '../copy/heal-from.ts';
import { LossReport, MAX_DAMAGES, structuralLosses, type Use, usesOf } from '../points/losses.ts';
import type { Point } from '../points/point.ts';
import { readablePoints, readPoint } from '../points/points.ts';
import { goneMeanwhile, pinPoints, pointRemoved, removedSentence } from '../points/reading.ts';
import { doubtDamage, unexpectedPointDamage, unexpectedPointWarnings } from '../unexpected-points.ts';
import { withContent, withRepository } from '../with.ts';
import { findForeign } from './foreign.ts';
import { keyDamage } from './keys.ts';

export async function checkRepository(
  params: CheckRepositoryParams,
  context: OperationContext,
): Promise<CheckRepositoryResult> {
  const clock = performance.now();
  return withRepository(params, context, async (repository) => {
    const found = await repository.check(context);
    const { moreDamages, objects } = found;
    const lost = await lossesOf(repository, found.damages.length > 0, context);
    const doubts = await doubtDamage(repository);
    const named = new Set(found.damages.map(({ path }) => path));
    const keys = (await keyDamage(repository)).filter(({ path }) => !named.has(path));
    const damages: DamageReport[] = [...unexpectedPointDamage(repository), ...doubts, ...keys, ...found.damages];
    const { doubtful, ...foreign } = await findForeign(repository);
    damages.push(...doubtful.filter(({ path }) => !damages.some((damage) => damage.path === path)));
    unexpectedPointWarnings(repository);
    const durationMs = Math.round(performance.now() - clock);
    return { ok: damages.length === 0, objects, damages, moreDamages, ...lost, ...foreign, durationMs };
  });
}

/** Makes whole what the packs can give back; what stays lost is in the result. @throws REPOSITORY_BUSY */
export async function repairRepository(
  params: RepairRepositoryParams,
  context: OperationContext,
): Promise<RepairRepositoryResult> {
  const clock = performance.now();
  return withRepository(params, context, async (repository) => {
    const { result, from } = await repairWith(repository, params, context);
    const lost = await lossesOf(repository, result.damages.length > 0, context);
    const durationMs = Math.round(performance.now() - clock);
    const ok = result.damages.length === 0;
    return { ...result, ...(from ? { from } : {}), ...lost, ok, dryRun: params.dryRun, durationMs };
  });
}

/**
 * By itself first; what it lacks then, from the other; and by itself again, as what came may be all that was missing.
 */
async function repairWith(
  repository: Repository,
  params: RepairRepositoryParams,
  context: OperationContext,
): Promise<{ result: RepairResult; from?: HealedFrom }> {
  const { dryRun } = params;
  if (params.from === undefined) return { result: await repository.repair({ ...context, dryRun }) };
  const source = { repository: params.from, passphrase: params.fromPassphrase };
  return withOther(source, repository, context, async (other) => {
    const first = await repository.repair({ ...context, dryRun });
    if (dryRun) return { result: first };
    const from = await healFrom(other, repository, first.quarantined, context);
    if (from.restored.length + from.healed.length + from.records.length === 0) return { result: first, from };
    const second = await repository.repair(context);
    const result: RepairResult = {
      ...second,
      indexesWritten: first.indexesWritten + second.indexesWritten,
      packsIndexed: first.packsIndexed + second.packsIndexed,
      packsRewritten: first.packsRewritten + second.packsRewritten,
      healed: first.healed + second.healed,
      quarantined: [...first.quarantined, ...second.quarantined],
      restored: [...first.restored, ...second.restored],
      restoredPoints: [...first.restoredPoints, ...second.restoredPoints],
      rewritten: [...first.rewritten, ...second.rewritten],
    };
    return { result, from };
  });
}

/** The restore points that can be read are asked what they lose. */
async function lossesOf(repository: Repository, damaged: boolean, context: OperationContext) {
  if (!damaged) return { losses: [], moreLosses: 0 };
  const points = await readablePoints(
    repository,
    () => undefined,
    () => undefined,
  );
  return structuralLosses(repository, points, context);
}

export async function verifyRepository(
  params: VerifyRepositoryParams,
  context: OperationContext,
): Promise<VerifyRepositoryResult> {
  const clock = performance.now();
  return withContent(params, context, async (repository) => {
    const damages: DamageReport[] = [];
    let moreDamages = 0;
    const add = (damage: DamageReport): void => {
      if (damages.length < MAX_DAMAGES) damages.push(damage);
      else moreDamages += 1;
    };
    const listed = await pointsToVerify(repository, params.point, context, add);
    const { points, report, verifiedBytes, readBytes } = await verifyPinned(repository, listed, params, context, add);
    return {
      ok: damages.length === 0,
      points: points.map((point) => point.manifest.id),
      verifiedBytes,
      readBytes,
      damages,
      moreDamages,
      ...report,
      durationMs: Math.round(performance.now() - clock),
    };
  });
}

/**
 * What was removed before it could be pinned, or where it could not be, is no loss: it is left out, and a warning
 * says so.
 */
async function verifyPinned(
  repository: Repository,
  listed: readonly Point[],
  params: VerifyRepositoryParams,
  context: OperationContext,
  add: (damage: DamageReport) => void,
) {
  const pin = await pinPoints(repository, listed, 'verify', context);
  try {
    const there = listed.filter(({ manifest }) => !pin.gone.has(manifest.id));
    if (params.point !== undefined && there.length === 0) throw await goneMeanwhile(listed[0]!, pin);
    const uses = there.flatMap(usesOf);
    const losses = new LossReport(uses);
    const found: { damage: Damage; affects: AffectedPoint[]; more: number }[] = [];
    const { verifiedBytes, readBytes } = await repository.verify(
      uses.map((use) => use.content),
      {
        ...context,
        samplePercent: params.sample,
        onDamage: (damage, places, more) =>
          void found.push({ damage, affects: places.map((place) => affected(uses[place.content]!, place)), more }),
        onLoss: losses.add,
      },
    );
    const removed = await pin.removed();
    // Nothing else was read then: what is missing is missing by right, and the rest proves nothing.
    if (params.point !== undefined && removed[0] !== undefined && found.length > 0)
      throw pointRemoved(listed, removed[0]);
    const isGone = new Set(removed.map(({ point }) => point));
    // Removed ones of which not all could be read: no damage, and not verified.
    const cut = new Set(
      found.flatMap(({ affects }) => affects.flatMap(({ pointId }) => (isGone.has(pointId) ? pointId : []))),
    );
    for (const tombstone of removed) context.warn?.(`${removedSentence(listed, tombstone)}.`);
    for (const { damage, affects, more } of found) {
      const still = affects.filter(({ pointId }) => !isGone.has(pointId));
      if (still.length > 0 || more > 0 || affects.length === 0)
        add({ ...damage, affects: still, ...(more > 0 ? { moreAffects: more } : {}) });
    }
    const report = { ...losses.result, losses: losses.result.losses.filter(({ pointId }) => !isGone.has(pointId)) };
    const points = there.filter(({ manifest }) => !cut.has(manifest.id));
    return { points, report, verifiedBytes, readBytes };
  } finally {
    await pin.end();
  }
}

/** Manifests that cannot be read are damage too; the others are verified all the same. */
async function pointsToVerify(
  repository: Repository,
  id: string | undefined,
  context: OperationContext,
  onDamage: (damage: DamageReport) => void,
): Promise<Point[]> {
  if (id !== undefined) return [await readPoint(repository, id)];
  return readablePoints(repository, (warning) => context.warn?.(warning), onDamage, { fresh: true });
}

function affected({ point, disk }: Use, { offset, length }: { offset: number; length: number }): AffectedPoint {
  return { pointId: point.manifest.id, vmName: point.body.vm.name, disk, offset, length };
}
