/**
 * The host's lock: an exclusive SQLite transaction on a database of its own, held over everything that changes the
 * host's state or files. The operating system frees it when its holder is killed. It is a file apart from the state so
 * that intents can be committed there while the lock is held: the next holder of the lock knows that an intent it finds
 * was left by the dead.
 */
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { HvError } from '../../support/errors.ts';
import { stateError } from './state.ts';

/** How long to wait for another process before HOST_BUSY, ms. */
const LOCK_TIMEOUT = 60_000;
/** Longest pause between two tries, ms. */
const LONGEST_PAUSE = 8;
const SQLITE_BUSY = 5;

export class HostLock {
  readonly #path: string;
  readonly #timeout: number;
  #database: DatabaseSync | undefined;
  /** Ends when those who asked before in this process are done. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(path: string, timeout = LOCK_TIMEOUT) {
    this.#path = path;
    this.#timeout = timeout;
  }

  /**
   * Runs `action` while holding the lock. Not reentrant.
   * @throws HOST_BUSY when another process keeps it longer than the timeout
   */
  run<T>(action: () => Promise<T>): Promise<T> {
    return this.#inTurn(action, () => this.#acquire());
  }

  /** Runs `action` if no other process has the lock at this moment; otherwise does nothing. */
  async runIfFree(action: () => Promise<void>): Promise<void> {
    const busy = new Error('busy');
    const acquire = async (): Promise<void> => {
      if (!this.#try()) throw busy;
    };
    await this.#inTurn(action, acquire).catch((error: unknown) => {
      if (error !== busy) throw error;
    });
  }

  async #inTurn<T>(action: () => Promise<T>, acquire: () => Promise<void>): Promise<T> {
    const before = this.#queue;
    const turn = Promise.withResolvers<void>();
    this.#queue = before.then(() => turn.promise);
    await before;
    try {
      await acquire();
      try {
        return await action();
      } finally {
        this.#database?.exec('ROLLBACK');
      }
    } finally {
      turn.resolve();
    }
  }

  /** Takes the lock for good, until close() or death. @returns false when another process has it */
  tryHold(): boolean {
    return this.#try();
  }

  close(): void {
    this.#database?.close();
    this.#database = undefined;
  }

  /** A person who waits for 60 s must not block this process's other work: so no SQLite busy timeout, but pauses. */
  async #acquire(): Promise<void> {
    const deadline = performance.now() + this.#timeout;
    for (let pause = 1; !this.#try(); pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      if (performance.now() > deadline) {
        throw new HvError(
          'HOST_BUSY',
          `Another process has kept the host locked for ${this.#timeout / 1000} s: ${this.#path}`,
          {
            advice: 'Wait until it is done, or end it, and run the command again.',
            data: { path: this.#path, timeoutMs: this.#timeout },
          },
        );
      }
      await sleep(pause * (0.5 + Math.random()));
    }
  }

  /** Nothing is ever written: without a journal file the lock can be had on a full volume too. */
  #open(): DatabaseSync {
    const database = new DatabaseSync(this.#path, { timeout: 0 });
    database.exec('PRAGMA journal_mode = MEMORY');
    return database;
  }

  #try(): boolean {
    try {
      this.#database ??= this.#open();
      this.#database.exec('BEGIN EXCLUSIVE');
      return true;
    } catch (error) {
      if (((error as { errcode?: number }).errcode ?? 0) % 256 === SQLITE_BUSY) return false;
      throw stateError(this.#path, error);
    }
  }
}
