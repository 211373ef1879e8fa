/**
 * Tombstones: which restore points were removed on purpose, by whom and why (docs/format.md §2, §6). One is written
 * before the manifest is deleted, so a machine that misses a restore point can distinguish a removal from a loss or a
 * theft.
 */
import { isHvError } from '../../support/errors.ts';
import { ulidTime } from '../../support/ulid.ts';
import type { DocumentStore } from '../documents/document-store.ts';
import type { Environment } from '../environment.ts';
import { damaged } from '../errors.ts';
import { CLOCK_TOLERANCE_MS } from '../format/constants.ts';
import { Folder, parseTombstoneName, tombstoneName } from '../format/names.ts';
import type { Tombstone } from '../port/points.ts';
import type { Storage } from '../storage/storage.ts';

/** Two years: a machine that has not looked for so long is not warned of a loss anyway. Milliseconds. */
export const TOMBSTONE_LIFETIME = 2 * 366 * 24 * 3600 * 1000;

export class TombstoneStore {
  readonly #storage: Storage;
  readonly #documents: DocumentStore;
  readonly #environment: Environment;

  constructor(storage: Storage, documents: DocumentStore, environment: Environment) {
    this.#storage = storage;
    this.#documents = documents;
    this.#environment = environment;
  }

  /**
   * Durable when it resolves. Again for the same point it changes nothing: a removal that was cut short is repeated.
   * @param late the session that may still publish the point: it was not removed, it never counted
   * @returns false when there was one already
   */
  async put(point: { id: string; group: string }, reason: string, late?: string): Promise<boolean> {
    const tombstone: Tombstone = {
      point: point.id,
      group: point.group,
      removedAt: new Date(this.#environment.now()).toISOString(),
      by: this.#environment.identity().machine,
      reason,
      ...(late === undefined ? {} : { late }),
    };
    return (await this.#documents.put(tombstoneName(point.id), tombstone)) > 0;
  }

  /** Ids of the removed restore points: one listing, nothing read. */
  async ids(): Promise<Set<string>> {
    const names = await this.#storage.list(Folder.removed);
    return new Set(names.flatMap(({ name }) => parseTombstoneName(name) ?? []));
  }

  /** @returns null when the point was not removed. @throws REPOSITORY_DAMAGED */
  async get(id: string): Promise<Tombstone | null> {
    const found = (await this.#documents.find(tombstoneName(id))) as Partial<Tombstone> | null;
    if (found === null) return null;
    if (typeof found !== 'object' || found.point !== id || typeof found.removedAt !== 'string')
      throw damaged(
        'tombstone',
        tombstoneName(id),
        'it does not describe the removal of the restore point of its name',
      );
    return found as Tombstone;
  }

  /** Every tombstone by the id of its point. Unreadable ones are left out: they prove nothing. */
  async list(): Promise<Map<string, Tombstone>> {
    const found = new Map<string, Tombstone>();
    for (const id of await this.ids()) {
      const tombstone = await this.get(id).catch((error) => {
        if (isHvError(error, 'REPOSITORY_DAMAGED')) return null;
        throw error;
      });
      if (tombstone !== null) found.set(id, tombstone);
    }
    return found;
  }

  /** Takes a removal back that has not deleted anything yet. */
  async withdraw(id: string): Promise<void> {
    await this.#storage.delete(tombstoneName(id));
  }

  /**
   * Deletes tombstones older than {@link TOMBSTONE_LIFETIME} whose manifest is gone. The newest restore point has to be
   * so much younger as well: a clock that is years ahead must not make it forget what was removed.
   * @param present ids of all manifests
   * @param before called for each before it goes
   */
  async dropOld(present: ReadonlySet<string>, before: (id: string) => Promise<void>): Promise<void> {
    const now = this.#environment.now();
    let newest = 0;
    for (const id of present) if (ulidTime(id) <= now + CLOCK_TOLERANCE_MS) newest = Math.max(newest, ulidTime(id));
    const limit = Math.min(now, newest) - TOMBSTONE_LIFETIME;
    for (const id of await this.ids()) {
      // A point is never removed before it was made: what the id says is young need not be read.
      if (present.has(id) || ulidTime(id) > limit) continue;
      const removedAt = Date.parse((await this.get(id).catch(() => null))?.removedAt ?? '');
      if (!(removedAt < limit) || !(await this.#isOldThere(id))) continue;
      await before(id);
      await this.#storage.delete(tombstoneName(id));
    }
  }

  /** The clock that made it, or the one here, may be years off: where the storage has one it has to agree. */
  async #isOldThere(id: string): Promise<boolean> {
    const now = await this.#storage.clock?.().catch(() => undefined);
    if (now === undefined) return true;
    const listed = (await this.#storage.list(Folder.removed, { sizes: true })).find(
      ({ name }) => name === tombstoneName(id),
    );
    return listed?.modifiedAt === undefined || now - listed.modifiedAt > TOMBSTONE_LIFETIME;
  }
}
