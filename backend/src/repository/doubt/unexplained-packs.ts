/** Packs where there is no restore point at all, and nothing says that there ever was one. */
import type { RepositoryCore } from '../core.ts';
import { Folder, packName } from '../format/names.ts';
import type { Doubt } from '../port/doubt.ts';
import { probe } from '../storage/probe.ts';

/**
 * What a backup leaves that did not get to an end is explained by its session, and what is about to go by its mark.
 * Anything else was part of a restore point once: it is unknown what became of that.
 */
export async function unexplainedPacks(core: RepositoryCore): Promise<Doubt[]> {
  const listed = new Set((await core.storage.list(Folder.packs)).map(({ name }) => name));
  if (listed.size === 0) return [];
  await core.refresh();
  await core.findUnindexed();
  const sessions = await core.sessions.named();
  let packs = 0;
  const unlisted: string[] = [];
  const count = ({ id, sessionId }: { id: string; sessionId: string }): void => {
    if (sessions.has(sessionId) || core.index.marked.has(id)) return;
    if (listed.has(packName(id))) packs += 1;
    else unlisted.push(packName(id));
  };
  core.catalog.eachPack(count);
  for (const pack of core.index.unindexedPacks.values()) count(pack);
  // An index that came late names packs that were deleted since: they are no data.
  for (const name of unlisted) {
    if (packs > 0) break;
    if ((await probe(core.storage, name)) !== 'gone') packs += 1;
  }
  if (packs === 0) return [];
  // Last: who stored a pack that was listed, and is no longer at work, has published what he will ever publish.
  if ((await core.manifests.present()).length > 0 || (await core.ledger.names()).size > 0) return [];
  const are = packs === 1 ? 'is a pack' : `are ${packs} packs`;
  const message = `there ${are} of data, but no restore point and no record of an earlier one`;
  return [{ kind: 'manifests', path: 'manifests', message }];
}
