/** The second phase of prune: deletes what is marked once no session can need it (docs/format.md §6, step 6). */

import { isWaitedFor, listFencedForSure } from '../coordination/fencing.ts';
import { pinnedPoints } from '../coordination/reader-pins.ts';
import type { RepositoryCore } from '../core.ts';
import type { Certainty } from '../doubt/certainty.ts';
import { damagedPack, damageName, Folder, indexName, packName, parseIndexName, pointIdOf } from '../format/names.ts';
import type { ContentRef } from '../port/contents.ts';
import type { Mark } from '../records/marks.ts';
import type { SessionHandle } from '../sessions/session-handle.ts';
import { replaceIndexes } from './reindex.ts';
import type { Survey } from './survey.ts';

export interface SweepResult {
  freedBytes: number;
  pendingBytes: number;
  packsDeleted: number;
}

/** @param by.mark the one that was just made; null when there was nothing to mark */
export async function sweep(
  core: RepositoryCore,
  handle: SessionHandle,
  found: Survey,
  { certainty, mark: made }: { certainty: Certainty; mark: Mark | null },
): Promise<SweepResult> {
  const result: SweepResult = { freedBytes: 0, pendingBytes: 0, packsDeleted: 0 };
  const sizeOf = (mark: Mark): number => mark.packs.reduce((sum, id) => sum + (found.listed.get(id) ?? 0), 0);
  // Sessions first, then manifests: who is no longer listed has published what it will ever publish.
  const sessions = (await listFencedForSure(core, handle, certainty)).filter(isWaitedFor);
  const alive = new Set(sessions.map((state) => state.document.id));
  const over: Mark[] = [];
  const marks = await core.marks.list();
  if (made !== null) certainty.requireMark(marks, made.id);
  for (const mark of marks) {
    if (mark.waiting === null) await core.marks.recordWaiting(mark, [...alive]);
    if (mark.waiting!.some((id) => alive.has(id))) result.pendingBytes += sizeOf(mark);
    else over.push(mark);
  }
  const due = await keepNeeded(core, handle, found, { over, result, certainty });
  // What is deleted below belongs to the repository that was opened, not to one that has come in its place.
  await certainty.requireSameRepository();
  for (const mark of over) if (!due.includes(mark)) result.pendingBytes += sizeOf(mark);
  for (const mark of due) {
    await handle.renew();
    const needed = new Set(mark.packs.filter((id) => found.live.get(id)?.liveRecords));
    const leaving = mark.packs.filter((id) => !needed.has(id));
    // A writer that has ended since may have named a marked pack. A needed one must be named again, and so must a copy
    // that no index has named yet, of a writer or prune that died on its way: for a restore point published since the
    // survey it may be all there is.
    const again = [...core.index.unindexedPacks.values()].filter(({ id }) => found.live.get(id)?.liveRecords);
    await replaceIndexes(core, handle.id, new Set(leaving), again, []);
    for (const id of leaving) {
      await core.storage.delete(packName(id));
      core.index.removeUnindexed(id);
      result.packsDeleted += found.listed.has(id) ? 1 : 0;
      result.freedBytes += found.listed.get(id) ?? 0;
      found.listed.delete(id);
    }
    await removeDamageRecords(core, new Set(leaving));
  }
  result.freedBytes += await removeIndexes(core);
  for (const mark of due) await core.marks.remove(mark);
  await core.marks.dropIncomplete();
  if (due.length > 0) await core.refresh();
  return result;
}

/**
 * Restore points published since the survey keep what they need; so does what readers at work have pinned, and what
 * writers built on who saw the marks. The order matters: restore points, then readers (rule 11), then the bases (rule
 * 7): a reader that pins later finds what it pins listed later, and it has kept what it needs.
 * @param result gets what only readers keep
 * @returns the marks whose packs may go
 */
async function keepNeeded(
  core: RepositoryCore,
  handle: SessionHandle,
  found: Survey,
  { over, result, certainty }: { over: readonly Mark[]; result: SweepResult; certainty: Certainty },
): Promise<Mark[]> {
  const present = await certainty.present();
  const fresh = present.filter((name) => !found.manifests.has(name));
  const readers = over.length > 0 ? await pinnedPoints(core, await listFencedForSure(core, handle, certainty)) : [];
  if (readers === null) found.pinWarnings.unreadable();
  const due: Mark[] = [];
  const bases: ContentRef[] = [];
  for (const mark of readers === null ? [] : over) {
    const contents = await core.marks.pinned(mark);
    if (contents === null) continue;
    due.push(mark);
    bases.push(...contents);
  }
  await core.refresh();
  if (fresh.length === 0 && bases.length === 0 && !readers?.length) return due;
  await core.findUnindexed();
  found.live.addKnown(core.index);
  await found.marker.markAll(fresh);
  for (const name of fresh) found.manifests.add(name);
  await found.marker.markPinned(bases);
  // What these need is not known, so it could be in any of the packs.
  if (found.marker.unknown.size > 0) return [];
  if (!readers?.length) return due;
  const ids = new Set(present.map(pointIdOf));
  found.pinWarnings.removed(readers.filter(({ point }) => !ids.has(point)));
  const dead = due.flatMap(({ packs }) => packs).filter((id) => !found.live.get(id)?.liveRecords);
  await found.marker.markPinned(readers.flatMap(({ contents }) => contents));
  for (const id of new Set(dead)) if (found.live.get(id)?.liveRecords) result.pendingBytes += found.listed.get(id) ?? 0;
  return found.marker.unknown.size > 0 ? [] : due;
}

async function removeDamageRecords(core: RepositoryCore, packs: ReadonlySet<string>): Promise<void> {
  for (const key of core.index.damaged) {
    if (!packs.has(damagedPack(key))) continue;
    await core.storage.delete(damageName(key));
    core.index.damaged.delete(key);
  }
}

/** Index objects that others supersede. @returns bytes given back */
async function removeIndexes(core: RepositoryCore): Promise<number> {
  const superseded = new Set([...core.catalog.indexes().values()].flat());
  let freed = 0;
  for (const { name, size } of await core.storage.list(Folder.indexes, { sizes: true })) {
    if (!superseded.has(parseIndexName(name) ?? '')) continue;
    await core.storage.delete(name);
    freed += size ?? 0;
  }
  for (const name of [...core.catalog.indexes().keys()]) {
    // What names nothing served only to supersede.
    if (core.catalog.packsOf(name).length > 0 || (await supersedesListed(core, name))) continue;
    await core.storage.delete(indexName(name));
    core.catalog.removeIndexes([name]);
  }
  return freed;
}

/** Looked at twice: what it supersedes would come back to life without it. */
async function supersedesListed(core: RepositoryCore, name: string): Promise<boolean> {
  const old = new Set(core.catalog.indexes().get(name) ?? []);
  const look = async (): Promise<boolean> =>
    (await core.storage.list(Folder.indexes)).some(({ name }) => old.has(parseIndexName(name) ?? ''));
  return old.size > 0 && ((await look()) || (await look()));
}
