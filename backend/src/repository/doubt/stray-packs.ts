/** Packs where there is no restore point at all, and nothing says that there ever was one. */
import type { RepositoryCore } from '../core.ts';
import { Folder } from '../format/names.ts';
import type { Doubt } from '../port/doubt.ts';

/**
 * What a backup leaves that did not get to an end is explained by its session, and what is about to go by its mark.
 * Anything else was part of a restore point once: it is unknown what became of that.
 */
export async function strayPacks(core: RepositoryCore): Promise<Doubt[]> {
  if ((await core.storage.list(Folder.packs)).length === 0) return [];
  await core.refresh();
  await core.findLoose();
  // By two listings: while one lasts a writer may take over what a dead one left, its claim not seen yet, the dead
  // gone.
  const sessions = new Set(
    (await core.sessions.list({ twice: true })).flatMap(({ document, claims }) => [document.id, ...claims]),
  );
  let packs = 0;
  const count = ({ id, sessionId }: { id: string; sessionId: string }): void => {
    if (!sessions.has(sessionId) && !core.index.doomed.has(id)) packs += 1;
  };
  core.catalog.eachPack(count);
  for (const pack of core.index.loosePacks.values()) count(pack);
  if (packs === 0) return [];
  // Last: who stored a pack that was listed, and is no longer at work, has published what he will ever publish.
  if ((await core.manifests.present()).length > 0 || (await core.ledger.names()).size > 0) return [];
  const message = `there are ${packs} packs of data, but no restore point and no record of an earlier one`;
  return [{ kind: 'manifests', path: 'manifests', message }];
}
