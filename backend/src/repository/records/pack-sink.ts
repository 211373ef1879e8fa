/**
 * Where a session's records go: one open pack a class, packs made durable beside the work, and an index published for
 * every few of them, so that an interrupted full is not lost (docs/format.md §2.4, §5).
 */
import { HvError } from '../../support/errors.ts';
import { PackClass } from '../format/constants.ts';
import { randomId } from '../format/ids.ts';
import { type IndexedPack, type IndexObject, parseIndex, renderIndex } from '../format/index-format.ts';
import type { RepositoryKeys } from '../format/keys.ts';
import { Folder, indexName } from '../format/names.ts';
import type { Storage } from '../storage/storage.ts';
import { type PackOwner, PackWriter, sameEntry } from './pack-writer.ts';

/** Packs being flushed at once: more would only queue in the storage. */
const MAX_COMMITS = 3;
const MIN_BATCH = 4;
const MAX_BATCH = 64;

export interface SinkEvents {
  /** A pack is durable; no index names it yet. */
  packStored(pack: IndexedPack): void;
  /** An index is durable. */
  indexStored(name: string, index: IndexObject): void;
  /** Called before each publishing: a chance to renew the session. */
  beforePublish(): Promise<void>;
  /** Called when an index is there: a chance to correct it. @throws what storing then fails with */
  afterPublish?(name: string, index: IndexObject): Promise<void>;
}

export class PackSink {
  readonly #storage: Storage;
  readonly #owner: PackOwner;
  readonly #events: SinkEvents;
  readonly #open: (PackWriter | undefined)[] = [undefined, undefined];
  readonly #commits = new Set<Promise<void>>();
  #unindexed: IndexedPack[] = [];
  #stored = 0;
  #indexing: Promise<void> = Promise.resolve();
  #failure: unknown;
  /** Two digits that no pack's id can begin with. */
  #blocked: Promise<ReadonlySet<string>> | undefined;
  /** Bytes of indexes published so far. */
  indexBytes = 0;
  /** Packs that were to be put: a put that failed may have been done all the same. */
  attempts = 0;

  constructor(storage: Storage, owner: PackOwner, events: SinkEvents) {
    this.#storage = storage;
    this.#owner = owner;
    this.#events = events;
  }

  /**
   * Announces `count` records of at most `bytes` to the pack they will go to: it stays open until they are appended or
   * cancelled. Waits while too many packs are being flushed. @throws what a flush failed with
   */
  async reserve(packClass: PackClass, count: number, bytes: number): Promise<{ pack: PackWriter; sequence: number }> {
    this.#blocked ??= blockedFolders(this.#storage);
    const blocked = await this.#blocked;
    while (this.#open[packClass]?.isFull) {
      this.#seal(packClass);
      if (this.#commits.size >= MAX_COMMITS) await Promise.race(this.#commits);
    }
    this.#throwFailure();
    this.#open[packClass] ??= new PackWriter(this.#storage, this.#owner, packClass, newId(blocked));
    const pack = this.#open[packClass];
    return { pack, sequence: pack.reserve(count, bytes) };
  }

  /** Has a complete pack of a dead session named by this session's next index. */
  adopt(pack: IndexedPack): void {
    this.#unindexed.push(pack);
  }

  /** Everything handed in is durable and indexed when it resolves. */
  async flush(): Promise<void> {
    this.#seal(PackClass.blocks);
    this.#seal(PackClass.nodes);
    while (this.#commits.size > 0) await Promise.all(this.#commits);
    this.#throwFailure();
    this.#publishIndex();
    await this.#indexing;
    this.#throwFailure();
  }

  /** Drops open packs; waits for what is being flushed. */
  async abort(): Promise<void> {
    const open = this.#open.splice(0, 2, undefined, undefined);
    await Promise.all(open.map((pack) => pack?.abort()));
    await Promise.allSettled([...this.#commits, this.#indexing]);
  }

  #seal(packClass: PackClass): void {
    const pack = this.#open[packClass];
    if (pack === undefined) return;
    this.#open[packClass] = undefined;
    const commit = this.#commit(pack).catch((error) => {
      this.#failure ??= error;
    });
    this.#commits.add(commit);
    void commit.finally(() => this.#commits.delete(commit));
  }

  async #commit(pack: PackWriter): Promise<void> {
    try {
      this.attempts += 1;
      const sealed = await pack.seal();
      if (sealed === null) return;
      this.#events.packStored(sealed);
      this.#unindexed.push(sealed);
      this.#stored += 1;
      const batch = Math.min(MAX_BATCH, Math.max(MIN_BATCH, Math.floor(this.#stored / 4)));
      if (this.#unindexed.length >= batch) this.#publishIndex();
    } catch (error) {
      await pack.abort();
      throw error;
    }
  }

  #publishIndex(): void {
    const packs = this.#unindexed.splice(0);
    if (packs.length === 0) return;
    this.#indexing = this.#indexing.then(async () => {
      try {
        await this.#events.beforePublish();
        const index = { sessionId: this.#owner.sessionId, supersedes: [], packs };
        const { repositoryId, keys } = this.#owner;
        const name = await publishIndex(this.#storage, repositoryId, keys, index, (bytes) => {
          this.indexBytes += bytes;
        });
        await this.#events.afterPublish?.(name, index);
        this.#events.indexStored(name, index);
      } catch (error) {
        this.#failure ??= error;
      }
    });
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}

/** Publishes an index after proving that it decodes to what was meant. @returns its name */
export async function publishIndex(
  storage: Storage,
  repositoryId: string,
  keys: RepositoryKeys | null,
  index: IndexObject,
  count: (bytes: number) => void = () => undefined,
): Promise<string> {
  const { name, bytes } = renderIndex(index, repositoryId, keys);
  const parsed = parseIndex(bytes, indexName(name), repositoryId, keys);
  const same = index.packs.every((pack, i) => {
    const other = parsed.packs[i]!;
    if (other.id !== pack.id || other.length !== pack.length || other.sessionId !== pack.sessionId) return false;
    return pack.records.every((record, k) => sameEntry(record, other.records[k]));
  });
  if (!same || parsed.packs.length !== index.packs.length || parsed.supersedes.length !== index.supersedes.length)
    throw new HvError('INTERNAL', `${indexName(name)}: the index does not decode to what was to be stored`);
  // The name is the content's hash: an object that is there already is this one.
  await storage.put(indexName(name), bytes);
  count(bytes.length);
  return name;
}

/** Where others have put a file in the place of a folder of packs: the ids that would go there are not taken. */
async function blockedFolders(storage: Storage): Promise<ReadonlySet<string>> {
  const entries = (await storage.entries?.(Folder.packs)) ?? [];
  return new Set(entries.filter(({ kind }) => kind !== 'folder').map(({ name }) => name.toLowerCase()));
}

/** Id of a new pack. @param blocked first digits that it must not have, unless all are */
function newId(blocked: ReadonlySet<string>): string {
  for (let attempt = 0; ; attempt++) {
    const id = randomId();
    if (attempt === 1000 || !blocked.has(id.slice(0, 2))) return id;
  }
}
