/** `prune`: retention where keep rules are given, then the space of everything that nothing needs. */

import type { PruneResult } from '../../repository/port/maintenance.ts';
import type { Repository } from '../../repository/port/repository.ts';
import type { PruneRepositoryParams, PruneRepositoryResult, RetentionDecision } from '../../schema/repository.ts';
import { isoDate } from '../../support/clock.ts';
import { HvError, isHvError, throwIfCancelled } from '../../support/errors.ts';
import type { OperationContext } from '../../support/progress.ts';
import { timeZoneProblem } from '../../support/time-zone.ts';
import { clockWarnings } from '../points/clock-warnings.ts';
import { heldPoints } from '../points/holds.ts';
import type { Point } from '../points/point.ts';
import { readablePoints } from '../points/points.ts';
import { prune, pruneAfter, unpublish } from '../points/removal.ts';
import { selectVms } from '../points/select-vms.ts';
import { withRepository } from '../with.ts';
import { type Decision, decide, hasRules, type KeepRules } from './policy.ts';

interface Candidate {
  id: string;
  createdAt: string;
  sequence?: number;
  held: boolean;
  point: Point;
}

/**
 * @throws VM_NOT_FOUND, USAGE when every rule is 0, REPOSITORY_DAMAGED, REPOSITORY_DOUBTFUL: nothing was removed then
 */
export async function pruneRepository(
  params: PruneRepositoryParams,
  context: OperationContext,
): Promise<PruneRepositoryResult> {
  const rules = rulesOf(params);
  return withRepository(params, context, async (repository) => {
    const decisions = await evaluate(repository, params, rules, (warning) => context.warn?.(warning));
    const points = decisions.map(reported);
    const zone = rules && timeZoneProblem(new Date(repository.clock().now).getUTCFullYear());
    const warnings = zone ? [zone] : [];
    // Before anything is removed, and once more when the storage's clock is known.
    warnings.push(...clockWarnings(repository, points, 'write'));
    const leaving = points.filter(({ action }) => action === 'remove');
    let pruned: PruneResult;
    if (params.dryRun) {
      pruned = await prune(repository, { ...context, dryRun: true, without: new Set(leaving.map(({ id }) => id)) });
    } else {
      const { overrideDoubt } = params;
      if (leaving.length > 0) await repository.requireCertainty({ goOn: overrideDoubt });
      const gone: string[] = [];
      for (const point of leaving) {
        await remove(repository, point, context);
        if (point.action === 'remove') gone.push(point.id);
      }
      pruned = await pruneAfter(repository, gone, { ...context, overrideDoubt });
    }
    const removed = leaving.filter(({ action }) => action === 'remove').length;
    warnings.push(...clockWarnings(repository, points, 'write'));
    if (!params.dryRun) repository.rememberClock();
    return { points, removed, ...pruned, dryRun: params.dryRun, warnings };
  });
}

/** @returns null without keep rules */
function rulesOf(params: PruneRepositoryParams): KeepRules | null {
  const { keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly } = params;
  const rules: KeepRules = {
    last: keepLast,
    hourly: keepHourly,
    daily: keepDaily,
    weekly: keepWeekly,
    monthly: keepMonthly,
    yearly: keepYearly,
  };
  if (Object.values(rules).every((count) => count === undefined)) return null;
  if (hasRules(rules)) return rules;
  throw new HvError('USAGE', 'Every keep rule is 0: nothing but the newest restore point of each VM would be kept.', {
    advice: 'Give a rule that keeps something, for instance --keep-last 1; or none, to free unused space only.',
  });
}

async function evaluate(
  repository: Repository,
  { vm }: PruneRepositoryParams,
  rules: KeepRules | null,
  warn: (warning: string) => void,
): Promise<Decision<Candidate>[]> {
  if (rules === null && vm === undefined) return [];
  const points = await readablePoints(repository, warn);
  const chosen = selectVms(points, vm, repository.location);
  if (rules === null) return [];
  const held = await heldPoints(repository.records);
  const groups = Map.groupBy(chosen, ({ manifest }) => manifest.group);
  return [...groups.values()].flatMap((group) =>
    decide(
      group.map((point) => {
        const { id, createdAt, sequence } = point.manifest;
        return { id, createdAt, sequence, held: held.has(id), point };
      }),
      rules,
      { now: repository.clock().believed },
    ),
  );
}

function reported({ point: { id, createdAt, point }, reasons }: Decision<Candidate>): RetentionDecision {
  const { vm } = point.body;
  return {
    id,
    vmId: vm.id,
    vmName: vm.name,
    createdAt: isoDate(createdAt),
    action: reasons.length > 0 ? 'keep' : 'remove',
    reasons,
  };
}

/** A point that was held since is kept, and says so; one that is gone already is as good as removed. */
async function remove(repository: Repository, point: RetentionDecision, context: OperationContext): Promise<void> {
  throwIfCancelled(context.signal);
  context.progress?.({ phase: 'prune', vmName: point.vmName, message: `removing restore point ${point.id}` });
  try {
    await unpublish(repository, point.id, 'retention');
  } catch (error) {
    if (isHvError(error, 'POINT_NOT_FOUND')) return;
    if (!isHvError(error, 'POINT_HELD')) throw error;
    point.action = 'keep';
    point.reasons.push('hold');
  }
}
