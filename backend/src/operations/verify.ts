/** Check looks at structure, verify reads content. Damage is the result, named down to VM, disk and offset. */
import type { ContentRef, Damage, Repository } from '../repository/port.ts';
import type {
  AffectedPoint,
  CheckRepositoryParams,
  CheckRepositoryResult,
  DamageReport,
  VerifyRepositoryParams,
  VerifyRepositoryResult,
} from '../schema/verify.ts';
import type { OperationContext } from '../support/progress.ts';
import { checkedPoint, type Point, readPoint } from './points.ts';
import { withRepository } from './with.ts';

export async function checkRepository(
  params: CheckRepositoryParams,
  context: OperationContext,
): Promise<CheckRepositoryResult> {
  const clock = performance.now();
  return withRepository(params.repository, async (repository) => {
    const { damages, objects } = await repository.check(context);
    const durationMs = Math.round(performance.now() - clock);
    return { ok: damages.length === 0, objects, damages, durationMs };
  });
}

/** A content of a restore point, and which one it is. */
interface Use {
  content: ContentRef;
  point: Point;
  /** Absent for a configuration file. */
  disk?: number;
}

export async function verifyRepository(
  params: VerifyRepositoryParams,
  context: OperationContext,
): Promise<VerifyRepositoryResult> {
  const clock = performance.now();
  return withRepository(params.repository, async (repository) => {
    const damages: DamageReport[] = [];
    const points = await pointsToVerify(repository, params.point, damages);
    const uses = points.flatMap(usesOf);
    const { verifiedBytes, readBytes } = await repository.verify(
      uses.map((use) => use.content),
      {
        ...context,
        samplePercent: params.sample,
        onDamage: (damage, places) =>
          damages.push({ ...damage, affects: places.map((place) => affected(uses[place.content]!, place)) }),
      },
    );
    return {
      ok: damages.length === 0,
      points: points.map((point) => point.manifest.id),
      verifiedBytes,
      readBytes,
      damages,
      durationMs: Math.round(performance.now() - clock),
    };
  });
}

/** Manifests that cannot be read are damage too; the others are verified all the same. */
async function pointsToVerify(repository: Repository, id: string | undefined, damages: Damage[]): Promise<Point[]> {
  if (id !== undefined) return [await readPoint(repository, id)];
  const manifests = await repository.listManifests(undefined, { onDamage: (damage) => damages.push(damage) });
  return manifests.map(checkedPoint);
}

function usesOf(point: Point): Use[] {
  const disks = point.body.disks.flatMap(({ content, index }) => (content ? [{ content, point, disk: index }] : []));
  return [...disks, ...point.body.configuration.map(({ content }) => ({ content, point }))];
}

function affected({ point, disk }: Use, { offset, length }: { offset: number; length: number }): AffectedPoint {
  return { pointId: point.manifest.id, vmName: point.body.vm.name, disk, offset, length };
}
