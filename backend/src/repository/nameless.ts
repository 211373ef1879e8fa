/**
 * Packs whose index was lost. A pack that an index named is, as long as it exists, named by an index that is there, though another
 * may supersede it, or by a mark (docs/format.md §5, rules 8 and 9): prune supersedes first, then marks, deletes packs, then
 * indexes, then the mark, and names what is needed again before that.
 */
import { isHvError } from '../support/errors.ts';
import type { RepositoryCore } from './core.ts';
import { packName } from './format/ids.ts';
import { parseIndex } from './format/index-format.ts';

/**
 * Asks in the order in which prune works, and around: whoever is at work beside is seen before, or after.
 * @returns those of `packs` that are there, and that neither an index nor a mark names
 */
export async function findNameless(core: RepositoryCore, packs: readonly string[]): Promise<string[]> {
  const without = await named(core, packs);
  if (without.length === 0) return [];
  const lost = await named(core, await notSuperseded(core, without));
  const there = new Set<string>();
  for (const folder of new Set(lost.map((id) => packName(id).slice(0, -id.length))))
    for (const { name } of await core.storage.list(folder)) there.add(name);
  return lost.filter((id) => there.has(packName(id)));
}

/** Less what indexes that count name, then what marks do. */
async function named(core: RepositoryCore, packs: readonly string[]): Promise<string[]> {
  if (packs.length === 0) return [];
  await core.refresh();
  return packs.filter((id) => core.catalog.packById(id) === undefined && !core.index.doomed.has(id));
}

/** Less what indexes name that are superseded and still there. */
async function notSuperseded(core: RepositoryCore, packs: readonly string[]): Promise<string[]> {
  const { storage, config, keys, catalog } = core;
  const left = new Set(packs);
  const known = catalog.indexes();
  for (const { name } of await storage.list('indexes/')) {
    if (known.has(name.slice('indexes/'.length))) continue;
    try {
      for (const { id } of parseIndex(await storage.get(name), name, config.id, keys).packs) left.delete(id);
    } catch (error) {
      // Deleted meanwhile, or of no use: check names it itself.
      if (!isHvError(error, 'REPOSITORY_DAMAGED', 'FILE_NOT_FOUND', 'IO_ERROR', 'NOT_SUPPORTED')) throw error;
    }
  }
  return [...left];
}
