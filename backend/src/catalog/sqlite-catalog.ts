/**
 * The catalog in a SQLite file, shared by all processes of this machine. It is a cache: when the file is corrupt, foreign,
 * or cannot be written, it starts again empty (in memory as a last resort) and the repository loads it anew.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Catalog, CatalogPack, CatalogRecord, CatalogTotals } from '../repository/catalog-port.ts';
import { RecordKind } from '../repository/format/constants.ts';
import type { IndexObject } from '../repository/format/index-format.ts';
import type { ManifestEnvelope } from '../repository/port.ts';
import { CATALOG_SCHEMA, CATALOG_VERSION, Statements } from './sqlite-schema.ts';

const MEMORY = ':memory:';
const SQLITE_BUSY = 5;

type Row = Record<string, number | string | Uint8Array>;

export class SqliteCatalog implements Catalog {
  readonly #repositoryId: string;
  #path: string;
  #database!: DatabaseSync;
  #sql!: Statements;

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
      for (const row of this.#sql.indexes.all() as Row[]) found.set(String(row.name), []);
      for (const row of this.#sql.supersedes.all() as Row[]) found.get(String(row.name))?.push(String(row.old));
      return found;
    });
  }

  addIndex(name: string, index: IndexObject): void {
    this.#transaction(() => {
      if (this.#sql.hasIndex.get(name) !== undefined) return;
      this.#sql.addIndex.run(name);
      for (const old of index.supersedes) this.#sql.addSupersedes.run(name, old);
      for (const pack of index.packs) this.#addPack(name, pack);
    });
  }

  removeIndexes(names: readonly string[]): void {
    this.#transaction(() => {
      for (const name of names) {
        this.#sql.removeIndex.run(name);
        this.#sql.removeSupersedes.run(name);
        this.#sql.removeIndexPacks.run(name);
      }
      this.#sql.removeUnnamedPacks.run();
      const { packed, stale } = this.#sql.staleRecords.get() as { packed: number; stale: number };
      // Rows of forgotten packs are ignored by readers; sweeping them reads the whole table, so only when it pays.
      if (stale > 1000 && stale * 4 > packed) this.#sql.sweepRecords.run();
    });
  }

  indexesOf(packIds: ReadonlySet<string>): string[] {
    return this.#run(() => {
      const names = new Set<string>();
      for (const row of this.#sql.indexPacks.all() as Row[])
        if (packIds.has(String(row.id))) names.add(String(row.name));
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

  pack(number: number): CatalogPack | undefined {
    return this.#run(() => {
      const row = this.#sql.pack.get(number) as Row | undefined;
      return row && toPack(row);
    });
  }

  find(kind: RecordKind, id: Uint8Array): CatalogRecord[] {
    return this.#run(() => this.#sql.find.all(id, kind) as unknown as CatalogRecord[]);
  }

  totals(): CatalogTotals {
    return this.#run(() => {
      const totals = { blocks: 0, blockBytes: 0, nodes: 0 };
      for (const row of this.#sql.totals.all() as Row[]) {
        if (row.kind === RecordKind.node) totals.nodes = Number(row.count);
        else if (row.kind === RecordKind.block) {
          totals.blocks = Number(row.count);
          totals.blockBytes = Number(row.bytes);
        }
      }
      return totals;
    });
  }

  manifest(path: string): ManifestEnvelope | undefined {
    return this.#run(() => {
      const row = this.#sql.manifest.get(path) as Row | undefined;
      return row && (JSON.parse(String(row.json)) as ManifestEnvelope);
    });
  }

  addManifest(path: string, manifest: ManifestEnvelope): void {
    this.#transaction(() => this.#sql.addManifest.run(path, JSON.stringify(manifest)));
  }

  removeManifest(path: string): void {
    this.#transaction(() => this.#sql.removeManifest.run(path));
  }

  clear(): void {
    this.#startAgain();
  }

  close(): void {
    try {
      this.#database.close();
    } catch {
      // Closed already.
    }
  }

  #addPack(indexName: string, pack: IndexObject['packs'][number]): void {
    let row = this.#sql.packById.get(pack.id) as Row | undefined;
    if (row === undefined) {
      this.#sql.addPack.run(pack.id, pack.length, pack.sessionId, pack.packClass, pack.records.length);
      row = this.#sql.packById.get(pack.id) as Row;
      const number = Number(row.number);
      const sorted = pack.records.map((record, ordinal) => ({ record, ordinal }));
      // In the order of the table's key: neighbours go into the same page.
      sorted.sort((a, b) => a.record.id.compare(b.record.id));
      for (const { record, ordinal } of sorted) {
        if (record.kind === RecordKind.delta) continue;
        const { id, kind, offset, rawLength, storedLength, encoding } = record;
        this.#sql.addRecord.run(id, kind, number, ordinal, offset, rawLength, storedLength, encoding);
      }
    }
    this.#sql.addIndexPack.run(indexName, Number(row.number));
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

  /** An answer of an empty catalog is right, only slower: so whatever SQLite fails with, it starts again. */
  #run<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_SQLITE_ERROR' && !(error instanceof SyntaxError)) throw error;
      // Held by another process for a minute: leave the file to it.
      if ((error as { errcode?: number }).errcode === SQLITE_BUSY) this.#path = MEMORY;
      this.#startAgain();
      return action();
    }
  }

  #open(): void {
    if (this.#path !== MEMORY) mkdirSync(dirname(this.#path), { recursive: true });
    this.#database = new DatabaseSync(this.#path, { timeout: 60_000 });
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384;');
    this.#database.exec('BEGIN IMMEDIATE');
    this.#database.exec(CATALOG_SCHEMA);
    const known = this.#database.prepare("SELECT value FROM meta WHERE key = 'identity'").get() as Row | undefined;
    const identity = `${CATALOG_VERSION} ${this.#repositoryId}`;
    if (known === undefined) this.#database.prepare("INSERT INTO meta VALUES ('identity', ?)").run(identity);
    this.#database.exec('COMMIT');
    if (known !== undefined && known.value !== identity) throw new Error('a catalog of something else');
    this.#sql = new Statements(this.#database);
  }

  #startAgain(): void {
    try {
      this.#database?.close();
    } catch {
      // Nothing is lost with it.
    }
    try {
      if (this.#path !== MEMORY) for (const end of ['', '-wal', '-shm']) rmSync(this.#path + end, { force: true });
      this.#open();
    } catch {
      this.#path = MEMORY;
      this.#open();
    }
  }
}

const toPack = (row: Row): CatalogPack => ({
  number: Number(row.number),
  id: String(row.id),
  length: Number(row.length),
  sessionId: String(row.session),
  packClass: Number(row.class) as CatalogPack['packClass'],
  records: Number(row.records),
});
