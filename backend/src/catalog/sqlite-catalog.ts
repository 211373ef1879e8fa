/**
 * The catalog on this machine, shared by all of its processes: a SQLite file, and beside it the segments that hold the
 * records. It is a cache: when any of it is corrupt, foreign, or cannot be written, it starts again empty (in memory as
 * a last resort) and the repository loads it anew.
 */

import { RecordKind } from '../repository/format/constants.ts';
import { type IndexObject, recordsOf } from '../repository/format/index-format.ts';
import type { IndexRecords } from '../repository/format/index-view.ts';
import { folderOf } from '../repository/format/names.ts';
import type {
  Catalog,
  CatalogDigest,
  CatalogManifest,
  CatalogPack,
  CatalogRecord,
  CatalogTotals,
  IdBatch,
  IdKind,
  JoinVisitor,
} from '../repository/port/catalog.ts';
import type { ManifestEnvelope } from '../repository/port/points.ts';
import { CatalogFile } from './catalog-file.ts';
import { joinIds } from './segments/id-batch.ts';
import { IdRuns } from './segments/id-runs.ts';
import { type EntryFields, SegmentDamage } from './segments/segment-format.ts';
import { SegmentWriter } from './segments/segment-writer.ts';
import { StagedEntries } from './segments/staged-entries.ts';
import { Tidying } from './segments/tidying.ts';
import { addStagedIndexes, eachPack, type Row, readPairs, toPack } from './sqlite-rows.ts';

/** Staged entries are committed from this many on: 10 MB. */
const STAGE_LIMIT = 250_000;
/** From so many segments on, a caller that loads indexes waits for them to be put together. */
const OVERDUE = 24;
/** Of nearly all indexes: shared. */
const NONE: string[] = [];

export class SqliteCatalog implements Catalog {
  readonly #file: CatalogFile;
  readonly #tidying: Tidying;
  readonly #staged = new StagedEntries();
  /** As they were at a version of the file. */
  #indexes: { version: string; found: ReadonlyMap<string, readonly string[]> } | undefined;

  /** @param path of the file, created with its folder when missing; null: in memory */
  constructor(path: string | null, repositoryId: string) {
    this.#file = new CatalogFile(path, repositoryId);
    this.#tidying = new Tidying(this.#file);
  }

  /** Where it lies; `:memory:` when there is no place to write. */
  get path(): string {
    return this.#file.path;
  }

  indexes(): ReadonlyMap<string, readonly string[]> {
    // One moment: an index that is listed here has its records in a segment that is listed here.
    return this.#file.moment(() => {
      const version = this.#file.version();
      if (this.#indexes?.version === version) return this.#indexes.found;
      const found = new Map<string, string[]>();
      const [names] = this.#file.sql.indexes.get() as unknown as [string | null];
      for (const name of names?.split('/') ?? []) found.set(name, NONE);
      for (const [name, old] of this.#file.sql.supersedes.iterate() as unknown as Iterable<[string, string]>)
        if (found.get(name) === NONE) found.set(name, [old]);
        else found.get(name)?.push(old);
      this.#file.loadSegments();
      this.#indexes = { version, found };
      return found;
    });
  }

  addIndex(name: string, index: IndexObject): void {
    this.#staged.add(name, recordsOf(index));
    this.commitStaged();
    if (this.#file.segments.worthMerging().length > 0) void this.#tidying.tidy();
  }

  stageIndex(name: string, index: IndexRecords): void {
    this.#staged.add(name, index);
    if (this.#staged.count >= STAGE_LIMIT) this.commitStaged();
  }

  commitStaged(): void {
    if (this.#staged.indexes.length === 0) return;
    try {
      this.#file.transaction(() => this.#writeStaged());
    } finally {
      this.#staged.clear();
    }
    this.#file.run(() => this.#file.loadSegments());
  }

  async settle(): Promise<void> {
    const waits = this.#file.segments.segments.length >= OVERDUE;
    const tidied = this.#tidying.tidy();
    if (waits) await tidied;
  }

  removeIndexes(names: readonly string[]): void {
    this.#file.transaction(() => {
      for (const name of names) {
        this.#file.sql.removeIndex.run(name);
        this.#file.sql.removeSupersedes.run(name);
        this.#file.sql.removeIndexPacks.run(name);
      }
      this.#file.sql.removeUnnamedPacks.run();
    });
  }

  indexesOf(packIds: ReadonlySet<string>): string[] {
    return this.#file.run(() => {
      const names = new Set<string>();
      for (const id of packIds)
        for (const row of this.#file.sql.indexesOfPack.all(id) as Row[]) names.add(String(row.name));
      return [...names];
    });
  }

  indexSizes(): Map<string, number> {
    return this.#file.run(
      () => new Map((this.#file.sql.indexSizes.all() as Row[]).map((row) => [String(row.name), Number(row.packs)])),
    );
  }

  packsOf(indexName: string): CatalogPack[] {
    return this.#file.run(() => (this.#file.sql.packsOf.all(indexName) as Row[]).map(toPack));
  }

  packs(): CatalogPack[] {
    return this.#file.run(() => [...eachPack(this.#file.sql)]);
  }

  eachPack(visit: (pack: CatalogPack) => void): void {
    this.#file.run(() => {
      for (const pack of eachPack(this.#file.sql)) visit(pack);
    });
  }

  packIds(): string[] {
    return this.#file.run(() => {
      const [ids] = this.#file.sql.packIds.get() as unknown as [string | null];
      return ids === null ? [] : ids.split('/');
    });
  }

  packCount(): number {
    return this.#file.run(() => Number((this.#file.sql.packCount.get() as Row).packs));
  }

  pack(number: number): CatalogPack | undefined {
    return this.#file.run(() => {
      const row = this.#file.sql.pack.get(number) as Row | undefined;
      return row && toPack(row);
    });
  }

  packById(id: string): CatalogPack | undefined {
    return this.#file.run(() => {
      const row = this.#file.sql.packById.get(id) as Row | undefined;
      return row && toPack(row);
    });
  }

  find(kind: IdKind, id: Uint8Array, isEnough?: (record: CatalogRecord) => boolean): CatalogRecord[] {
    return this.#file.run(() => {
      const found: CatalogRecord[] = [];
      this.#file.segments.find(id, kind, kind === RecordKind.block ? RecordKind.delta : kind, (entry) => {
        const record = this.#toRecord(entry);
        if (record !== undefined) found.push(record);
        return record !== undefined && isEnough?.(record) === true;
      });
      return found;
    });
  }

  expectNewIds(): void {
    this.#file.segments.loadFilters();
  }

  batch(): IdBatch {
    const ids = new IdRuns(this.#file.folder);
    const generation = this.#file.generation;
    return {
      get count() {
        return ids.count;
      },
      add: (bytes, at) => ids.add(bytes, at),
      join: (visitor) => this.#join(ids, generation, visitor),
      close: () => ids.close(),
    };
  }

  eachBase(visit: (pack: number, ordinal: number, base: Uint8Array) => void): void {
    this.#file.run(() => {
      for (const [pack, ordinal, base] of this.#file.sql.bases.iterate() as unknown as Iterable<
        [number, number, Uint8Array]
      >)
        visit(pack, ordinal, base);
    });
  }

  totals(): CatalogTotals {
    return this.#file.run(() => {
      const { blocks, blockBytes, nodes } = this.#file.sql.totals.get() as Row;
      return { blocks: Number(blocks), blockBytes: Number(blockBytes), nodes: Number(nodes) };
    });
  }

  manifest(path: string): CatalogManifest | undefined {
    return this.#file.run(() => {
      const row = this.#file.sql.manifest.get(path) as Row | undefined;
      return row && { json: String(row.json), proof: String(row.proof) };
    });
  }

  addManifest(path: string, manifest: ManifestEnvelope, { json, proof }: CatalogManifest): void {
    this.#file.transaction(() => {
      this.#file.sql.addManifest.run(path, manifest.id, json, proof);
      this.#removeDigests(path);
      for (const { root } of manifest.contents) if (root !== null) this.#file.sql.addContent.run(root, path);
    });
  }

  removeManifest(path: string): void {
    const roots = rootsOf(this.manifest(path));
    this.#file.transaction(() => {
      this.#file.sql.removeManifest.run(path);
      this.#removeDigests(path);
      for (const root of roots) this.#file.sql.removeContent.run(root, path);
    });
  }

  manifestsOf(id: string): string[] {
    return this.#file.run(() => (this.#file.sql.pointPaths.all(id) as Row[]).map((row) => String(row.path)));
  }

  manifestsWith(root: string): string[] {
    return this.#file.run(() => (this.#file.sql.contentPaths.all(root) as Row[]).map((row) => String(row.path)));
  }

  digests(kind: string, key?: string): Map<string, CatalogDigest> {
    return this.#file.run(() => {
      const { digests, digestsOfKey } = this.#file.sql;
      const rows = key === undefined ? digests.iterate(kind) : digestsOfKey.iterate(kind, key);
      const found = new Map<string, CatalogDigest>();
      for (const [path, json, of, proof] of rows as unknown as Iterable<[string, string, string | null, string]>)
        found.set(path, { json, key: of, proof });
      return found;
    });
  }

  digest(kind: string, path: string): CatalogDigest | undefined {
    return this.#file.run(() => {
      const row = this.#file.sql.digest.get(path, kind) as Row | undefined;
      return (
        row && { json: String(row.json), key: row.key === null ? null : String(row.key), proof: String(row.proof) }
      );
    });
  }

  addDigests(kind: string, digests: ReadonlyMap<string, CatalogDigest>): void {
    this.#file.transaction(() => {
      for (const [path, { json, key, proof }] of digests) this.#file.sql.addDigest.run(kind, path, json, key, proof);
    });
  }

  digestedFolders(kind: string): Map<string, string> {
    return this.#file.run(() => readPairs(this.#file.sql.digested.iterate(kind)));
  }

  noteDigested(kind: string, marks: ReadonlyMap<string, string | null>): void {
    this.#file.transaction(() => {
      for (const [folder, mark] of marks)
        if (mark === null) this.#file.sql.removeDigested.run(kind, folder);
        else this.#file.sql.addDigested.run(kind, folder, mark);
    });
  }

  clear(): void {
    this.#file.startAgain();
  }

  close(): void {
    this.#tidying.close();
    this.#file.close();
  }

  #removeDigests(path: string): void {
    this.#file.sql.removeDigests.run(path);
    this.#file.sql.removeDigestedFolder.run(folderOf(path));
  }

  /** @returns undefined for a delta whose base is not known: an entry of a pack that was forgotten */
  #toRecord(entry: EntryFields): CatalogRecord | undefined {
    if (entry.kind !== RecordKind.delta) return Object.assign(entry, { base: null });
    const row = this.#file.sql.base.get(entry.pack, entry.ordinal) as { base: Uint8Array } | undefined;
    return row && Object.assign(entry, { base: row.base });
  }

  #writeStaged(): void {
    const numbers = addStagedIndexes(this.#file.sql, this.#staged);
    const writers: SegmentWriter[] = [];
    try {
      this.#staged.write(numbers, (entries) => {
        const writer = new SegmentWriter(this.#file.folder, entries);
        writers.push(writer);
        return writer;
      });
      for (const writer of writers) this.#file.enter(writer);
    } catch (error) {
      for (const writer of writers) writer.abort();
      throw error;
    }
  }

  async #join(ids: IdRuns, generation: number, visitor: JoinVisitor): Promise<boolean> {
    return this.#tidying.hold(async () => {
      try {
        this.#file.run(() => this.#file.loadSegments());
        await joinIds(ids, this.#file.segments.segments, visitor);
        return generation === this.#file.generation;
      } catch (error) {
        if (!(error instanceof SegmentDamage)) throw error;
        this.#file.run(() => this.#file.recover());
        return false;
      }
    });
  }
}

/** Roots of the contents of a manifest; none when the row is not what was put there. */
function rootsOf(row: CatalogManifest | undefined): string[] {
  try {
    const { contents } = JSON.parse(row?.json ?? '{}') as Partial<ManifestEnvelope>;
    return (contents ?? []).flatMap(({ root }) => (typeof root === 'string' ? [root] : []));
  } catch {
    return [];
  }
}
