/**
 * Replaces the indexes that name packs about to go (docs/format.md §6, step 4), and names packs that no index names.
 */
import { isHvError } from '../../support/errors.ts';
import type { RepositoryCore } from '../core.ts';
import { type IndexedPack, parseIndex } from '../format/index-format.ts';
import { indexName, packName } from '../format/names.ts';
import { publishIndex } from '../records/pack-sink.ts';
import { readPackContents } from '../records/pack-tail.ts';

/** Every small incremental leaves an index of a pack or two; from this many on they are put together. */
const MANY_SMALL_INDEXES = 32;
const SMALL_INDEX_PACKS = 16;
/** Of one index: 10 MB. */
const MAX_INDEX_RECORDS = 200_000;

/**
 * Publishes an index that names what the affected indexes name, less `leaving`, and `added`.
 * @param unreadable names of damaged indexes that are of no use any more
 * @param isTight leaves small indexes as they are: there is little room
 * @returns bytes of the new index; 0 when none was needed
 */
export async function replaceIndexes(
  core: RepositoryCore,
  sessionId: string,
  leaving: ReadonlySet<string>,
  added: readonly IndexedPack[],
  unreadable: readonly string[],
  isTight = false,
): Promise<number> {
  const small = isTight ? [] : smallIndexes(core);
  const affected = [...new Set([...core.catalog.indexesOf(leaving), ...small])];
  if (affected.length === 0 && added.length === 0 && unreadable.length === 0) return 0;
  const writer = new IndexBatches(core, sessionId);
  for (const name of affected)
    for (const pack of await packsOf(core, name)) if (!leaving.has(pack.id)) await writer.add(pack);
  for (const pack of added) {
    await core.storage.settle(packName(pack.id));
    await writer.add(pack);
  }
  // What the affected ones supersede may still be listed: it must not come back to life without them.
  const known = core.catalog.indexes();
  const older = affected.flatMap((name) => known.get(name) ?? []);
  const supersedes = [...new Set([...affected, ...older, ...unreadable])].sort();
  await writer.publish(supersedes);
  core.catalog.removeIndexes(affected);
  core.index.invalidate();
  for (const pack of added) core.index.removeUnindexed(pack.id);
  return writer.bytes;
}

/**
 * Indexes of a bounded size: a prune of a large repository touches most of its indexes. All but the last supersede
 * nothing, so whenever it is killed every pack is named.
 */
class IndexBatches {
  /** Published so far. */
  bytes = 0;
  readonly #core: RepositoryCore;
  readonly #sessionId: string;
  readonly #seen = new Set<string>();
  #packs: IndexedPack[] = [];
  #records = 0;

  constructor(core: RepositoryCore, sessionId: string) {
    this.#core = core;
    this.#sessionId = sessionId;
  }

  async add(pack: IndexedPack): Promise<void> {
    if (this.#seen.has(pack.id)) return;
    this.#seen.add(pack.id);
    if (this.#records > 0 && this.#records + pack.records.length > MAX_INDEX_RECORDS) await this.publish([]);
    this.#packs.push(pack);
    this.#records += pack.records.length;
  }

  async publish(supersedes: string[]): Promise<void> {
    const index = { sessionId: this.#sessionId, supersedes, packs: this.#packs };
    const { storage, config, keys, catalog } = this.#core;
    const name = await publishIndex(storage, config.id, keys, index, (length) => {
      this.bytes += length;
    });
    catalog.addIndex(name, index);
    this.#packs = [];
    this.#records = 0;
  }
}

function smallIndexes(core: RepositoryCore): string[] {
  const sizes = core.catalog.indexSizes();
  const small = [...sizes].filter(([, packs]) => packs < SMALL_INDEX_PACKS).map(([name]) => name);
  return small.length >= MANY_SMALL_INDEXES ? small : [];
}

/** What an index names; from the packs themselves when the object has become unreadable since it was loaded. */
async function packsOf(core: RepositoryCore, name: string): Promise<IndexedPack[]> {
  try {
    return parseIndex(await core.storage.get(indexName(name)), indexName(name), core.config.id, core.keys).packs;
  } catch (error) {
    if (!isHvError(error, 'REPOSITORY_DAMAGED', 'FILE_NOT_FOUND', 'IO_ERROR')) throw error;
    const { storage, config, catalog } = core;
    const packs = catalog.packsOf(name);
    return Promise.all(packs.map((pack) => readPackContents(storage, config.id, pack.id, pack.length)));
  }
}
