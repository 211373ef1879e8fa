/**
 * The one order of restore points (docs/format.md §2.2). Clocks are set back and run ahead, so an id alone does not
 * determine which of two restore points was made first: each new one records that it comes after all that its writer
 * has seen of its group.
 */
import { ulidTime } from '../../support/ulid.ts';
import type { ManifestDigest, PointPlace } from '../port/points.ts';

/** A sequence is absent in restore points of older software. */
export type OrderedPoint = Pick<PointPlace, 'id' | 'sequence'>;

/** Far above every clock, and far below where adding 1 changes nothing. */
const MAX_SEQUENCE = 2 ** 52;

/**
 * The sequence of a restore point; of one without (or with one that no writer of ours gives) the time in its id, ms
 * since 1970. So both kinds lie on one axis, and the place of a point does not depend on which others are there.
 */
export function sequenceOf({ id, sequence }: OrderedPoint): number {
  const given = Number.isInteger(sequence) && sequence! > 0 && sequence! <= MAX_SEQUENCE;
  return given ? sequence! : ulidTime(id);
}

/** Oldest first. Two writers that do not see each other may give one sequence: then the ids decide. */
export function byOrder(a: OrderedPoint, b: OrderedPoint): number {
  if (a.id === b.id) return 0;
  return sequenceOf(a) - sequenceOf(b) || (a.id < b.id ? -1 : 1);
}

/**
 * Of a new restore point: after all of `points`, and never before what its own id says, so that restore points of
 * several repositories (copies) and of older software sort among each other as their clocks say where these can be
 * believed.
 * @param id of the new point
 */
export function nextSequence(points: Iterable<OrderedPoint>, id: string): number {
  let next = ulidTime(id);
  for (const point of points) next = Math.max(next, sequenceOf(point) + 1);
  return Math.min(next, MAX_SEQUENCE);
}

/** Kept beside each manifest on this machine: the order of a group without reading its manifests again. */
export const PLACE: ManifestDigest<PointPlace> = {
  kind: 'place-1',
  make: ({ id, createdAt, sequence }) => ({ id, createdAt, ...(sequence === undefined ? {} : { sequence }) }),
};
