/** Deletion marks (docs/format.md §6): which packs are about to go, and whose end their deletion waits for. */
import { isHvError } from '../../support/errors.ts';
import { ulid } from '../../support/ulid.ts';
import type { DocumentStore } from '../documents/document-store.ts';
import type { Environment } from '../environment.ts';
import {
  Folder,
  isMarkBase,
  isMarkPacks,
  markBaseName,
  markFolder,
  markOf,
  markPacksName,
  markWaitingName,
} from '../format/names.ts';
import type { ContentRef } from '../port/contents.ts';
import type { Storage } from '../storage/storage.ts';

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
    const names = (await this.#storage.list(Folder.marks)).map(({ name }) => name);
    const marks: Mark[] = [];
    for (const name of names) {
      const id = isMarkPacks(name) ? markOf(name) : null;
      if (id === null) continue;
      const mark = await this.#read(id, names.includes(markWaitingName(id)));
      if (mark !== null) marks.push(mark);
    }
    return marks;
  }

  async create(packs: readonly string[]): Promise<Mark> {
    const now = this.#environment.now();
    const mark: Mark = { id: ulid(now), createdAt: new Date(now).toISOString(), packs: [...packs], waiting: null };
    await this.#documents.put(markPacksName(mark.id), { id: mark.id, createdAt: mark.createdAt, packs });
    return mark;
  }

  /** To be called with the sessions listed after the mark was durable. */
  async recordWaiting(mark: Mark, sessions: readonly string[]): Promise<void> {
    await this.#documents.put(markWaitingName(mark.id), { sessions });
    mark.waiting = [...sessions];
  }

  /** `packs` last: without it the rest means nothing. */
  async remove(mark: Mark): Promise<void> {
    const packs = markPacksName(mark.id);
    for (const { name } of await this.#storage.list(markFolder(mark.id)))
      if (name !== packs) await this.#storage.delete(name);
    await this.#storage.delete(packs);
    this.#seen.delete(mark.id);
  }

  /**
   * A writer that began beside the mark builds on a restore point: what that needs must stay, listed or not. Durable
   * when it resolves.
   */
  async pin(mark: Mark, point: string, contents: readonly ContentRef[]): Promise<void> {
    await this.#documents.put(markBaseName(mark.id, point), { point, contents });
  }

  /**
   * Contents that writers have pinned; null when that cannot be determined: nothing of the mark must be deleted then.
   */
  async pinned(mark: Mark): Promise<ContentRef[] | null> {
    const contents: ContentRef[] = [];
    // Twice: a pin that only one listing lacks is there. One that lacks the mark itself proves nothing.
    const look = async () => (await this.#storage.list(markFolder(mark.id))).map(({ name }) => name);
    const looks = [await look(), await look()];
    if (looks.some((names) => !names.includes(markPacksName(mark.id)))) return null;
    for (const name of new Set(looks.flat())) {
      if (!isMarkBase(name)) continue;
      try {
        const found = (await this.#documents.find(name)) as { contents?: unknown } | null;
        if (found !== null && !Array.isArray(found.contents)) return null;
        if (found !== null) contents.push(...(found.contents as ContentRef[]));
      } catch (error) {
        if (isHvError(error, 'REPOSITORY_DAMAGED', 'IO_ERROR')) return null;
        throw error;
      }
    }
    return contents;
  }

  /** What came when its mark was gone: a writer's pin, or the second part, of a prune that slept. */
  async dropIncomplete(): Promise<void> {
    const names = new Set((await this.#storage.list(Folder.marks)).map(({ name }) => name));
    for (const name of names) {
      const mark = markOf(name);
      if (mark === null) continue;
      const packs = markPacksName(mark);
      // Not by the listing alone: a mark needs the rest of it.
      if (!names.has(packs) && (await this.#isAbsent(packs))) await this.#storage.delete(name);
    }
  }

  async #isAbsent(name: string): Promise<boolean> {
    try {
      return (await this.#documents.find(name)) === null;
    } catch (error) {
      if (isHvError(error, 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED')) return false;
      throw error;
    }
  }

  async #read(id: string, hasWaiting: boolean): Promise<Mark | null> {
    const seen = this.#seen.get(id);
    if (seen && (seen.waiting !== null || !hasWaiting)) return seen;
    const body = (await this.#readable(markPacksName(id))) as Omit<Mark, 'waiting'> | null;
    if (body === null) return null;
    const waiting = hasWaiting ? ((await this.#readable(markWaitingName(id))) as { sessions: string[] } | null) : null;
    const mark: Mark = { id, createdAt: body.createdAt, packs: body.packs, waiting: waiting?.sessions ?? null };
    this.#seen.set(id, mark);
    return mark;
  }

  /**
   * A mark that cannot be read does nothing: no one deletes on its word, and what it names has left the indexes.
   * Without its second part it waits for the sessions of today, which are all that can be left of those of then.
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
