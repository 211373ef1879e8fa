/**
 * What a repository asks of the catalog: a cache of its indexes, packs and manifests on this machine. All of it can be
 * lost at any time and is then loaded again; nothing in it is believed without a check (docs/format.md §6).
 * Synchronous: an answer takes microseconds, a promise for each block would cost more.
 */
import type { Encoding, PackClass, RecordKind } from '../format/constants.ts';
import type { IndexObject } from '../format/index-format.ts';
import type { IndexRecords } from '../format/index-view.ts';
import type { ManifestEnvelope } from './points.ts';

/** A pack as the catalog knows it. */
export interface CatalogPack {
  /** The catalog's own number; never used again for another pack. */
  number: number;
  id: string;
  /** Bytes. */
  length: number;
  sessionId: string;
  packClass: PackClass;
  records: number;
}

/** Block or node; their ids never stand for each other. */
export type IdKind = typeof RecordKind.block | typeof RecordKind.node;

/** A record of a pack. */
export interface CatalogRecord {
  kind: RecordKind;
  pack: number;
  /** Position in the pack's table of contents. */
  ordinal: number;
  offset: number;
  rawLength: number;
  storedLength: number;
  encoding: Encoding;
  /** Id of a delta's base, 32 bytes; null otherwise. */
  base: Uint8Array | null;
}

export interface CatalogTotals {
  blocks: number;
  blockBytes: number;
  nodes: number;
}

/** What the catalog holds of a record without asking any further: of a delta, not the base. */
export type CatalogEntry = Omit<CatalogRecord, 'base'>;

/** Takes what a batch of ids finds. Ids are given by their first six bytes, as a number. */
export interface JoinVisitor {
  /** All records of one block. Another block whose id begins alike may be passed without having been asked for. */
  found(entries: readonly CatalogEntry[], prefix: number): void;
  /** No block's id begins like this. */
  missing(prefix: number): void;
  /** Called now and then; what it throws ends the join. */
  pause?(): void;
}

/** Ids of blocks to be looked up together: takes the same memory for thousands and for a hundred million. */
export interface IdBatch {
  /** Ids added, repeated ones too. */
  readonly count: number;
  /** Takes the id that begins at `at`; repeated ones count once. */
  add(bytes: Uint8Array, at?: number): void;
  /**
   * Looks all of them up. @returns false when the catalog began anew since the batch was begun: what was passed on is
   * not all then, and the numbers of packs are others now
   */
  join(visitor: JoinVisitor): Promise<boolean>;
  /** Idempotent. */
  close(): void;
}

/**
 * A manifest as JSON, and the proof that it is what was read from the repository (row-proof.ts); the catalog
 * understands neither.
 */
export interface CatalogManifest {
  json: string;
  proof: string;
}

export interface CatalogDigest {
  json: string;
  /** Null: it cannot be found by one. */
  key: string | null;
  proof: string;
}

export interface Catalog {
  /** Names of the indexes it holds, each with the names it supersedes. */
  indexes(): ReadonlyMap<string, readonly string[]>;
  /** Loads all records of the index; packs it knows already are kept. Idempotent. */
  addIndex(name: string, index: IndexObject): void;
  /** The same for one of many: it counts from commitStaged() on, and takes up to a few 10 MB until then. */
  stageIndex(name: string, index: IndexRecords): void;
  commitStaged(): void;
  /** Puts its parts in order where many indexes were added: looking up is quicker then. Never fails. */
  settle(): Promise<void>;
  /** Packs that no remaining index names are forgotten. */
  removeIndexes(names: readonly string[]): void;
  /** Names of the indexes that name one of `packs`. */
  indexesOf(packIds: ReadonlySet<string>): string[];
  /** Number of packs of each index. */
  indexSizes(): Map<string, number>;
  /** Packs of an index. */
  packsOf(indexName: string): CatalogPack[];
  packs(): CatalogPack[];
  /** The same, one after the other: there may be hundred thousands. */
  eachPack(visit: (pack: CatalogPack) => void): void;
  /** Ids of all packs. Takes a tenth of what their rows take. */
  packIds(): string[];
  packCount(): number;
  pack(number: number): CatalogPack | undefined;
  packById(id: string): CatalogPack | undefined;
  /**
   * All records with this id, of a block deltas too; stale ones (pack unknown) may be among them.
   * @param isEnough called with each record; when one is, others may be left out, which costs less to find
   */
  find(kind: IdKind, id: Uint8Array, isEnough?: (record: CatalogRecord) => boolean): CatalogRecord[];
  /**
   * Many ids will be looked up of which most are nowhere: takes up to 16 MB for each of the few large segments to do
   * that without reading much. Never fails.
   */
  expectNewIds(): void;
  /** The same for very many blocks. */
  batch(): IdBatch;
  /**
   * Every delta record with the id of its base (32 bytes, valid during the call), some of packs that are forgotten
   * among them.
   */
  eachBase(visit: (pack: number, ordinal: number, base: Uint8Array) => void): void;
  totals(): CatalogTotals;

  manifest(path: string): CatalogManifest | undefined;
  /** Replaces what it had under the path, digests included. @param row of the same manifest */
  addManifest(path: string, manifest: ManifestEnvelope, row: CatalogManifest): void;
  removeManifest(path: string): void;
  /** Paths of the manifests with this point id that it knows. */
  manifestsOf(id: string): string[];
  /** Paths of manifests it knows that have a content with this root (64 hex digits). */
  manifestsWith(root: string): string[];
  /**
   * What callers derived from manifests, by path; it goes with the manifest.
   * @param key only those that were added with it
   */
  digests(kind: string, key?: string): Map<string, CatalogDigest>;
  digest(kind: string, path: string): CatalogDigest | undefined;
  addDigests(kind: string, digests: ReadonlyMap<string, CatalogDigest>): void;
  /** Folders of which every manifest has its digest, and a mark of what was listed in each then. */
  digestedFolders(kind: string): Map<string, string>;
  /** @param marks by folder; null takes the note back */
  noteDigested(kind: string, marks: ReadonlyMap<string, string | null>): void;

  /** Forgets everything. */
  clear(): void;
  close(): void;
}
