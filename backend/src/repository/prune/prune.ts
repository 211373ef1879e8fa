/**
 * Gives back the space of what no restore point reaches: mark and sweep in two phases, safe beside writers and safe to kill
 * (docs/format.md §5, rules 8 and 9, and §6).
 */
import type { OperationContext } from '../../support/progress.ts';
import type { RepositoryCore } from '../core.ts';
import {
  PACK_HEADER_LENGTH,
  PACK_TARGET_LENGTH,
  PACK_TRAILER_LENGTH,
  REWRITE_BELOW,
  TOC_ENTRY_LENGTH,
} from '../format/constants.ts';
import type { IndexedPack } from '../format/index-format.ts';
import type { PruneResult } from '../port.ts';
import type { SessionHandle, SessionState } from '../sessions/session-registry.ts';
import { LiveSet, type PackState } from './live-set.ts';
import { LiveMarker } from './mark-live.ts';
import { replaceIndexes } from './reindex.ts';
import { rewritePacks } from './rewrite.ts';
import { sweep } from './sweep.ts';

export type PruneOptions = OperationContext & { dryRun?: boolean };

/** Every small incremental leaves two packs of this kind; from so many on they are put together. */
const TINY_PACK = PACK_TARGET_LENGTH / 16;
const MANY_TINY_PACKS = 32;

const NOTHING: PruneResult = { freedBytes: 0, pendingBytes: 0, packsDeleted: 0, packsRewritten: 0 };

/** @throws REPOSITORY_DAMAGED when it cannot be known what is needed; nothing has been deleted then */
export async function prune(core: RepositoryCore, options: PruneOptions = {}): Promise<PruneResult> {
  if (options.dryRun) return estimate(await survey(core, options, ''));
  const handle = await core.sessions.register('prune', core.environment.identity().machine);
  try {
    const others = (await core.sessions.list()).filter((state) => state.document.id !== handle.id);
    if (others.some((state) => state.alive && state.document.kind === 'prune')) {
      options.warn?.('Another prune is at work in this repository; this one gives way.');
      return NOTHING;
    }
    return await run(core, handle, options);
  } finally {
    await handle.end().catch(() => undefined);
  }
}

export interface Survey {
  live: LiveSet;
  /** Manifests that were walked. */
  manifests: Set<string>;
  marker: LiveMarker;
  sessions: SessionState[];
  dead: PackState[];
  thin: PackState[];
  /** Needed, and named by no index. */
  nameless: IndexedPack[];
  /** Packs that exist, with their sizes. */
  listed: Map<string, number>;
  /** Damaged indexes that no session at work may need. */
  unreadable: string[];
}

/** Finds out what lives. The order of the listings matters (docs/format.md §6, step 1). */
async function survey(core: RepositoryCore, options: PruneOptions, self: string): Promise<Survey> {
  const { unreadable } = await core.refresh();
  const listed = new Map<string, number>();
  for (const { name, size } of await core.storage.list('packs/', { sizes: true }))
    listed.set(name.slice(name.lastIndexOf('/') + 1), size ?? 0);
  await core.findLoose();
  const live = new LiveSet();
  live.addKnown(core.index);
  // Only these may go: what becomes known later may belong to a session that is not in the listing below.
  const candidates = [...live.packs.values()];
  const sessions = (await core.sessions.list()).filter((state) => state.document.id !== self);
  const names = await core.manifests.names();

  const marker = new LiveMarker(core, live, options);
  await marker.markAll(names);
  if (marker.missingBlocks > 0)
    options.warn?.(`${marker.missingBlocks} blocks of restore points are missing: run "hvbackup check".`);

  const busy = new Set(
    sessions.filter((state) => state.alive).flatMap((state) => [state.document.id, ...state.claims]),
  );
  const idle = candidates.filter((pack) => !busy.has(pack.sessionId) && !core.index.doomed.has(pack.id));
  const looseBusy = [...live.packs.values()].some((pack) => pack.loose && busy.has(pack.sessionId));
  return {
    live,
    marker,
    sessions,
    manifests: new Set(names),
    dead: idle.filter((pack) => pack.liveRecords === 0),
    thin: thinPacks(idle.filter((pack) => pack.liveRecords > 0 && !pack.loose)),
    nameless: [...live.packs.values()]
      .filter((pack) => pack.loose && pack.liveRecords > 0 && !busy.has(pack.sessionId))
      .map((pack) => core.index.loosePacks.get(pack.id)!),
    listed,
    // An unreadable index may be the only one to name packs of a session at work.
    unreadable: looseBusy ? [] : unreadable.map((one) => one.name),
  };
}

/** What is worth copying: packs with much dead weight, and tiny ones when there are many. */
function thinPacks(packs: readonly PackState[]): PackState[] {
  const wasted = packs.filter((pack) => pack.liveBytes < recordBytes(pack) * REWRITE_BELOW);
  const tiny = packs.filter((pack) => pack.length < TINY_PACK && !wasted.includes(pack));
  return tiny.length >= MANY_TINY_PACKS ? [...wasted, ...tiny] : wasted;
}

/** Bytes of a pack's records, without its header, table of contents and trailer. */
const recordBytes = (pack: PackState): number =>
  pack.length - PACK_HEADER_LENGTH - PACK_TRAILER_LENGTH - pack.records * TOC_ENTRY_LENGTH;

function estimate({ dead, thin, listed }: Survey): PruneResult {
  const size = (pack: PackState): number => listed.get(pack.id) ?? 0;
  const freed = dead.reduce((sum, pack) => sum + size(pack), 0);
  const shrunk = thin.reduce((sum, pack) => sum + Math.max(0, size(pack) - pack.liveBytes), 0);
  return {
    freedBytes: freed + shrunk,
    pendingBytes: 0,
    packsDeleted: dead.length + thin.length,
    packsRewritten: thin.length,
  };
}

async function run(core: RepositoryCore, handle: SessionHandle, options: PruneOptions): Promise<PruneResult> {
  const found = await survey(core, options, handle.id);
  const context = { ...options, renew: () => handle.renew() };
  const { rewritten, writtenBytes, indexBytes } = await rewritePacks(core, handle.id, found.live, found.thin, context);
  // Their records live elsewhere now; only a restore point published since may still need them.
  for (const id of rewritten) Object.assign(found.live.packs.get(id)!, { liveRecords: 0, liveBytes: 0 });
  const leaving = [...found.dead.map((pack) => pack.id), ...rewritten];
  await handle.renew();
  // Packs of earlier marks may have been named again, by an index that was published beside the prune that marked them.
  const marked = new Set([
    ...leaving,
    ...[...core.index.doomed].filter((id) => !found.live.packs.get(id)?.liveRecords),
  ]);
  const named = await replaceIndexes(core, handle.id, marked, found.nameless, found.unreadable);
  const mark = leaving.length > 0 ? await core.marks.create(leaving) : null;
  if (mark !== null) {
    const alive = (await core.sessions.list()).filter((state) => state.alive && state.document.id !== handle.id);
    await core.marks.recordWaiting(
      mark,
      alive.map((state) => state.document.id),
    );
  }
  await handle.renew();
  const swept = await sweep(core, handle, found);
  for (const state of found.sessions) if (!state.alive) await core.sessions.forget(state);
  const freed = swept.freedBytes + (await core.storage.housekeep()) - writtenBytes - indexBytes - named;
  return {
    freedBytes: Math.max(0, freed),
    pendingBytes: swept.pendingBytes,
    packsDeleted: swept.packsDeleted,
    packsRewritten: rewritten.length,
  };
}
