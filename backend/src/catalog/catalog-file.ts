/**
 * The files of a catalog: a SQLite database, and beside it the segments that hold the records. When any of them is
 * corrupt, foreign, or cannot be written, they start again empty, at the same path, or in memory as a last resort.
 */
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { makeFolderSync } from '../support/make-folder.ts';
import { ensurePrivateFile } from '../support/private-file.ts';
import { SegmentDamage } from './segments/segment-format.ts';
import { SegmentSet } from './segments/segment-set.ts';
import type { SegmentWriter } from './segments/segment-writer.ts';
import { openDatabase } from './sqlite-open.ts';
import { isCatalogFailure, segmentInfos } from './sqlite-rows.ts';
import { prepareStatements, type Statements } from './sqlite-schema.ts';

const MEMORY = ':memory:';
const SQLITE_BUSY = 5;

export class CatalogFile {
  readonly #repositoryId: string;
  #path: string;
  #database!: DatabaseSync;
  #sql!: Statements;
  #segments = new SegmentSet(null);
  #generation = 0;
  #writes = 0;

  /** @param path created with its folder when missing; null: in memory */
  constructor(path: string | null, repositoryId: string) {
    this.#path = path ?? MEMORY;
    this.#repositoryId = repositoryId;
    try {
      this.#open();
    } catch {
      this.startAgain();
    }
  }

  /** Of the database; `:memory:` when there is no place to write. */
  get path(): string {
    return this.#path;
  }

  /** Of the segments; null: in memory. */
  get folder(): string | null {
    return this.#path === MEMORY ? null : `${this.#path}.records`;
  }

  get sql(): Statements {
    return this.#sql;
  }

  get segments(): SegmentSet {
    return this.#segments;
  }

  /** Counts fresh starts: what was learnt before one is worth nothing. */
  get generation(): number {
    return this.#generation;
  }

  /** Another one whenever this process or another has written. */
  version(): string {
    const { data_version: others } = this.#sql.version.get() as { data_version: number };
    return `${this.#generation} ${this.#writes} ${others}`;
  }

  /** An answer of an empty catalog is right, only slower: so whatever it fails with, it starts again. */
  run<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (error instanceof SegmentDamage) {
        this.recover();
        return this.run(action);
      }
      if (!isCatalogFailure(error)) throw error;
      // Held by another process for a minute: leave the file to it.
      if ((error as { errcode?: number }).errcode === SQLITE_BUSY) this.#path = MEMORY;
      this.startAgain();
    }
    try {
      return action();
    } catch (error) {
      if (this.#path === MEMORY || !isCatalogFailure(error)) throw error;
      // No room, or no right to write: what is left is memory.
      this.#path = MEMORY;
      this.startAgain();
      return action();
    }
  }

  /** Reads several things of one moment. */
  moment<T>(action: () => T): T {
    return this.run(() => {
      this.#database.exec('BEGIN');
      try {
        return action();
      } finally {
        if (this.#database.isTransaction) this.#database.exec('COMMIT');
      }
    });
  }

  transaction(action: () => void): void {
    this.#writes += 1;
    this.run(() => {
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

  /** Makes a segment durable and lists it; within a transaction. */
  enter(writer: SegmentWriter): void {
    const done = writer.finish();
    if (done === null) return;
    const { name, tag, pages, entries } = done.info;
    if (done.memory !== null) this.#segments.keep(name, done.memory);
    this.#sql.addSegment.run(name, tag, pages, entries);
  }

  /** Takes over the segments that are listed now. */
  loadSegments(): void {
    this.#segments.replace(segmentInfos(this.#sql));
  }

  /** A segment is not what it was: starts again, unless it was only replaced by another process. */
  recover(): void {
    const before = this.#segments.names();
    try {
      this.loadSegments();
      if (before !== this.#segments.names()) return;
    } catch {
      // The database is no better.
    }
    this.startAgain();
  }

  startAgain(): void {
    this.#generation += 1;
    this.#segments.close();
    try {
      this.#database?.close();
    } catch {
      // Nothing is lost with it.
    }
    try {
      if (this.#path !== MEMORY) {
        for (const end of ['', '-wal', '-shm', '-journal']) rmSync(this.#path + end, { force: true });
        rmSync(this.folder!, { recursive: true, force: true });
      }
      this.#open();
    } catch {
      this.#path = MEMORY;
      this.#open();
    }
  }

  close(): void {
    this.#segments.close();
    try {
      this.#database.close();
    } catch {
      // Closed already.
    }
  }

  #open(): void {
    if (this.#path !== MEMORY) makeFolderSync(dirname(this.#path), 0o700);
    if (this.folder !== null) makeFolderSync(this.folder, 0o700);
    if (this.#path !== MEMORY) ensurePrivateFile(this.#path);
    this.#database = openDatabase(this.#path, this.#repositoryId);
    this.#sql = prepareStatements(this.#database);
    this.#segments.close();
    this.#segments = new SegmentSet(this.folder);
    this.loadSegments();
  }
}
