/** Brings the record index up to what the storage lists: indexes, deletion marks, damage records. */
import { isHvError, toHvError } from '../../support/errors.ts';
import { IndexView } from '../format/index-view.ts';
import type { RepositoryKeys } from '../format/keys.ts';
import { Folder, indexName, packFolder, parseDamageName, parseIndexName, parsePackName } from '../format/names.ts';
import type { Storage } from '../storage/storage.ts';
import type { Mark, MarkStore } from './marks.ts';
import { PackIds } from './pack-ids.ts';
import { eachListedPack } from './pack-sizes.ts';
import { readPackContents } from './pack-tail.ts';
import type { RecordIndex } from './record-index.ts';

export interface RefreshResult {
  marks: Mark[];
  /** Names of all index objects listed. */
  listed: Set<string>;
  /** Indexes that could not be read; packs only they name are read themselves when needed. */
  unreadable: { name: string; error: Error }[];
}

const MAX_ATTEMPTS = 5;

export class RecordRefresh {
  readonly #storage: Storage;
  readonly #repositoryId: string;
  readonly #keys: RepositoryKeys | null;
  readonly #index: RecordIndex;
  readonly #marks: MarkStore;

  constructor(
    storage: Storage,
    repositoryId: string,
    keys: RepositoryKeys | null,
    index: RecordIndex,
    marks: MarkStore,
  ) {
    this.#storage = storage;
    this.#repositoryId = repositoryId;
    this.#keys = keys;
    this.#index = index;
    this.#marks = marks;
  }

  /** Marks are listed last: what they name has left the indexes before (docs/format.md §6). */
  async refresh(): Promise<RefreshResult> {
    for (let attempt = 1; ; attempt++) {
      const { stale, ...result } = await this.#refreshOnce();
      if (!stale || attempt === MAX_ATTEMPTS) return result;
    }
  }

  /**
   * A listing may miss what is put while it lasts, and then also what is deleted because of that. It is `stale` when
   * something was superseded and deleted between listing and reading, when an index is gone and none that is listed
   * supersedes it, and when one came that supersedes others: those that were put before it, and name the rest of what
   * it replaces, are in the next listing for sure.
   */
  async #refreshOnce(): Promise<RefreshResult & { stale: boolean }> {
    const { catalog } = this.#index;
    // Before the listing: what another process adds to the catalog meanwhile must not count as vanished.
    const before = catalog.indexes();
    const listed = new Set<string>();
    const unknown: string[] = [];
    for (const { name } of await this.#storage.list(Folder.indexes)) {
      const hash = parseIndexName(name);
      if (hash === null) continue;
      if (!before.has(hash)) unknown.push(hash);
      listed.add(hash);
    }
    const superseded = new Set<string>();
    for (const [name, old] of before)
      if (old.length > 0 && listed.has(name)) for (const one of old) superseded.add(one);
    const unreadable: RefreshResult['unreadable'] = [];
    let stale = false;
    for (const name of unknown) {
      if (superseded.has(name)) continue;
      const index = await this.#load(name, unreadable);
      if (index === null) {
        stale ||= unreadable.at(-1)?.name !== name;
        continue;
      }
      stale ||= index.supersedes.length > 0;
      for (const one of index.supersedes) superseded.add(one);
      catalog.stageIndex(name, index);
    }
    catalog.commitStaged();
    const missing = new Set<string>();
    if (listed.size - unknown.length < before.size)
      for (const name of before.keys()) if (!listed.has(name)) missing.add(name);
    for (const name of missing) stale ||= !superseded.has(name);
    const gone =
      superseded.size + missing.size === 0
        ? []
        : [...catalog.indexes().keys()].filter((name) => superseded.has(name) || missing.has(name));
    if (gone.length > 0) catalog.removeIndexes(gone);
    await catalog.settle();
    this.#index.invalidate();
    const marks = await this.#marks.list();
    this.#index.marked = new Set(marks.flatMap((mark) => mark.packs));
    for (const { name } of await this.#storage.list(Folder.damaged)) {
      const key = parseDamageName(name);
      if (key !== null) this.#index.damaged.add(key);
    }
    return { marks, listed, unreadable, stale };
  }

  /**
   * Finds complete packs that no index names and reads their tables of contents; forgets those that have been deleted
   * since.
   * @returns their ids
   */
  async findUnindexed(): Promise<string[]> {
    const indexed = new PackIds();
    for (const id of this.#index.catalog.packIds()) indexed.add(id);
    const isUnknown = (id: string): boolean => !this.#index.knowsPack(id, indexed);
    // Sizes cost a question each: only of folders with packs that are not known.
    const folders = new Set<string>();
    // Only what was there before the listing began must be in it.
    const gone = new Set(this.#index.unindexedPacks.keys());
    await eachListedPack(this.#storage, indexed.count, {}, (id) => {
      gone.delete(id);
      if (isUnknown(id)) folders.add(packFolder(id));
    });
    for (const id of gone) this.#index.removeUnindexed(id);
    const found: string[] = [];
    for (const folder of folders) await this.#readUnindexed(folder, isUnknown, found);
    return found;
  }

  async #readUnindexed(folder: string, isUnknown: (id: string) => boolean, found: string[]): Promise<void> {
    for (const { name, size } of await this.#storage.list(folder, { sizes: true })) {
      const id = parsePackName(name);
      if (size === undefined || id === null || !isUnknown(id)) continue;
      try {
        this.#index.addUnindexed(await readPackContents(this.#storage, this.#repositoryId, id, size));
        found.push(id);
      } catch (error) {
        if (!isHvError(error, 'REPOSITORY_DAMAGED', 'FILE_NOT_FOUND', 'NOT_SUPPORTED')) throw error;
      }
    }
  }

  async #load(name: string, unreadable: RefreshResult['unreadable']): Promise<IndexView | null> {
    try {
      return new IndexView(await this.#storage.get(indexName(name)), indexName(name), this.#repositoryId, this.#keys);
    } catch (error) {
      // Superseded and deleted since the listing.
      if (isHvError(error, 'FILE_NOT_FOUND')) return null;
      if (!isHvError(error, 'REPOSITORY_DAMAGED', 'IO_ERROR')) throw error;
      unreadable.push({ name, error: toHvError(error) });
      return null;
    }
  }
}
