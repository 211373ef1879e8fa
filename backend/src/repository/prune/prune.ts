/**
 * Gives back the space of what no restore point reaches: mark and sweep in two phases, safe beside writers and safe to
 * kill (docs/format.md §5, rules 8 and 9, and §6).
 */
import type { OperationContext } from '../../support/progress.ts';
import { isWaitedFor, listFencedForSure } from '../coordination/fencing.ts';
import type { RepositoryCore } from '../core.ts';
import { keepSpares } from '../documents/spares.ts';
import { Certainty } from '../doubt/certainty.ts';
import { asDoubt, sentences } from '../doubt/doubt.ts';
import { pointIdOf } from '../format/names.ts';
import type { PruneResult } from '../port/maintenance.ts';
import type { Tombstone } from '../port/points.ts';
import type { SessionHandle } from '../sessions/session-handle.ts';
import { blockedBy } from './blocked.ts';
import { dropOldTombstones, fillLedger } from './fill-ledger.ts';
import { settleLatePoint } from './late-points.ts';
import { replaceIndexes } from './reindex.ts';
import { rewritePacks } from './rewrite.ts';
import { reclaimable, type Survey, survey } from './survey.ts';
import { sweep } from './sweep.ts';
import { deadWithin, tightRoom } from './tight.ts';

export type PruneOptions = OperationContext & {
  dryRun?: boolean;
  without?: ReadonlySet<string>;
  finish?: (tombstone: Tombstone) => boolean;
  /** It has failed for want of room. */
  tight?: boolean;
  /** A person says that nothing is missing: what is in doubt is reported and keeps nothing from being deleted. */
  overrideDoubt?: boolean;
};

const NOTHING: PruneResult = { freedBytes: 0, pendingBytes: 0, packsDeleted: 0, packsRewritten: 0, blocked: [] };

/**
 * Where it cannot be known what a restore point needs no space is given back, and the result names it.
 * @throws REPOSITORY_DOUBTFUL when something is missing that was not removed, or a listing is not what it must be:
 *   nothing has been deleted then
 */
export async function prune(core: RepositoryCore, options: PruneOptions = {}): Promise<PruneResult> {
  const goOn = (options.dryRun || options.overrideDoubt) ?? false;
  const certainty = new Certainty(core, { goOn });
  try {
    return await (options.dryRun ? look : work)(core, certainty, options);
  } catch (error) {
    throw asDoubt(error, core.storage.location);
  } finally {
    for (const sentence of goOn ? sentences(certainty.doubts) : [])
      options.warn?.(
        `${options.dryRun ? 'A prune would delete nothing' : 'Deleted in spite of a doubt'}: ${sentence}.`,
      );
  }
}

async function look(core: RepositoryCore, certainty: Certainty, options: PruneOptions): Promise<PruneResult> {
  await certainty.require();
  return estimate(core, await survey(core, options, { self: null, certainty, without: options.without }));
}

async function work(core: RepositoryCore, certainty: Certainty, options: PruneOptions): Promise<PruneResult> {
  const handle = await core.sessions.register('prune', core.environment.identity().machine);
  try {
    const sessions = await core.sessions.list({ twice: true });
    await certainty.requireSession(sessions, handle);
    const others = sessions.filter((state) => state.document.id !== handle.id);
    for (const { doubt, alive } of others) if (doubt !== undefined && alive) options.warn?.(doubt);
    if (others.some((state) => state.alive && state.document.kind === 'prune')) {
      options.warn?.('Another prune is active in this repository; this one stops.');
      return NOTHING;
    }
    await certainty.require();
    // Repositories of before there were copies get them here.
    await keepSpares(core.storage);
    await finishRemovals(core, certainty, options);
    const over = new Set(others.filter(({ alive }) => !alive).map(({ document }) => document.id));
    return await run(core, { handle, over }, certainty, options);
  } finally {
    await handle.end().catch(() => undefined);
  }
}

/**
 * Deletes the manifests of restore points whose removal was cut short behind the tombstone, and tombstones past their
 * time.
 */
async function finishRemovals(core: RepositoryCore, certainty: Certainty, { finish }: PruneOptions): Promise<void> {
  for (const { name, id } of await core.manifests.unfinished()) {
    const tombstone = await core.tombstones.get(id).catch(() => null);
    if (tombstone?.late !== undefined) await settleLatePoint(core, name, id);
    else if (tombstone !== null && (finish?.(tombstone) ?? true)) await core.manifests.withdraw(name);
  }
  const present = (await certainty.present()).map(pointIdOf);
  await dropOldTombstones(core, new Set(present));
}

function estimate(core: RepositoryCore, found: Survey): PruneResult {
  const { dead, thin, listed, pinnedBytes, marker } = found;
  if (marker.unknown.size > 0) return { ...NOTHING, blocked: blockedBy(core, marker.unknown) };
  return {
    freedBytes: reclaimable(found, listed),
    pendingBytes: pinnedBytes,
    packsDeleted: dead.length + thin.length,
    packsRewritten: thin.length,
    blocked: [],
  };
}

interface Own {
  handle: SessionHandle;
  /** Ids of the sessions that were over before the packs were listed. */
  over: ReadonlySet<string>;
}

async function run(core: RepositoryCore, own: Own, certainty: Certainty, options: PruneOptions): Promise<PruneResult> {
  const total = { ...NOTHING };
  for (;;) {
    const found = await survey(core, options, { self: own.handle, certainty });
    if (found.marker.unknown.size > 0) return { ...total, blocked: blockedBy(core, found.marker.unknown) };
    const room = await tightRoom(core, found, options.tight === true && total.packsDeleted === 0);
    const step = room === null ? found : { ...found, dead: deadWithin(core, found, room), thin: [] };
    if (room !== null && step.dead.length === 0 && total.packsDeleted > 0) {
      if (found.thin.length > 0)
        options.warn?.(
          `There is no room to store anew what is in use of ${found.thin.length} packs: they stay as they are.`,
        );
      return total;
    }
    const done = await runStep(core, own, certainty, { options, found: step, isTight: room !== null });
    total.freedBytes += done.freedBytes;
    total.pendingBytes = done.pendingBytes;
    total.packsDeleted += done.packsDeleted;
    total.packsRewritten += done.packsRewritten;
    total.blocked = done.blocked;
    // What waits for others gives no room back.
    if (room === null || done.packsDeleted === 0) return total;
  }
}

/** @param by.isTight writes no more than it must */
async function runStep(
  core: RepositoryCore,
  { handle, over }: Own,
  certainty: Certainty,
  { options, found, isTight }: { options: PruneOptions; found: Survey; isTight: boolean },
): Promise<PruneResult> {
  const context = { ...options, renew: () => handle.renew() };
  const { rewritten, writtenBytes, indexBytes } = await rewritePacks(core, handle.id, found.live, found.thin, context);
  // Their records live elsewhere now; only a restore point published since may still need them.
  for (const id of rewritten) found.live.clear(id);
  const leaving = [...found.dead.map((pack) => pack.id), ...rewritten];
  await handle.renew();
  // Packs of earlier marks may have been named again, by an index that was published beside the prune that marked them.
  const marked = new Set([...leaving, ...[...core.index.marked].filter((id) => !found.live.get(id)?.liveRecords)]);
  const named = await replaceIndexes(core, handle.id, marked, found.withoutIndex, found.unreadable, isTight);
  const mark = leaving.length > 0 ? await core.marks.create(leaving) : null;
  if (mark !== null) {
    const alive = (await listFencedForSure(core, handle, certainty)).filter(isWaitedFor);
    await core.marks.recordWaiting(
      mark,
      alive.map((state) => state.document.id),
    );
  }
  await handle.renew();
  const swept = await sweep(core, handle, found, { certainty, mark });
  // What came to its end since may have stored packs after they were listed: the session explains them to the next.
  for (const state of found.sessions)
    if (!state.alive && over.has(state.document.id)) await core.sessions.forget(state);
  if (!isTight || swept.packsDeleted > 0) await fillLedger(core);
  const freed = swept.freedBytes + (await core.storage.housekeep()) - writtenBytes - indexBytes - named;
  return {
    freedBytes: Math.max(0, freed),
    pendingBytes: swept.pendingBytes + found.pinnedBytes,
    packsDeleted: swept.packsDeleted,
    packsRewritten: rewritten.length,
    blocked: blockedBy(core, found.marker.unknown),
  };
}
