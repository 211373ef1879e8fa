/** Deletion marks (docs/format.md §6): which packs are about to go, and whose end their deletion waits for. */
import { isHvError } from '../support/errors.ts';
import { ulid } from '../support/ulid.ts';
import type { DocumentStore } from './document-store.ts';
import type { Environment } from './environment.ts';
import type { Storage } from './storage/storage.ts';

export interface Mark {
  id: string;
  createdAt: string;
  /** Pack ids. */
  packs: string[];
  /** Sessions that were alive when the mark was durable; null when that has not been recorded. */
  waiting: string[] | null;
}

export class MarkStore {
  readonly #storage: Storage;
  readonly #documents: DocumentStore;
  readonly #environment: Environment;
  /** Marks never change. */
  readonly #seen = new Map<string, Mark>();

  constructor(storage: Storage, documents: DocumentStore, environment: Environment) {
    this.#storage = storage;
    this.#documents = documents;
    this.#environment = environment;
  }

  async list(): Promise<Mark[]> {
    const names = (await this.#storage.list('marks/')).map(({ name }) => name);
    const marks: Mark[] = [];
    for (const name of names) {
      const id = /^marks\/([0-9A-Z]+)\/packs$/.exec(name)?.[1];
      if (id === undefined) continue;
      const mark = await this.#read(id, names.includes(`marks/${id}/waiting`));
      if (mark !== null) marks.push(mark);
    }
    return marks;
  }

  async create(packs: readonly string[]): Promise<Mark> {
    const now = this.#environment.now();
    const mark: Mark = { id: ulid(now), createdAt: new Date(now).toISOString(), packs: [...packs], waiting: null };
    await this.#documents.put(`marks/${mark.id}/packs`, { id: mark.id, createdAt: mark.createdAt, packs });
    return mark;
  }

  /** To be called with the sessions listed after the mark was durable. */
  async recordWaiting(mark: Mark, sessions: readonly string[]): Promise<void> {
    await this.#documents.put(`marks/${mark.id}/waiting`, { sessions });
    mark.waiting = [...sessions];
  }

  /** `packs` last: without it the rest means nothing. */
  async remove(mark: Mark): Promise<void> {
    await this.#storage.delete(`marks/${mark.id}/waiting`);
    await this.#storage.delete(`marks/${mark.id}/packs`);
    this.#seen.delete(mark.id);
  }

  async #read(id: string, hasWaiting: boolean): Promise<Mark | null> {
    const seen = this.#seen.get(id);
    if (seen && (seen.waiting !== null || !hasWaiting)) return seen;
    const body = (await this.#readable(`marks/${id}/packs`)) as Omit<Mark, 'waiting'> | null;
    if (body === null) return null;
    const waiting = hasWaiting
      ? ((await this.#readable(`marks/${id}/waiting`)) as { sessions: string[] } | null)
      : null;
    const mark: Mark = { id, createdAt: body.createdAt, packs: body.packs, waiting: waiting?.sessions ?? null };
    this.#seen.set(id, mark);
    return mark;
  }

  /**
   * A mark that cannot be read does nothing: nobody deletes on its word, and what it names has left the indexes. Without its
   * second part it waits for the sessions of today, which are all that can be left of those of then.
   */
  async #readable(name: string): Promise<unknown> {
    try {
      return await this.#documents.find(name);
    } catch (error) {
      if (isHvError(error, 'REPOSITORY_DAMAGED')) return null;
      throw error;
    }
  }
}
