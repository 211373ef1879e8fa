/**
 * Taking sessions for over that have not ended: their writers may only be asleep, and what they have announced may be
 * published at any time. So they are fenced, and what they announced is hidden, before any process acts on it
 * (docs/format.md §5, rule 6).
 */
import type { RepositoryCore } from '../core.ts';
import type { Certainty } from '../doubt/certainty.ts';
import { pointIdOf } from '../format/names.ts';
import type { AnnouncedPoint } from '../sessions/session-document.ts';
import type { SessionHandle } from '../sessions/session-handle.ts';
import type { SessionState } from '../sessions/session-registry.ts';

/**
 * All sessions but `self`. Of those that are not alive nothing is published any more that is not listed now, or is
 * hidden by a tombstone: who lists the restore points after this sees all that will ever count.
 */
export async function listFenced(core: RepositoryCore, self: string): Promise<SessionState[]> {
  const states = (await core.sessions.list()).filter((state) => state.document.id !== self);
  return fenceAll(core, states);
}

/** The same before something is deleted: @throws REPOSITORY_DOUBTFUL when its own session is not in the listing */
export async function listFencedForSure(
  core: RepositoryCore,
  self: SessionHandle,
  certainty: Certainty,
): Promise<SessionState[]> {
  const states = await core.sessions.list({ twice: true });
  await certainty.requireSession(states, self);
  return fenceAll(
    core,
    states.filter((state) => state.document.id !== self.id),
  );
}

async function fenceAll(core: RepositoryCore, states: SessionState[]): Promise<SessionState[]> {
  for (const state of states) {
    if (state.unsure) await core.sessions.sight(state);
    if (!state.expired) continue;
    const points = await core.sessions.fence(state);
    if (points === null) Object.assign(state, { alive: true, expired: false });
    else await hideLate(core, points, state.document.id);
  }
  return states;
}

/** Whether a deletion waits for its end. What a reader needs is kept by its pins. */
export const isWaitedFor = ({ alive, document }: SessionState): boolean => alive && document.kind !== 'read';

/**
 * The tombstone is durable before the second look, and the writer looks for it after its manifest is: one of the two
 * sees the other. Only the writer of a tombstone takes it back: an older one may stand before a manifest that came too
 * late.
 */
export async function hideLate(
  core: RepositoryCore,
  points: readonly AnnouncedPoint[],
  session: string,
): Promise<void> {
  const missing = await notListed(core, points);
  const hidden: AnnouncedPoint[] = [];
  for (const point of missing)
    if (await core.tombstones.put(point, 'its backup did not get to an end', session)) hidden.push(point);
  const still = new Set(await notListed(core, hidden));
  const shown = hidden.filter((point) => !still.has(point));
  for (const point of shown) await core.tombstones.withdraw(point.id);
  // Its writer may have seen the tombstone meanwhile and taken the manifest back: that it was there must stay
  // explained.
  for (const point of await notListed(core, shown))
    await core.tombstones.put(point, 'its backup was taken back', session);
}

async function notListed(core: RepositoryCore, points: readonly AnnouncedPoint[]): Promise<AnnouncedPoint[]> {
  if (points.length === 0) return [];
  const there = new Set((await core.manifests.present()).map(pointIdOf));
  return points.filter(({ id }) => !there.has(id));
}
