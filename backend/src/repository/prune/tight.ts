/**
 * Prune where there is little room: whatever it writes must fit before anything is deleted. So first go the packs that
 * cost least to take off the indexes; the room that they give back lets the others follow, and the copying of thinly
 * used packs last.
 */
import type { RepositoryCore } from '../core.ts';
import type { PackState } from '../records/live-set.ts';
import type { Survey } from './survey.ts';

/** Of a record in an index with what a delta adds. */
const INDEX_BYTES_PER_RECORD = 88;
/** Sessions, marks, folders, and the grain of file systems. */
const SMALL_THINGS = 256 * 1024;
/** Assumed where a storage says that it is full, and the volume that there is room: a quota. */
const UNKNOWN_ROOM = 2 * 1024 * 1024;

/** @returns bytes that may be written; null when that is no matter: there is enough for all that prune could write */
export async function tightRoom(core: RepositoryCore, found: Survey, assumeTight: boolean): Promise<number | null> {
  const free = (await core.storage.room?.free()) ?? null;
  const needed = SMALL_THINGS + copiedBytes(found) + indexBytes(core, packsLeaving(found));
  if (free === null || free >= needed) return assumeTight ? UNKNOWN_ROOM : null;
  return Math.max(0, free - SMALL_THINGS);
}

/** Dead packs whose leaving the indexes takes no more than `room` bytes to write: those first that take least. */
export function deadWithin(core: RepositoryCore, found: Survey, room: number): PackState[] {
  const chosen: PackState[] = [];
  const byIndexes = Map.groupBy(found.dead, ({ id }) =>
    core.catalog
      .indexesOf(new Set([id]))
      .sort()
      .join(' '),
  );
  const groups = [...byIndexes.values()]
    .map((packs) => ({ packs, bytes: indexBytes(core, idsOf(packs)) }))
    .sort((a, b) => a.bytes - b.bytes);
  let left = room;
  for (const { packs, bytes } of groups) {
    if (bytes > left) break;
    left -= bytes;
    chosen.push(...packs);
  }
  return chosen;
}

const copiedBytes = ({ thin }: Survey): number => thin.reduce((sum, pack) => sum + pack.liveBytes, 0);

function packsLeaving({ dead, thin }: Survey): Set<string> {
  return idsOf([...dead, ...thin]);
}

const idsOf = (packs: readonly PackState[]): Set<string> => new Set(packs.map(({ id }) => id));

/** Of the index that names what the indexes of these packs name besides. */
function indexBytes(core: RepositoryCore, leaving: ReadonlySet<string>): number {
  const names = core.catalog.indexesOf(leaving);
  const left = names.flatMap((name) => core.catalog.packsOf(name)).filter(({ id }) => !leaving.has(id));
  return left.reduce((sum, pack) => sum + pack.records * INDEX_BYTES_PER_RECORD, 0);
}
