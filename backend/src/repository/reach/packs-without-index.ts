/**
 * Packs whose index was lost. A pack that an index named is, as long as it exists, named by an index that is there,
 * though another may supersede it, or by a mark (docs/format.md §5, rules 8 and 9): prune supersedes first, then marks,
 * deletes packs, then indexes, then the mark, and names what is needed again before that.
 */
import { isHvError } from '../../support/errors.ts';
import type { RepositoryCore } from '../core.ts';
import { parseIndex } from '../format/index-format.ts';
import { Folder, packFolder, packName, parseIndexName } from '../format/names.ts';
import type { RecordLocation } from '../records/record-index.ts';

/** What is needed and in no pack that an index names: for each such thing the packs that hold it. */
export class PacksWithoutIndex {
  /** By the packs' ids, best first. */
  readonly #places = new Map<string, readonly string[]>();

  get size(): number {
    return this.#places.size;
  }

  /** @param all where one record is, best first; nothing is noted when an index names one of the packs */
  add(all: readonly Pick<RecordLocation, 'packId' | 'packNumber'>[]): void {
    if (all.length === 0 || all.some(({ packNumber }) => packNumber >= 0)) return;
    const packs = all.map(({ packId }) => packId);
    this.#places.set(packs.join(' '), packs);
  }

  /** @returns what has to do with a pack that was among `before` too */
  among(before: PacksWithoutIndex): PacksWithoutIndex {
    const known = new Set(before.packs());
    const left = new PacksWithoutIndex();
    for (const [key, packs] of this.#places) if (packs.some((id) => known.has(id))) left.#places.set(key, packs);
    return left;
  }

  packs(): string[] {
    return [...new Set([...this.#places.values()].flat())];
  }

  /** Of each thing that is in none but the packs `lost` the first that is `there`. */
  lost(lost: ReadonlySet<string>, there: ReadonlySet<string>): string[] {
    const hopeless = [...this.#places.values()].filter((packs) => packs.every((id) => lost.has(id)));
    return [...new Set(hopeless.flatMap((packs) => packs.find((id) => there.has(packName(id))) ?? []))];
  }
}

/**
 * Asks in the order in which prune works, and around: a process at work beside is seen before, or after. A writer that
 * gave up leaves packs without an index, and what they hold may be in a marked pack as well: only what is nowhere else
 * counts.
 * @returns those of the packs that are there, and that neither an index nor a mark names
 */
export async function findPacksWithoutIndex(core: RepositoryCore, needed: PacksWithoutIndex): Promise<string[]> {
  const without = await named(core, needed.packs());
  if (without.length === 0) return [];
  const lost = await named(core, await notSuperseded(core, without));
  const there = new Set<string>();
  for (const folder of new Set(lost.map(packFolder)))
    for (const { name } of await core.storage.list(folder)) there.add(name);
  return needed.lost(new Set(lost), there);
}

/** Less what indexes that count name, then what marks do. */
async function named(core: RepositoryCore, packs: readonly string[]): Promise<string[]> {
  if (packs.length === 0) return [];
  await core.refresh();
  return packs.filter((id) => core.catalog.packById(id) === undefined && !core.index.marked.has(id));
}

/** Less what indexes name that are superseded and still there. */
async function notSuperseded(core: RepositoryCore, packs: readonly string[]): Promise<string[]> {
  const { storage, config, keys, catalog } = core;
  const left = new Set(packs);
  const known = catalog.indexes();
  for (const { name } of await storage.list(Folder.indexes)) {
    if (known.has(parseIndexName(name) ?? '')) continue;
    try {
      for (const { id } of parseIndex(await storage.get(name), name, config.id, keys).packs) left.delete(id);
    } catch (error) {
      // Deleted meanwhile, or of no use: check names it itself.
      if (!isHvError(error, 'REPOSITORY_DAMAGED', 'FILE_NOT_FOUND', 'IO_ERROR', 'NOT_SUPPORTED')) throw error;
    }
  }
  return [...left];
}
