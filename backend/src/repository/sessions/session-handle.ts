/** This process's own session: registered, renewed, ended (docs/format.md §6). */
import { HvError } from '../../support/errors.ts';
import { machineLabel } from '../../support/machine-label.ts';
import type { DocumentStore } from '../documents/document-store.ts';
import type { Environment } from '../environment.ts';
import { SESSION_LIFETIME_MS } from '../format/constants.ts';
import {
  announcementName,
  claimName,
  isRenewal,
  parseRenewalName,
  renewalName,
  sessionEndName,
  sessionFolder,
} from '../format/names.ts';
import type { Storage } from '../storage/storage.ts';
import type { AnnouncedPoint, SessionDocument } from './session-document.ts';

/** How often a session that lives long looks whether it is to be renewed; milliseconds. */
const RENEWAL_INTERVAL_MS = SESSION_LIFETIME_MS / 24;

/** Calls `renew` every hour until the function it returns is called. Keeps no process alive. */
export function renewing(renew: () => Promise<void>): () => void {
  const timer = setInterval(() => void renew().catch(() => undefined), RENEWAL_INTERVAL_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/**
 * The error of a session that others treat as expired: who, since when, and by which clocks, so that a wrong clock is
 * found.
 * @param fence what they published; undefined when it is gone already
 * @param now by the clock of this machine
 */
export function takenForOver(session: SessionDocument, fence: SessionDocument | undefined, now: number): HvError {
  const shown = new Date(now).toISOString();
  const by = fence?.fencedBy === undefined ? 'another machine' : machineLabel(fence.fencedBy);
  const at = fence?.fencedAt === undefined ? '' : ` at ${fence.fencedAt} by the clock there`;
  const storage = fence?.fencedStorageTime === undefined ? '' : ` (${fence.fencedStorageTime} by that of the storage)`;
  const why = fence?.fencedByHand
    ? `was ended by hand on ${by}${at}`
    : `was treated as expired by ${by}${at}${storage}; it was valid until ${session.expiresAt}, and the clock of this machine shows ${shown}`;
  return new HvError('REPOSITORY_SESSION_EXPIRED', `The session ${session.id} in the repository ${why}`, {
    advice: fence?.fencedByHand
      ? 'Run the command again.'
      : 'Compare the clocks of the two machines; if they agree, this one was suspended or paused for long. Run the command again.',
    data: {
      sessionId: session.id,
      expiresAt: session.expiresAt,
      now: shown,
      ...(fence?.fencedBy === undefined ? {} : { treatedAsExpiredBy: fence.fencedBy }),
      ...(fence?.fencedAt === undefined ? {} : { treatedAsExpiredAt: fence.fencedAt }),
    },
  });
}

export class SessionHandle {
  readonly #storage: Storage;
  readonly #documents: DocumentStore;
  readonly #environment: Environment;
  #document: SessionDocument;
  #number = 0;
  #names: string[] = [];
  /** Others have taken it for over: it never lives again. */
  #isFenced = false;
  #fence: SessionDocument | undefined;
  /** Renewals take their numbers one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

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
    if (this.#isFenced) this.#giveUp();
    if (!this.isExpired()) return;
    const { expiresAt } = this.#document;
    const now = new Date(this.#environment.now()).toISOString();
    throw new HvError(
      'REPOSITORY_SESSION_EXPIRED',
      `The session ${this.id} in the repository expired at ${expiresAt}; the clock of this machine shows ${now}`,
      {
        advice: 'The machine was suspended or paused for long, or its clock was set forward. Run the command again.',
        data: { sessionId: this.id, expiresAt, now },
      },
    );
  }

  async register(): Promise<void> {
    await this.#write(this.#document);
  }

  /** Extends the session when half of its life is over. @throws REPOSITORY_SESSION_EXPIRED */
  async renew(): Promise<void> {
    this.requireAlive();
    const left = Date.parse(this.#document.expiresAt) - this.#environment.now();
    // More than a whole life: the clock was set back, and others see no renewal.
    if (left <= SESSION_LIFETIME_MS / 2 || left > SESSION_LIFETIME_MS) await this.#extend();
  }

  /**
   * Says which restore point is about to be published, and extends the session after that. From now on a process that
   * treats the session as expired knows of the restore point, and hides it before anything it needs is deleted, however
   * late it comes.
   * @throws REPOSITORY_SESSION_EXPIRED when the session was fenced
   */
  async announce(point: AnnouncedPoint): Promise<void> {
    this.requireAlive();
    await this.put(announcementName(this.id, point.id), { point: point.id, group: point.group });
    await this.#extend();
  }

  /** Publishes an object of the session. A name that is taken is our own, of a put that failed and was done. */
  async put(name: string, value: unknown): Promise<void> {
    if (!this.#names.includes(name)) this.#names.push(name);
    await this.#documents.put(name, value);
  }

  /** Becomes durable before the session would have been over: else others may have taken it for that. */
  #extend(): Promise<void> {
    const extended = this.#turn.then(async () => {
      const expiresAt = new Date(this.#environment.now() + SESSION_LIFETIME_MS).toISOString();
      const next = { ...this.#document, expiresAt };
      await this.#write(next);
      this.requireAlive();
      await this.#requireRemembered();
      this.#document = next;
    });
    this.#turn = extended.catch(() => undefined);
    return extended;
  }

  /** A fence that was forgotten leaves its number free; then none of the earlier renewals is there any more. */
  async #requireRemembered(): Promise<void> {
    const there = new Set((await this.#storage.list(sessionFolder(this.id))).map((object) => object.name));
    const renewals = this.#names.filter(isRenewal).slice(0, -1);
    if (!renewals.some((own) => there.has(own))) this.#giveUp();
  }

  /**
   * Publishes `document` under the next number that is free.
   * @throws REPOSITORY_SESSION_EXPIRED when another process has fenced the session
   */
  async #write(document: SessionDocument): Promise<void> {
    for (;;) {
      const name = renewalName(this.id, this.#number);
      if (!this.#names.includes(name)) this.#names.push(name);
      const isOurs = (await this.#documents.put(name, document)) > 0;
      if (!isOurs) {
        // A fence; or our own, of a put that failed and was done; or of a repair that could not read the one before.
        const found = (await this.#documents.find(name)) as SessionDocument | null;
        if (found?.fencedBy !== undefined) this.#giveUp(found);
      }
      // Only now: a number must not be left out, it could be that of a fence.
      this.#number += 1;
      if (isOurs) return;
    }
  }

  /** @param fence where it was found, what it says */
  #giveUp(fence?: SessionDocument): never {
    this.#isFenced = true;
    this.#fence ??= fence;
    throw takenForOver(this.#document, this.#fence, this.#environment.now());
  }

  /**
   * Asks for its newest renewal by name: a listing may be short, and then it is there.
   * @throws REPOSITORY_SESSION_EXPIRED when it is not: others have treated the session as expired, and forgotten it
   */
  async requireThere(): Promise<void> {
    this.requireAlive();
    if ((await this.#documents.find(renewalName(this.id, this.#number - 1))) === null) this.#giveUp();
  }

  /** Whether it has expired or others have taken it for over, whatever its own clock says. */
  async isOver(): Promise<boolean> {
    if (this.isExpired()) return true;
    const there = await this.#storage.list(sessionFolder(this.id));
    const numbers = there.flatMap(({ name }) => parseRenewalName(name) ?? []);
    if (numbers.every((number) => number >= this.#number)) return true;
    const last = numbers.at(-1)!;
    if (last < this.#number) return false;
    const found = (await this.#documents.find(renewalName(this.id, last))) as SessionDocument | null;
    if (found?.fencedBy !== undefined) {
      this.#isFenced = true;
      this.#fence = found;
    }
    return this.#isFenced;
  }

  async claim(deadSession: string): Promise<void> {
    await this.put(claimName(this.id, deadSession), { session: deadSession });
  }

  /**
   * Ends it: its objects go, or where delete is refused an end object comes.
   * @param leavesPacks that no restore point needs: it ends and stays, so that they are explained until a backup uses
   *   them or a prune removes them
   */
  async end(leavesPacks = false): Promise<void> {
    if (leavesPacks) {
      // Where that fails too nothing is taken away: without its session nothing would explain them.
      await this.#documents.put(sessionEndName(this.id), { id: this.id }).catch(() => undefined);
      return;
    }
    try {
      // The newest renewal last, so that a crash in between leaves a session that can still be judged.
      for (const name of this.#names) if (!isRenewal(name)) await this.#storage.delete(name);
      for (const name of this.#names) if (isRenewal(name)) await this.#storage.delete(name);
    } catch {
      await this.#documents.put(sessionEndName(this.id), { id: this.id }).catch(() => undefined);
    }
  }
}
