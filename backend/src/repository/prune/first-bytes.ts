/**
 * The first bytes of a storage that is full to the last one, and has no reserve: what can be deleted for certain
 * without writing anything before. Prune goes on by its rules as soon as there is room for a session and a mark.
 *
 * Objects are moved out of their places first, and deleted only when no session was there after that. A writer
 * registers before it lists anything (docs/format.md §5, rule 2): one that comes later does not see them, and one that
 * came before is seen, and then they get their places back. So the rules hold without a mark: no active session relies
 * on them, and no restore point needs them.
 */
import type { OperationContext } from '../../support/progress.ts';
import type { RepositoryCore } from '../core.ts';
import { Certainty } from '../doubt/certainty.ts';
import { indexName, packName } from '../format/names.ts';
import type { SessionState } from '../sessions/session-registry.ts';
import { survey } from './survey.ts';

/** Enough for a session, tombstones and a mark on any file system. */
const ENOUGH = 1024 * 1024;

/** What dead processes of this machine left: temporary files, and sessions. @returns bytes that were given back */
export async function dropLeftovers(core: RepositoryCore): Promise<number> {
  const before = await core.storage.room?.free();
  const freed = await core.storage.housekeep();
  // Those of writers explain packs that no restore point needs: they go with these.
  for (const state of await core.sessions.list())
    if (isOver(state) && state.document.kind !== 'backup') await core.sessions.forget(state);
  const after = await core.storage.room?.free();
  return Math.max(freed, (after ?? 0) - (before ?? 0));
}

/**
 * Deletes indexes that name nothing but packs without a live record, then such packs, until there is a little room.
 * @returns bytes that were given back; 0 when nothing is certain
 * @param context.overrideDoubt as of a prune
 * @throws REPOSITORY_DOUBTFUL, and what a survey does: nothing was deleted then
 */
export async function dropCertainGarbage(
  core: RepositoryCore,
  context: OperationContext & { overrideDoubt?: boolean },
): Promise<number> {
  const { room } = core.storage;
  if (room === undefined || (await isAnybodyThere(core))) return 0;
  const certainty = new Certainty(core, { goOn: context.overrideDoubt });
  await certainty.require();
  const found = await survey(core, context, { self: null, certainty });
  // What is missing or unreadable may be the reason why something looks dead.
  if (found.marker.unknown.size > 0) return 0;
  if (found.unreadable.length > 0 || found.marker.missingBlocks > 0 || found.sessions.some((one) => !isOver(one)))
    return 0;
  const dead = new Set(found.dead.map(({ id }) => id));
  const whole = core.catalog
    .indexesOf(dead)
    .filter((name) => core.catalog.packsOf(name).every(({ id }) => dead.has(id)));
  const packs = found.dead.filter(({ id }) => isNamedBy(core, id, whole));
  await certainty.requireSameRepository();
  let freed = 0;
  // Indexes first: a pack that an index names must be there.
  for (const name of [...whole.map(indexName), ...packs.map(({ id }) => packName(id))]) {
    const aside = freed < ENOUGH ? await room.setAside(name) : null;
    if (aside === null) continue;
    if (await isAnybodyThere(core)) {
      await aside.putBack();
      break;
    }
    await aside.delete();
    freed += aside.bytes;
  }
  await core.refresh();
  return freed;
}

/** Whether no other indexes than these name the pack. */
function isNamedBy(core: RepositoryCore, packId: string, names: readonly string[]): boolean {
  return core.catalog.indexesOf(new Set([packId])).every((name) => names.includes(name));
}

const isAnybodyThere = async (core: RepositoryCore): Promise<boolean> =>
  (await core.sessions.list({ twice: true })).some((state) => !isOver(state));

/** Dead for certain, or ended: by time alone is not enough, as a fence cannot be put. */
const isOver = ({ alive, expired }: SessionState): boolean => !alive && !expired;
