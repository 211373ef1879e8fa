/** What of a repository lives and what may go: the first phase of prune (docs/format.md §6, steps 1 to 3). */
import type { OperationContext } from '../../support/progress.ts';
import { listFencedForSure } from '../coordination/fencing.ts';
import { PinWarnings, pinnedPoints } from '../coordination/reader-pins.ts';
import type { RepositoryCore } from '../core.ts';
import type { Certainty } from '../doubt/certainty.ts';
import {
  PACK_HEADER_LENGTH,
  PACK_TARGET_LENGTH,
  PACK_TRAILER_LENGTH,
  REWRITE_BELOW,
  TOC_ENTRY_LENGTH,
} from '../format/constants.ts';
import type { IndexedPack } from '../format/index-format.ts';
import { pointIdOf } from '../format/names.ts';
import { LiveMarker } from '../reach/mark-live.ts';
import { LiveSet, type PackState } from '../records/live-set.ts';
import { PackSizes } from '../records/pack-sizes.ts';
import type { SessionHandle } from '../sessions/session-handle.ts';
import type { SessionState } from '../sessions/session-registry.ts';

/** Every small incremental leaves two packs of this kind; from so many on they are put together. */
const TINY_PACK = PACK_TARGET_LENGTH / 16;
const MANY_TINY_PACKS = 32;

export interface Survey {
  live: LiveSet;
  /** Manifests that were walked. */
  manifests: Set<string>;
  marker: LiveMarker;
  sessions: SessionState[];
  dead: PackState[];
  thin: PackState[];
  /** Needed, and named by no index. */
  withoutIndex: IndexedPack[];
  /** Packs that exist, with their sizes. */
  listed: PackSizes;
  /** Damaged indexes that no session at work may need. */
  unreadable: string[];
  /** Bytes that stay only because readers at work need them. */
  pinnedBytes: number;
  pinWarnings: PinWarnings;
}

/**
 * Finds out what lives. The order of the listings matters (docs/format.md §6, step 1).
 * @param by.self session that asks; null when it has none
 * @param by.without ids of restore points to be excluded, for an estimate
 * @throws REPOSITORY_DOUBTFUL, REPOSITORY_DAMAGED
 */
export async function survey(
  core: RepositoryCore,
  options: OperationContext,
  {
    self,
    certainty,
    without = new Set(),
  }: { self: SessionHandle | null; certainty: Certainty; without?: ReadonlySet<string> },
): Promise<Survey> {
  const { unreadable } = await core.refresh();
  const live = new LiveSet();
  live.addKnown(core.index);
  const listed = await listPacks(core, live);
  await core.findUnindexed();
  live.addKnown(core.index);
  await listed.learn(core.storage, (id) => live.get(id)?.length);
  // Only these may go: what becomes known later may belong to a session that is not in the listing below.
  const candidates = live.size;
  const sessions = self === null ? await core.sessions.list() : await listFencedForSure(core, self, certainty);
  const present = await certainty.present();
  const names = present.filter((name) => !without.has(pointIdOf(name)));

  const marker = new LiveMarker(core, live, options);
  await marker.markAll(names);
  if (marker.missingBlocks > 0)
    options.warn?.(`${marker.missingBlocks} blocks of restore points are missing: run "hvbackup check".`);

  const busy = new Set(
    sessions.filter((state) => state.alive).flatMap((state) => [state.document.id, ...state.claims]),
  );
  const unindexed = [...core.index.unindexedPacks.keys()].flatMap((id) => live.get(id) ?? []);
  const unindexedBusy = unindexed.some((pack) => busy.has(pack.sessionId));
  const isIdle = (pack: PackState): boolean => !busy.has(pack.sessionId) && !core.index.marked.has(pack.id);
  const pinWarnings = new PinWarnings(options.warn);
  // For what it costs; that nothing pinned is deleted is up to the sweep, which lists the sessions again.
  const ids = new Set(names.map(pointIdOf));
  const pins = ((await pinnedPoints(core, sessions)) ?? []).filter(({ point }) => !ids.has(point));
  pinWarnings.removed(pins);
  const free = (): number => reclaimable(deadAndThin(live.states(candidates), isIdle), listed);
  const before = pins.length > 0 ? free() : 0;
  await marker.markPinned(pins.flatMap(({ contents }) => contents));
  const pinnedBytes = pins.length > 0 ? Math.max(0, before - free()) : 0;
  return {
    live,
    marker,
    sessions,
    manifests: new Set(names),
    ...deadAndThin(live.states(candidates), isIdle),
    // Also those that a session at work has claimed: what restore points need had an index once, and waits for no
    // session.
    withoutIndex: unindexed
      .filter((pack) => pack.unindexed && pack.liveRecords > 0)
      .map((pack) => core.index.unindexedPacks.get(pack.id)!),
    listed,
    pinnedBytes,
    pinWarnings,
    // An unreadable index may be the only one to name packs of a session at work.
    unreadable: unindexedBusy ? [] : unreadable.map((one) => one.name),
  };
}

/** Lists the packs, and notes which are missing. @param named what the indexes named before the listing */
export async function listPacks(core: RepositoryCore, named: LiveSet): Promise<PackSizes> {
  const listed = await PackSizes.list(core.storage, core.catalog.packCount());
  noteMissing(core, named, listed);
  return listed;
}

/**
 * Notes which of the packs that indexes name are not there. Those must not count as what a restore point lives on: what
 * it needs may be in another pack as well, and that one would go.
 */
export function noteMissing(core: RepositoryCore, named: LiveSet, listed: PackSizes): void {
  core.index.missing.clear();
  for (const { id, unindexed } of named.states()) if (!unindexed && !listed.has(id)) core.index.missing.add(id);
}

/**
 * Packs with nothing that lives, and what is worth copying: packs with much dead weight, and tiny ones when there are
 * many.
 */
function deadAndThin(
  packs: Iterable<PackState>,
  isIdle: (pack: PackState) => boolean,
): { dead: PackState[]; thin: PackState[] } {
  const dead: PackState[] = [];
  const wasted: PackState[] = [];
  const tiny: PackState[] = [];
  for (const pack of packs) {
    if (pack.liveRecords === 0) {
      if (isIdle(pack)) dead.push(pack);
    } else if (!pack.unindexed) {
      const list = pack.liveBytes < recordBytes(pack) * REWRITE_BELOW ? wasted : pack.length < TINY_PACK ? tiny : null;
      if (list !== null && isIdle(pack)) list.push(pack);
    }
  }
  return { dead: dead, thin: tiny.length >= MANY_TINY_PACKS ? [...wasted, ...tiny] : wasted };
}

/** Bytes that the deletion of the dead and the copying of the thin ones give back. */
export function reclaimable({ dead, thin }: Pick<Survey, 'dead' | 'thin'>, listed: PackSizes): number {
  const size = (pack: PackState): number => listed.get(pack.id) ?? 0;
  return (
    dead.reduce((sum, pack) => sum + size(pack), 0) +
    thin.reduce((sum, pack) => sum + Math.max(0, size(pack) - pack.liveBytes), 0)
  );
}

/** Bytes of a pack's records, without its header, table of contents and trailer. */
const recordBytes = (pack: PackState): number =>
  pack.length - PACK_HEADER_LENGTH - PACK_TRAILER_LENGTH - pack.records * TOC_ENTRY_LENGTH;
