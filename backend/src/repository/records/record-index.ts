/**
 * Which record holds which block or node: what the indexes say (through the catalog), what this process has stored
 * and not yet indexed, less what is marked for deletion or known to be damaged.
 */

import { type Encoding, RecordKind } from '../format/constants.ts';
import { keyOf } from '../format/ids.ts';
import type { IndexedPack } from '../format/index-format.ts';
import { damageKey } from '../format/names.ts';
import type { Catalog, CatalogPack, CatalogRecord, IdKind } from '../port/catalog.ts';

export interface RecordLocation {
  packId: string;
  /** Of the record header in the pack. */
  offset: number;
  rawLength: number;
  storedLength: number;
  encoding: Encoding;
  kind: RecordKind;
  /** Id of the base, 32 bytes; only deltas. */
  base?: Buffer;
  /** The catalog's pack number; -1 when no index names the pack. */
  packNumber: number;
  ordinal: number;
}

export type IdClass = IdKind;

const NONE: ReadonlySet<string> = new Set();
/** Packs that are kept as the catalog knows them: 2 MB. There may be hundred thousands. */
const MAX_PACKS = 8192;

export class RecordIndex {
  readonly catalog: Catalog;
  /** Packs named by a mark. */
  marked: ReadonlySet<string> = new Set();
  /** Packs that an index names and that were found not to be there. */
  readonly missing = new Set<string>();
  /** `<pack id>-<offset>` of damaged records. */
  readonly damaged = new Set<string>();
  readonly #packs = new Map<number, CatalogPack | undefined>();
  /** Complete packs that no index names (yet), by their records' keys; one map a kind. */
  readonly #unindexed = { 1: new Map<string, RecordLocation[]>(), 3: new Map<string, RecordLocation[]>() };
  readonly unindexedPacks = new Map<string, IndexedPack>();

  constructor(catalog: Catalog) {
    this.catalog = catalog;
  }

  /** Forgets which packs were seen: after indexes were added or removed. */
  invalidate(): void {
    this.#packs.clear();
  }

  /**
   * A record that may be relied on: neither damaged nor in a pack that will be deleted, and named by an index. A whole
   * one, if there is; a delta only when its base has such a record.
   */
  findSound(kind: IdClass, id: Buffer): RecordLocation | undefined {
    const usable = this.#known(kind, id).filter((location) => location.packNumber >= 0 && this.isSound(location));
    const whole = usable.find((location) => location.base === undefined);
    return whole ?? usable.find((location) => this.findBase(location) !== undefined);
  }

  /**
   * The same for writers, in packs too that an index is about to name: any such record, also a delta where there is a
   * whole one. The search ends with the first, and what is latest is looked at first.
   * @param own packs of this session that no index names yet
   */
  findUsable(kind: IdClass, id: Buffer, own: ReadonlySet<string> = NONE): RecordLocation | undefined {
    return this.#findFirst(
      kind,
      id,
      own,
      (location) => location.base === undefined || this.findBase(location, own) !== undefined,
    );
  }

  /** A sound whole record of a delta's base. */
  findBase(delta: RecordLocation, own: ReadonlySet<string> = NONE): RecordLocation | undefined {
    if (delta.base === undefined) return undefined;
    return this.#findFirst(RecordKind.block, delta.base, own, (location) => location.base === undefined);
  }

  /** Every record a reader may try, sound ones first, whole ones before deltas. */
  findAll(kind: IdClass, id: Buffer): RecordLocation[] {
    const found = this.#known(kind, id);
    if (found.length < 2) return found;
    const rank = (location: RecordLocation) =>
      Number(!this.isSound(location)) * 2 + Number(location.base !== undefined);
    return found.sort((a, b) => rank(a) - rank(b));
  }

  /** The whole records among findAll(). */
  findWhole(id: Buffer): RecordLocation[] {
    return this.findAll(RecordKind.block, id).filter((location) => location.base === undefined);
  }

  /** Makes the records of a complete pack known that no index names. */
  addUnindexed(pack: IndexedPack): void {
    if (this.unindexedPacks.has(pack.id)) return;
    this.unindexedPacks.set(pack.id, pack);
    pack.records.forEach((record, ordinal) => {
      const { id, ...facts } = record;
      const location = { ...facts, packId: pack.id, packNumber: -1, ordinal };
      const unindexed = this.#unindexed[classOf(record.kind)];
      const known = unindexed.get(keyOf(id));
      if (known === undefined) unindexed.set(keyOf(id), [location]);
      else known.push(location);
    });
  }

  /** Takes a pack out again: it was indexed, or is gone. */
  removeUnindexed(packId: string): void {
    const pack = this.unindexedPacks.get(packId);
    if (pack === undefined) return;
    this.unindexedPacks.delete(packId);
    for (const record of pack.records) {
      const key = keyOf(record.id);
      const unindexed = this.#unindexed[classOf(record.kind)];
      const rest = unindexed.get(key)?.filter((location) => location.packId !== packId) ?? [];
      if (rest.length === 0) unindexed.delete(key);
      else unindexed.set(key, rest);
    }
  }

  /** Whether a pack that no index names holds the block whose id begins at `at`. */
  isUnindexedBlock(ids: Buffer, at: number): boolean {
    return this.#unindexed[RecordKind.block].has(keyOf(ids, at));
  }

  /** Bytes of the pack that a record lies in, as the index or its own table of contents says. */
  packLength({ packId, packNumber }: RecordLocation): number | undefined {
    if (packNumber < 0) return this.unindexedPacks.get(packId)?.length;
    return (this.#packs.get(packNumber) ?? this.catalog.pack(packNumber))?.length;
  }

  /** The pack is known from an index or its own table of contents. */
  knowsPack(packId: string, indexed: { has(id: string): boolean }): boolean {
    return indexed.has(packId) || this.unindexedPacks.has(packId);
  }

  /** The first sound record, of those that indexes name or that are in packs `own`, that serves. */
  #findFirst(
    kind: IdClass,
    id: Buffer,
    own: ReadonlySet<string>,
    serves: (location: RecordLocation) => boolean,
  ): RecordLocation | undefined {
    const unindexed = this.#unindexed[kind]
      .get(keyOf(id))
      ?.find((location) => own.has(location.packId) && this.isSound(location) && serves(location));
    if (unindexed !== undefined) return unindexed;
    const serving = new Map<CatalogRecord, RecordLocation>();
    const records = this.catalog.find(kind, id, (record) => {
      const location = this.#resolve(record);
      if (location && this.isSound(location) && serves(location)) serving.set(record, location);
      return serving.has(record);
    });
    // What was returned on the way may be of a catalog that began anew before the search ended.
    for (const record of records) if (serving.has(record)) return serving.get(record);
    return undefined;
  }

  #known(kind: IdClass, id: Buffer): RecordLocation[] {
    const found = [...(this.#unindexed[kind].get(keyOf(id)) ?? [])];
    for (const record of this.catalog.find(kind, id)) {
      const location = this.#resolve(record);
      if (location !== undefined) found.push(location);
    }
    return found;
  }

  #resolve(record: CatalogRecord): RecordLocation | undefined {
    let pack = this.#packs.get(record.pack);
    if (pack === undefined && !this.#packs.has(record.pack)) {
      pack = this.catalog.pack(record.pack);
      if (this.#packs.size >= MAX_PACKS) this.#packs.clear();
      this.#packs.set(record.pack, pack);
    }
    if (pack === undefined) return undefined;
    const { pack: packNumber, base, ...facts } = record;
    return { ...facts, ...(base === null ? {} : { base: Buffer.from(base) }), packId: pack.id, packNumber };
  }

  /** Neither damaged nor in a pack that will be deleted. Says nothing about a delta's base. */
  isSound(location: RecordLocation): boolean {
    if (this.marked.size > 0 && this.marked.has(location.packId)) return false;
    if (this.missing.size > 0 && this.missing.has(location.packId)) return false;
    return this.damaged.size === 0 || !this.damaged.has(damageKey(location));
  }
}

/** What an id of a record of this kind is looked up as. */
export const classOf = (kind: RecordKind): IdClass => (kind === RecordKind.delta ? RecordKind.block : kind);
