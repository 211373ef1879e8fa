/**
 * Check, first part: every index decodes, and every pack that one names is there and says the same (docs/format.md
 * §2.3, §2.4). One index after the other, so that memory does not grow with what is stored; of a pack that was seen 16
 * bytes are kept.
 */
import { HvError, isHvError } from '../../support/errors.ts';
import type { RepositoryCore } from '../core.ts';
import { type IndexedPack, type IndexObject, parseIndex } from '../format/index-format.ts';
import { Folder, packFolder, packName, parseIndexName } from '../format/names.ts';
import { PackIds } from '../records/pack-ids.ts';
import type { PackSizes } from '../records/pack-sizes.ts';
import { readPackTail } from '../records/pack-tail.ts';

/** Packs read at once. */
const AT_ONCE = 16;

/** Runs what is asked about an object and notes what it throws. */
export type Attempt = (name: string, action: () => Promise<void>) => Promise<void>;

/** @param sizes of the packs there are; those that are seen to have come since are added */
export async function checkPacks(core: RepositoryCore, sizes: PackSizes, attempt: Attempt): Promise<void> {
  const check = new PackCheck(core, sizes, attempt);
  for (const { name } of await core.storage.list(Folder.indexes)) await check.index(name);
}

class PackCheck {
  readonly #core: RepositoryCore;
  readonly #sizes: PackSizes;
  readonly #attempt: Attempt;
  readonly #superseded: Set<string>;
  readonly #seen = new PackIds();

  constructor(core: RepositoryCore, sizes: PackSizes, attempt: Attempt) {
    this.#core = core;
    this.#sizes = sizes;
    this.#attempt = attempt;
    this.#superseded = new Set([...core.catalog.indexes().values()].flat());
  }

  #isSuperseded(name: string): boolean {
    const hash = parseIndexName(name);
    return hash !== null && this.#superseded.has(hash);
  }

  async index(name: string): Promise<void> {
    // Of no use any more, and whatever it superseded the one that counts supersedes as well.
    if (this.#isSuperseded(name)) return;
    let index: IndexObject | undefined;
    await this.#attempt(name, async () => {
      const { storage, config, keys } = this.#core;
      index = parseIndex(await storage.get(name), name, config.id, keys);
    });
    if (index === undefined) return;
    for (const old of index.supersedes) this.#superseded.add(old);
    // One that is superseded by an index not seen yet is asked like any other: what is not there is looked for in the
    // catalog then.
    if (this.#isSuperseded(name)) return;
    const unseen = index.packs.filter(({ id }) => !this.#seen.has(id));
    for (let from = 0; from < unseen.length; from += AT_ONCE) {
      // Read side by side, judged one after the other: a pack takes four questions to a disk, and there may be hundreds
      // of thousands.
      const some = unseen.slice(from, from + AT_ONCE).map((pack) => ({ pack, tail: this.#startReading(pack) }));
      try {
        for (const { pack, tail } of some) {
          this.#seen.add(pack.id);
          await this.#attempt(packName(pack.id), () => this.#pack(pack, tail));
        }
      } finally {
        await Promise.allSettled(some.map(({ tail }) => tail));
      }
    }
  }

  /** @returns undefined when its size does not allow it */
  #startReading({ id, length }: IndexedPack): Promise<IndexedPack> | undefined {
    if (this.#sizes.get(id) !== length) return undefined;
    const tail = readPackTail(this.#core.storage, this.#core.config.id, id, length);
    // What is wrong is reported when it is the pack's turn.
    tail.catch(() => undefined);
    return tail;
  }

  /** Header and table of contents are right and say what the index says. @param read begun already */
  async #pack(listed: IndexedPack, read: Promise<IndexedPack> | undefined): Promise<void> {
    const name = packName(listed.id);
    const size = this.#sizes.get(listed.id) ?? (await this.#sizeNow(listed.id));
    if (size === null) return;
    if (size === undefined) throw damage('pack', name, NOT_THERE);
    if (size !== listed.length) throw damage('pack', name, `it is ${size} bytes long instead of ${listed.length}`);
    const pack = await this.#tailOf(listed.id, size, read);
    if (pack === null) return;
    const same = pack.records.every((record, ordinal) => {
      const other = listed.records[ordinal];
      return other?.offset === record.offset && other.kind === record.kind && other.id.equals(record.id);
    });
    if (!same || pack.records.length !== listed.records.length)
      throw damage('pack', name, 'its table of contents differs from the index');
  }

  /**
   * The listing may be older than the index, and the index than a prune.
   * @returns null when no index names the pack any more, undefined when one does and it is not there
   */
  async #sizeNow(id: string): Promise<number | null | undefined> {
    const name = packName(id);
    const listed = await this.#core.storage.list(packFolder(id), { sizes: true });
    const size = listed.find((object) => object.name === name)?.size;
    if (size !== undefined) {
      this.#sizes.set(id, size);
      return size;
    }
    return (await this.#isNamed(id)) ? undefined : null;
  }

  /** @returns null when a prune has replaced the pack since the listing */
  async #tailOf(id: string, size: number, read: Promise<IndexedPack> | undefined): Promise<IndexedPack | null> {
    try {
      return await (read ?? readPackTail(this.#core.storage, this.#core.config.id, id, size));
    } catch (error) {
      if (!isHvError(error, 'FILE_NOT_FOUND')) throw error;
      if (await this.#isNamed(id)) throw damage('pack', packName(id), NOT_THERE);
      return null;
    }
  }

  async #isNamed(id: string): Promise<boolean> {
    await this.#core.refresh();
    return this.#core.catalog.packById(id) !== undefined;
  }
}

const NOT_THERE = 'an index names this pack, but it is not there';

const damage = (object: string, path: string, message: string): HvError =>
  new HvError('REPOSITORY_DAMAGED', `${path}: ${message}`, { data: { object, path } });
