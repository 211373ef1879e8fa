/**
 * Which record holds which block or node: what the indexes say (through the catalog), what this process has stored
 * and not yet indexed, less what is marked for deletion or known to be damaged.
 */
import type { Catalog, CatalogPack, CatalogRecord } from '../catalog-port.ts';
import { type Encoding, RecordKind } from '../format/constants.ts';
import { keyOf } from '../format/ids.ts';
import type { IndexedPack } from '../format/index-format.ts';

export interface RecordLocation {
  packId: string;
  /** Of the record header in the pack. */
  offset: number;
  rawLength: number;
  storedLength: number;
  encoding: Encoding;
  /** The catalog's pack number; -1 when no index names the pack. */
  packNumber: number;
  ordinal: number;
}

/** `block` and `node` ids never stand for each other. */
export type IdClass = typeof RecordKind.block | typeof RecordKind.node;

const NONE: ReadonlySet<string> = new Set();

export class RecordIndex {
  readonly catalog: Catalog;
  /** Packs named by a mark. */
  doomed: ReadonlySet<string> = new Set();
  /** `<pack id>-<offset>` of damaged records. */
  readonly damaged = new Set<string>();
  readonly #packs = new Map<number, CatalogPack | undefined>();
  /** Complete packs that no index names (yet), by their records' keys; one map a kind. */
  readonly #loose = { 1: new Map<string, RecordLocation[]>(), 3: new Map<string, RecordLocation[]>() };
  readonly loosePacks = new Map<string, IndexedPack>();

  constructor(catalog: Catalog) {
    this.catalog = catalog;
  }

  /** Forgets which packs were seen: after indexes were added or removed. */
  invalidate(): void {
    this.#packs.clear();
  }

  /**
   * A record a writer may rely on: neither damaged nor in a pack that will be deleted, and named by an index or, in
   * one of the packs `own`, about to be.
   */
  findSound(kind: IdClass, id: Buffer, own: ReadonlySet<string> = NONE): RecordLocation | undefined {
    if (own.size > 0)
      for (const location of this.#loose[kind].get(keyOf(id)) ?? [])
        if (own.has(location.packId) && this.#isSound(location)) return location;
    for (const record of this.catalog.find(kind, id)) {
      const location = this.#resolve(record);
      if (location !== undefined && this.#isSound(location)) return location;
    }
    return undefined;
  }

  /** Every record a reader may try, sound ones first. */
  findAll(kind: IdClass, id: Buffer): RecordLocation[] {
    const found = [...(this.#loose[kind].get(keyOf(id)) ?? [])];
    for (const record of this.catalog.find(kind, id)) {
      const location = this.#resolve(record);
      if (location !== undefined) found.push(location);
    }
    if (found.length < 2) return found;
    return found.sort((a, b) => Number(this.#isSound(b)) - Number(this.#isSound(a)));
  }

  /** Makes the records of a complete pack known that no index names. */
  addLoose(pack: IndexedPack): void {
    if (this.loosePacks.has(pack.id)) return;
    this.loosePacks.set(pack.id, pack);
    pack.records.forEach((record, ordinal) => {
      if (record.kind === RecordKind.delta) return;
      const { offset, rawLength, storedLength, encoding } = record;
      const location = { packId: pack.id, offset, rawLength, storedLength, encoding, packNumber: -1, ordinal };
      const key = keyOf(record.id);
      const known = this.#loose[record.kind].get(key);
      if (known === undefined) this.#loose[record.kind].set(key, [location]);
      else known.push(location);
    });
  }

  /** Takes a pack out again: it was indexed, or is gone. */
  removeLoose(packId: string): void {
    const pack = this.loosePacks.get(packId);
    if (pack === undefined) return;
    this.loosePacks.delete(packId);
    for (const record of pack.records) {
      if (record.kind === RecordKind.delta) continue;
      const key = keyOf(record.id);
      const rest = this.#loose[record.kind].get(key)?.filter((location) => location.packId !== packId) ?? [];
      if (rest.length === 0) this.#loose[record.kind].delete(key);
      else this.#loose[record.kind].set(key, rest);
    }
  }

  /** The pack is known from an index or its own table of contents. */
  knowsPack(packId: string, indexed: ReadonlySet<string>): boolean {
    return indexed.has(packId) || this.loosePacks.has(packId);
  }

  #resolve(record: CatalogRecord): RecordLocation | undefined {
    if (record.kind === RecordKind.delta) return undefined;
    let pack = this.#packs.get(record.pack);
    if (pack === undefined && !this.#packs.has(record.pack)) {
      pack = this.catalog.pack(record.pack);
      this.#packs.set(record.pack, pack);
    }
    if (pack === undefined) return undefined;
    const { offset, rawLength, storedLength, encoding, ordinal } = record;
    return { packId: pack.id, offset, rawLength, storedLength, encoding, packNumber: pack.number, ordinal };
  }

  #isSound(location: RecordLocation): boolean {
    if (this.doomed.size > 0 && this.doomed.has(location.packId)) return false;
    return this.damaged.size === 0 || !this.damaged.has(damageKey(location));
  }
}

export const damageKey = (at: { packId: string; offset: number }): string =>
  `${at.packId}-${at.offset.toString(16).padStart(8, '0')}`;
