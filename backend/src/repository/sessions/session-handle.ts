/** This process's own session: registered, renewed, ended (docs/format.md §6). */
import { HvError } from '../../support/errors.ts';
import type { DocumentStore } from '../document-store.ts';
import type { Environment } from '../environment.ts';
import { SESSION_LIFETIME_MS } from '../format/constants.ts';
import type { Storage } from '../storage/storage.ts';
import type { AnnouncedPoint, SessionDocument } from './session-registry.ts';

export const nameOf = (id: string, part: string): string => `sessions/${id}/${part}`;
export const renewal = (number: number): string => String(number).padStart(8, '0');

export class SessionHandle {
  readonly #storage: Storage;
  readonly #documents: DocumentStore;
  readonly #environment: Environment;
  #document: SessionDocument;
  #number = 0;
  #names: string[] = [];
  /** Others have taken it for over: it never lives again. */
  #isFenced = false;

  constructor(storage: Storage, documents: DocumentStore, environment: Environment, document: SessionDocument) {
    this.#storage = storage;
    this.#documents = documents;
    this.#environment = environment;
    this.#document = document;
  }

  get id(): string {
    return this.#document.id;
  }

  get document(): SessionDocument {
    return this.#document;
  }

  isExpired(): boolean {
    return this.#isFenced || this.#environment.now() >= Date.parse(this.#document.expiresAt);
  }

  /** @throws REPOSITORY_SESSION_EXPIRED: others may have deleted what it relies on */
  requireAlive(): void {
    if (this.isExpired()) this.#refuse(`expired at ${this.#document.expiresAt}`);
  }

  #refuse(why: string): never {
    throw new HvError('REPOSITORY_SESSION_EXPIRED', `The writer session ${this.id} ${why}`, {
      advice: 'The machine was suspended or paused for long. Run the backup again.',
      data: { sessionId: this.id, expiresAt: this.#document.expiresAt },
    });
  }

  async register(): Promise<void> {
    await this.#write(this.#document);
  }

  /** Extends the session when half of its life is over. @throws REPOSITORY_SESSION_EXPIRED */
  async renew(): Promise<void> {
    this.requireAlive();
    if (Date.parse(this.#document.expiresAt) - this.#environment.now() <= SESSION_LIFETIME_MS / 2) await this.#extend();
  }

  /**
   * Says which restore point is about to be published, and extends the session after that. From now on whoever takes the session for
   * over knows of the restore point, and hides it before anything it needs is deleted, however late it comes.
   * @throws REPOSITORY_SESSION_EXPIRED when the session was fenced
   */
  async announce(point: AnnouncedPoint): Promise<void> {
    this.requireAlive();
    const name = nameOf(this.id, `point-${point.id}`);
    if (!this.#names.includes(name)) this.#names.push(name);
    await this.#documents.put(name, { point: point.id, group: point.group });
    await this.#extend();
    // A fence that was forgotten leaves its number free; then none of the earlier ones is there any more.
    const there = new Set((await this.#storage.list(nameOf(this.id, ''))).map((object) => object.name));
    const renewals = this.#names.filter((own) => /\/\d{8}$/.test(own)).slice(0, -1);
    if (!renewals.some((own) => there.has(own))) this.#giveUp('was taken for over by others');
  }

  /** Becomes durable before the session would have been over: else others may have taken it for that. */
  async #extend(): Promise<void> {
    const before = this.#document;
    const expiresAt = new Date(this.#environment.now() + SESSION_LIFETIME_MS).toISOString();
    const next = { ...before, expiresAt };
    await this.#write(next);
    this.requireAlive();
    this.#document = next;
  }

  /** Publishes `document` under the next number that is free. @throws REPOSITORY_SESSION_EXPIRED when somebody has fenced the session */
  async #write(document: SessionDocument): Promise<void> {
    for (;;) {
      const name = nameOf(this.id, renewal(this.#number));
      if (!this.#names.includes(name)) this.#names.push(name);
      const isOurs = (await this.#documents.put(name, document)) > 0;
      if (!isOurs) {
        // A fence; or our own, of a put that failed and was done; or of a repair that could not read the one before.
        const found = (await this.#documents.find(name)) as SessionDocument | null;
        if (found?.fencedBy !== undefined) this.#giveUp(`was taken for over by ${found.fencedBy.split('/')[0]}`);
      }
      // Only now: a number must not be left out, it could be that of a fence.
      this.#number += 1;
      if (isOurs) return;
    }
  }

  #giveUp(why: string): never {
    this.#isFenced = true;
    this.#refuse(why);
  }

  /** Whether it has expired or others have taken it for over, whatever its own clock says. */
  async isOver(): Promise<boolean> {
    if (this.isExpired()) return true;
    const folder = nameOf(this.id, '');
    const there = (await this.#storage.list(folder)).map(({ name }) => name.slice(folder.length));
    const numbers = there.filter((part) => /^\d{8}$/.test(part)).map(Number);
    if (numbers.every((number) => number >= this.#number)) return true;
    const last = numbers.at(-1)!;
    if (last < this.#number) return false;
    const found = (await this.#documents.find(folder + renewal(last))) as SessionDocument | null;
    if (found?.fencedBy !== undefined) this.#isFenced = true;
    return this.#isFenced;
  }

  async claim(deadSession: string): Promise<void> {
    const name = nameOf(this.id, `claim-${deadSession}`);
    this.#names.push(name);
    await this.#documents.put(name, { session: deadSession });
  }

  /** Ends it: its objects go, or where delete is refused an end object comes. */
  async end(): Promise<void> {
    try {
      // The newest last, so that a crash in between leaves a session that can still be judged.
      for (const name of this.#names) await this.#storage.delete(name);
    } catch {
      await this.#documents.put(nameOf(this.id, 'end'), { id: this.id }).catch(() => undefined);
    }
  }
}
