/**
 * The catalog on this machine, shared by all of its processes: a SQLite file, and beside it the segments that hold the
 * records. It is a cache: when any of it is corrupt, foreign, or cannot be written, it starts again empty (in memory as
 * a last resort) and the repository loads it anew.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type {
  Catalog,
  CatalogDigest,
  CatalogPack,
  CatalogRecord,
  CatalogTotals,
  IdBatch,
  JoinVisitor,
} from '../repository/catalog-port.ts';
import { RecordKind } from '../repository/format/constants.ts';
import type { IndexObject } from '../repository/format/index-format.ts';
import type { ManifestEnvelope } from '../repository/port.ts';
import { joinIds } from './segments/id-batch.ts';
import { IdRuns } from './segments/id-runs.ts';
import { mergeSegments } from './segments/merge.ts';
import { removeOrphans } from './segments/orphans.ts';
import type { Segment } from './segments/segment.ts';
import { type EntryFields, SegmentDamage } from './segments/segment-format.ts';
import { SegmentSet } from './segments/segment-set.ts';
import { SegmentWriter } from './segments/segment-writer.ts';
import { StagedEntries } from './segments/staged-entries.ts';
import { openDatabase } from './sqlite-open.ts';
import {
  addStagedIndexes,
  isCatalogFailure,
  listedSegments,
  livePacks,
  type Row,
  readPairs,
  segmentInfos,
  stalePacks,
  toPack,
} from './sqlite-rows.ts';
import { prepareStatements, type Statements } from './sqlite-schema.ts';

const MEMORY = ':memory:';
const SQLITE_BUSY = 5;
/** Staged entries are committed from this many on: 10 MB. */
const STAGE_LIMIT = 250_000;
/** From so many segments on, whoever loads indexes waits for them to be put together. */
const OVERDUE = 24;

export class SqliteCatalog implements Catalog {
  readonly #repositoryId: string;
  #path: string;
  #database!: DatabaseSync;
  #sql!: Statements;
  #segments = new SegmentSet(null);
  readonly #staged = new StagedEntries();
  #tidying: Promise<void> | undefined;
  /** Counts fresh starts; a merge that began before one is worth nothing. */
  #generation = 0;
  #closed = false;
  /** Batches of ids being looked up. */
  #joins = 0;

  /** @param path of the file, created with its folder when missing; null: in memory */
  constructor(path: string | null, repositoryId: string) {
    this.#path = path ?? MEMORY;
    this.#repositoryId = repositoryId;
    try {
      this.#open();
    } catch {
      this.#startAgain();
    }
  }

  /** Where it lies; `:memory:` when there is no place to write. */
  get path(): string {
    return this.#path;
  }

  indexes(): Map<string, string[]> {
    return this.#run(() => {
      const found = new Map<string, string[]>();
      // One moment: an index that is listed here has its records in a segment that is listed here.
      this.#database.exec('BEGIN');
      try {
        for (const row of this.#sql.indexes.all() as Row[]) found.set(String(row.name), []);
        for (const row of this.#sql.supersedes.all() as Row[]) found.get(String(row.name))?.push(String(row.old));
        this.#loadSegments();
      } finally {
        if (this.#database.isTransaction) this.#database.exec('COMMIT');
      }
      return found;
    });
  }

  addIndex(name: string, index: IndexObject): void {
    this.#staged.add(name, index);
    this.commitStaged();
    if (this.#segments.worthMerging().length > 0) void this.#tidy();
  }

  stageIndex(name: string, index: IndexObject): void {
    this.#staged.add(name, index);
    if (this.#staged.count >= STAGE_LIMIT) this.commitStaged();
  }

  commitStaged(): void {
    if (this.#staged.indexes.length === 0) return;
    try {
      this.#transaction(() => this.#writeStaged());
    } finally {
      this.#staged.clear();
    }
    this.#run(() => this.#loadSegments());
  }

  async settle(): Promise<void> {
    const waits = this.#segments.segments.length >= OVERDUE;
    const tidied = this.#tidy();
    if (waits) await tidied;
  }

  removeIndexes(names: readonly string[]): void {
    this.#transaction(() => {
      for (const name of names) {
        this.#sql.removeIndex.run(name);
        this.#sql.removeSupersedes.run(name);
        this.#sql.removeIndexPacks.run(name);
      }
      this.#sql.removeUnnamedPacks.run();
    });
  }

  indexesOf(packIds: ReadonlySet<string>): string[] {
    return this.#run(() => {
      const names = new Set<string>();
      for (const id of packIds) for (const row of this.#sql.indexesOfPack.all(id) as Row[]) names.add(String(row.name));
      return [...names];
    });
  }

  indexSizes(): Map<string, number> {
    return this.#run(
      () => new Map((this.#sql.indexSizes.all() as Row[]).map((row) => [String(row.name), Number(row.packs)])),
    );
  }

  packsOf(indexName: string): CatalogPack[] {
    return this.#run(() => (this.#sql.packsOf.all(indexName) as Row[]).map(toPack));
  }

  packs(): CatalogPack[] {
    return this.#run(() => (this.#sql.packs.all() as Row[]).map(toPack));
  }

  eachPack(visit: (pack: CatalogPack) => void): void {
    this.#run(() => {
      for (const row of this.#sql.packs.iterate() as Iterable<Row>) visit(toPack(row));
    });
  }

  packCount(): number {
    return this.#run(() => Number((this.#sql.packCount.get() as Row).packs));
  }

  pack(number: number): CatalogPack | undefined {
    return this.#run(() => {
      const row = this.#sql.pack.get(number) as Row | undefined;
      return row && toPack(row);
    });
  }

  packById(id: string): CatalogPack | undefined {
    return this.#run(() => {
      const row = this.#sql.packById.get(id) as Row | undefined;
      return row && toPack(row);
    });
  }

  find(kind: typeof RecordKind.block | typeof RecordKind.node, id: Uint8Array): CatalogRecord[] {
    return this.#run(() => {
      const other = kind === RecordKind.block ? RecordKind.delta : kind;
      return this.#segments.find(id, kind, other).flatMap((entry) => this.#toRecord(entry) ?? []);
    });
  }

  batch(): IdBatch {
    const ids = new IdRuns(this.#folder);
    const generation = this.#generation;
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
    this.#run(() => {
      for (const [pack, ordinal, base] of this.#sql.bases.iterate() as unknown as Iterable<
        [number, number, Uint8Array]
      >)
        visit(pack, ordinal, base);
    });
  }

  totals(): CatalogTotals {
    return this.#run(() => {
      const { blocks, blockBytes, nodes } = this.#sql.totals.get() as Row;
      return { blocks: Number(blocks), blockBytes: Number(blockBytes), nodes: Number(nodes) };
    });
  }

  manifest(path: string): ManifestEnvelope | undefined {
    return this.#run(() => {
      const row = this.#sql.manifest.get(path) as Row | undefined;
      return row && (JSON.parse(String(row.json)) as ManifestEnvelope);
    });
  }

  addManifest(path: string, manifest: ManifestEnvelope): void {
    this.#transaction(() => {
      this.#sql.addManifest.run(path, manifest.id, JSON.stringify(manifest));
      this.#removeDigests(path);
      for (const { root } of manifest.contents) if (root !== null) this.#sql.addContent.run(root, path);
    });
  }

  removeManifest(path: string): void {
    const known = this.manifest(path);
    this.#transaction(() => {
      this.#sql.removeManifest.run(path);
      this.#removeDigests(path);
      for (const { root } of known?.contents ?? []) if (root !== null) this.#sql.removeContent.run(root, path);
    });
  }

  manifestsOf(id: string): string[] {
    return this.#run(() => (this.#sql.pointPaths.all(id) as Row[]).map((row) => String(row.path)));
  }

  manifestsWith(root: string): string[] {
    return this.#run(() => (this.#sql.contentPaths.all(root) as Row[]).map((row) => String(row.path)));
  }

  digests(kind: string, key?: string): Map<string, string> {
    return this.#run(() =>
      readPairs(key === undefined ? this.#sql.digests.iterate(kind) : this.#sql.digestsOfKey.iterate(kind, key)),
    );
  }

  digest(kind: string, path: string): string | undefined {
    return this.#run(() => {
      const row = this.#sql.digest.get(path, kind) as Row | undefined;
      return row && String(row.json);
    });
  }

  addDigests(kind: string, digests: ReadonlyMap<string, CatalogDigest>): void {
    this.#transaction(() => {
      for (const [path, { json, key }] of digests) this.#sql.addDigest.run(kind, path, json, key);
    });
  }

  digestedFolders(kind: string): Map<string, string> {
    return this.#run(() => readPairs(this.#sql.digested.iterate(kind)));
  }

  noteDigested(kind: string, marks: ReadonlyMap<string, string | null>): void {
    this.#transaction(() => {
      for (const [folder, mark] of marks)
        if (mark === null) this.#sql.removeDigested.run(kind, folder);
        else this.#sql.addDigested.run(kind, folder, mark);
    });
  }

  clear(): void {
    this.#startAgain();
  }

  close(): void {
    this.#closed = true;
    this.#segments.close();
    try {
      this.#database.close();
    } catch {
      // Closed already.
    }
  }

  #removeDigests(path: string): void {
    this.#sql.removeDigests.run(path);
    this.#sql.removeDigestedFolder.run(path.slice(0, path.lastIndexOf('/') + 1));
  }

  /** Folder of the segments. */
  get #folder(): string | null {
    return this.#path === MEMORY ? null : `${this.#path}.records`;
  }

  /** @returns undefined for a delta whose base is not known: an entry of a pack that was forgotten */
  #toRecord(entry: EntryFields): CatalogRecord | undefined {
    if (entry.kind !== RecordKind.delta) return Object.assign(entry, { base: null });
    const row = this.#sql.base.get(entry.pack, entry.ordinal) as { base: Uint8Array } | undefined;
    return row && Object.assign(entry, { base: row.base });
  }

  #writeStaged(): void {
    const numbers = addStagedIndexes(this.#sql, this.#staged);
    const writers: SegmentWriter[] = [];
    try {
      this.#staged.write(numbers, () => {
        const writer = new SegmentWriter(this.#folder);
        writers.push(writer);
        return writer;
      });
      for (const writer of writers) this.#enter(writer);
    } catch (error) {
      for (const writer of writers) writer.abort();
      throw error;
    }
  }

  /** Makes a segment durable and lists it. */
  #enter(writer: SegmentWriter): void {
    const done = writer.finish();
    if (done === null) return;
    const { name, tag, pages, entries } = done.info;
    if (done.memory !== null) this.#segments.keep(name, done.memory);
    this.#sql.addSegment.run(name, tag, pages, entries);
  }

  #loadSegments(): void {
    this.#segments.replace(segmentInfos(this.#sql));
  }

  async #join(ids: IdRuns, generation: number, visitor: JoinVisitor): Promise<boolean> {
    await this.#tidying;
    // What is merged meanwhile would be closed under its reader.
    this.#joins += 1;
    try {
      this.#run(() => this.#loadSegments());
      await joinIds(ids, this.#segments.segments, visitor);
      return generation === this.#generation;
    } catch (error) {
      if (!(error instanceof SegmentDamage)) throw error;
      this.#run(() => this.#requireListed(error));
      return false;
    } finally {
      this.#joins -= 1;
    }
  }

  /** Puts segments together in the background; never fails. */
  #tidy(): Promise<void> {
    if (this.#joins > 0) return Promise.resolve();
    this.#tidying ??= this.#merge()
      .catch((error) => {
        if (!this.#closed && error instanceof SegmentDamage) this.#run(() => this.#requireListed(error));
      })
      .finally(() => {
        this.#tidying = undefined;
      });
    return this.#tidying;
  }

  async #merge(): Promise<void> {
    for (;;) {
      const generation = this.#generation;
      const stale = this.#run(() => stalePacks(this.#sql));
      const inputs = stale.length > 0 ? this.#segments.segments : this.#segments.worthMerging();
      if (inputs.length === 0) return;
      if (this.#folder !== null) removeOrphans(this.#folder, new Set(this.#run(() => listedSegments(this.#sql))));
      const live = this.#run(() => livePacks(this.#sql));
      const target = new SegmentWriter(this.#folder);
      const isWanted = (): boolean => !this.#closed && generation === this.#generation;
      try {
        const done = await mergeSegments(inputs, target, (pack) => live[pack] === 1, isWanted);
        if (!done || !this.#replace(inputs, target, stale)) return target.abort();
      } catch (error) {
        target.abort();
        throw error;
      }
    }
  }

  /** @returns false when another process has replaced some of them meanwhile */
  #replace(inputs: readonly Segment[], target: SegmentWriter, stale: readonly number[]): boolean {
    const names = inputs.map((segment) => segment.info.name);
    let replaced = false;
    this.#transaction(() => {
      const listed = new Set(listedSegments(this.#sql));
      replaced = names.every((name) => listed.has(name));
      if (!replaced) return;
      this.#enter(target);
      for (const name of names) this.#sql.removeSegment.run(name);
      for (const pack of stale) {
        this.#sql.removeBases.run(pack);
        this.#sql.removeStale.run(pack);
      }
    });
    this.#run(() => this.#loadSegments());
    if (!replaced) return false;
    for (const name of names) {
      this.#segments.forget(name);
      if (this.#folder !== null) rmSync(join(this.#folder, name), { force: true });
    }
    return true;
  }

  #transaction(action: () => void): void {
    this.#run(() => {
      this.#database.exec('BEGIN IMMEDIATE');
      try {
        action();
        this.#database.exec('COMMIT');
      } catch (error) {
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
        throw error;
      }
    });
  }

  /** An answer of an empty catalog is right, only slower: so whatever it fails with, it starts again. */
  #run<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (error instanceof SegmentDamage) {
        this.#requireListed(error);
        return this.#run(action);
      }
      if (!isCatalogFailure(error)) throw error;
      // Held by another process for a minute: leave the file to it.
      if ((error as { errcode?: number }).errcode === SQLITE_BUSY) this.#path = MEMORY;
      this.#startAgain();
    }
    try {
      return action();
    } catch (error) {
      if (this.#path === MEMORY || !isCatalogFailure(error)) throw error;
      // No room, or no right to write: what is left is memory.
      this.#path = MEMORY;
      this.#startAgain();
      return action();
    }
  }

  /** Starts again, unless the segment was only replaced by another process. */
  #requireListed(damage: SegmentDamage): void {
    const before = this.#segments.segments.map((segment) => segment.info.name).join();
    try {
      this.#loadSegments();
      if (before !== this.#segments.segments.map((segment) => segment.info.name).join()) return;
    } catch {
      // The database is no better.
    }
    void damage;
    this.#startAgain();
  }

  #open(): void {
    if (this.#path !== MEMORY) mkdirSync(dirname(this.#path), { recursive: true });
    if (this.#folder !== null) mkdirSync(this.#folder, { recursive: true });
    this.#database = openDatabase(this.#path, this.#repositoryId);
    this.#sql = prepareStatements(this.#database);
    this.#segments.close();
    this.#segments = new SegmentSet(this.#folder);
    this.#loadSegments();
  }

  #startAgain(): void {
    this.#generation += 1;
    this.#segments.close();
    try {
      this.#database?.close();
    } catch {
      // Nothing is lost with it.
    }
    try {
      if (this.#path !== MEMORY) {
        for (const end of ['', '-wal', '-shm']) rmSync(this.#path + end, { force: true });
        rmSync(this.#folder!, { recursive: true, force: true });
      }
      this.#open();
    } catch {
      this.#path = MEMORY;
      this.#open();
    }
  }
}
