/** Restore points that are not as this machine last saw them (docs/format.md §9), put into words. */
import { manifestName } from '../repository/format/names.ts';
import type { Doubt } from '../repository/port/doubt.ts';
import type { ReturnedPoint, UnexpectedPoint } from '../repository/port/points.ts';
import type { Repository } from '../repository/port/repository.ts';
import type { DamageReport } from '../schema/verify.ts';
import { isHvError } from '../support/errors.ts';

/** More are counted, not named. */
const NAMED = 5;

/** What was said already, by repository handle: a command says it once. */
const told = new WeakMap<Repository, Set<string>>();

/** Sentences on what has been found since the last call. */
export function unexpectedPointWarnings(repository: Repository): string[] {
  let before = told.get(repository);
  if (before === undefined) {
    before = new Set();
    told.set(repository, before);
  }
  const warnings: string[] = [];
  const { memoryProblem, placeProblem } = repository;
  if (placeProblem !== null && !before.has(placeProblem))
    warnings.push(`${placeProblem}. If you know why, run "hvbackup repository accept-removed".`);
  if (placeProblem !== null) before.add(placeProblem);
  if (memoryProblem !== null && !before.has(memoryProblem)) warnings.push(memoryProblem);
  if (memoryProblem !== null) before.add(memoryProblem);
  for (const { path, message } of repository.listingProblems()) {
    if (before.has(path)) continue;
    before.add(path);
    warnings.push(`${path} in ${repository.location} cannot be read: ${message}`);
  }
  for (const { path, message } of repository.catalogDifferences()) {
    if (before.has(`catalog ${path}`)) continue;
    before.add(`catalog ${path}`);
    warnings.push(`${path}: ${message}. Has another program or person changed this machine's state folder?`);
  }
  const fresh = repository.unexpectedPoints().filter(({ id }) => !before.has(id));
  for (const { id } of fresh) before.add(id);
  for (const state of ['gone', 'back'] as const) {
    const points = fresh.filter((point) => point.state === state);
    if (points.length > 0) warnings.push(sentence(repository.location, points, state));
  }
  const returned = repository.returnedPoints().filter(({ id }) => !before.has(`returned ${id}`));
  for (const { id } of returned) before.add(`returned ${id}`);
  if (returned.length > 0) warnings.push(returnedSentence(repository.location, returned));
  return warnings;
}

function sentence(location: string, points: readonly UnexpectedPoint[], state: UnexpectedPoint['state']): string {
  const what =
    state === 'gone'
      ? `${count(points)} that this machine has seen in ${location} ${are(points)} missing without a valid removal`
      : `${count(points)} that ${points.length === 1 ? 'was' : 'were'} removed from ${location} ${are(points)} present again`;
  return `${what}: ${named(points)}. A process or person with write access deleted objects or restored an older state. If you know why, run "hvbackup repository accept-removed".`;
}

function returnedSentence(location: string, points: readonly ReturnedPoint[]): string {
  const subject = points.length === 1 ? 'Restore point' : 'Restore points';
  const pronoun = points.length === 1 ? 'it counts' : 'they count';
  return `${subject} ${named(points)} ${points.length === 1 ? 'was' : 'were'} removed from ${location} and copied back since: ${pronoun} again.`;
}

function named(points: readonly ReturnedPoint[]): string {
  const more = points.length > NAMED ? ` and ${points.length - NAMED} more` : '';
  return points.slice(0, NAMED).map(nameOf).join(', ') + more;
}

const count = (points: readonly unknown[]): string =>
  points.length === 1 ? '1 restore point' : `${points.length} restore points`;
const are = (points: readonly unknown[]): string => (points.length === 1 ? 'is' : 'are');
const nameOf = ({ id, vmName, createdAt }: ReturnedPoint): string => `${vmName ?? 'unknown VM'} ${createdAt} (${id})`;

/**
 * What keeps everything from being deleted, for check. Restore points that this machine misses are reported as such.
 */
export async function doubtDamage(repository: Repository): Promise<DamageReport[]> {
  const doubts = await repository.requireCertainty({ goOn: true }).catch((error) => {
    if (isHvError(error, 'REPOSITORY_DOUBTFUL')) return error.data.doubts as Doubt[];
    throw error;
  });
  const told = new Set(repository.unexpectedPoints().map(({ id }) => id));
  return doubts
    .filter(({ pointId }) => pointId === undefined || !told.has(pointId))
    .map(({ path, message, pointId, vmName }) => ({
      object: 'listing',
      path,
      message,
      ...(pointId === undefined ? {} : { affects: [{ pointId, vmName: vmName ?? '' }] }),
    }));
}

/** The same as damage, for check. */
export const unexpectedPointDamage = (repository: Repository): DamageReport[] =>
  repository.unexpectedPoints().map((point) => ({
    object: 'removed',
    path: manifestName(point.folder, point.id),
    message:
      point.state === 'back'
        ? `restore point ${nameOf(point)} was removed and has reappeared, without its tombstone`
        : `restore point ${nameOf(point)} is missing, and ${point.forged ? 'its tombstone was not written with the key of the repository' : 'there is no tombstone'}`,
    affects: [{ pointId: point.id, vmName: point.vmName ?? '' }],
  }));
