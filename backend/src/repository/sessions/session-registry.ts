/** Who is at work in a repository (docs/format.md §6): sessions are registered, renewed, ended, and judged by others. */
import { HvError, isHvError } from '../../support/errors.ts';
import type { DocumentStore } from '../document-store.ts';
import type { Environment } from '../environment.ts';
import { CLOCK_TOLERANCE_MS, SESSION_LIFETIME_MS } from '../format/constants.ts';
import { isRandomId, randomId } from '../format/ids.ts';
import type { Storage } from '../storage/storage.ts';

export interface SessionDocument {
  id: string;
  kind: 'backup' | 'prune' | 'keys';
  owner: string;
  machine: string;
  process: { pid: number; start: string };
  createdAt: string;
  expiresAt: string;
}

export interface SessionState {
  document: SessionDocument;
  alive: boolean;
  /** Dead sessions whose packs it goes on with. */
  claims: string[];
  /** All objects of the session. */
  objects: string[];
}

const nameOf = (id: string, part: string): string => `sessions/${id}/${part}`;
const renewal = (number: number): string => String(number).padStart(8, '0');

export class SessionRegistry {
  readonly #storage: Storage;
  readonly #documents: DocumentStore;
  readonly #environment: Environment;

  constructor(storage: Storage, documents: DocumentStore, environment: Environment) {
    this.#storage = storage;
    this.#documents = documents;
    this.#environment = environment;
  }

  async register(kind: SessionDocument['kind'], owner: string): Promise<SessionHandle> {
    const now = this.#environment.now();
    const { machine, pid, start } = this.#environment.identity();
    const document: SessionDocument = {
      id: randomId(),
      kind,
      owner,
      machine,
      process: { pid, start },
      createdAt: new Date(now).toISOString(),
      expiresAt: new Date(now + SESSION_LIFETIME_MS).toISOString(),
    };
    const handle = new SessionHandle(this.#storage, this.#documents, this.#environment, document);
    await handle.write();
    return handle;
  }

  /** All sessions that are listed; those that ended properly are not. An unreadable one counts as alive. */
  async list(): Promise<SessionState[]> {
    const objects = new Map<string, string[]>();
    for (const { name } of await this.#storage.list('sessions/')) {
      const [, id, part] = name.split('/');
      if (id === undefined || part === undefined || !isRandomId(id)) continue;
      objects.set(id, [...(objects.get(id) ?? []), name]);
    }
    const states: SessionState[] = [];
    for (const [id, names] of objects) {
      const state = await this.#judge(id, names);
      if (state !== null) states.push(state);
    }
    return states;
  }

  /** Removes the objects of a session that is over. Best effort. */
  async forget(state: SessionState): Promise<void> {
    for (const name of state.objects) await this.#storage.delete(name).catch(() => undefined);
  }

  async #judge(id: string, names: string[]): Promise<SessionState | null> {
    const claims = names.flatMap((name) => /\/claim-([0-9a-f]{32})$/.exec(name)?.[1] ?? []);
    const last = names.filter((name) => /\/\d{8}$/.test(name)).at(-1);
    const ended = names.includes(nameOf(id, 'end'));
    let document: SessionDocument | null = null;
    if (last !== undefined) {
      try {
        document = (await this.#documents.find(last)) as SessionDocument | null;
      } catch (error) {
        if (!isHvError(error, 'REPOSITORY_DAMAGED')) throw error;
        // It cannot be told when it expires; whoever wrote it may be at work.
        return { document: unreadable(id), alive: !ended, claims, objects: names };
      }
    }
    // Only leftovers of one that was being deleted.
    if (document === null)
      return last === undefined ? { document: unreadable(id), alive: false, claims, objects: names } : null;
    return { document, alive: !ended && !this.#isOver(document), claims, objects: names };
  }

  #isOver(document: SessionDocument): boolean {
    const expires = Date.parse(document.expiresAt);
    if (this.#environment.now() > expires + CLOCK_TOLERANCE_MS) return true;
    return this.#environment.isDead({ machine: document.machine, ...document.process });
  }
}

const unreadable = (id: string): SessionDocument => ({
  id,
  kind: 'backup',
  owner: 'unknown',
  machine: '',
  process: { pid: 0, start: '' },
  createdAt: '',
  expiresAt: '',
});

/** This process's own session. */
export class SessionHandle {
  readonly #storage: Storage;
  readonly #documents: DocumentStore;
  readonly #environment: Environment;
  #document: SessionDocument;
  #number = 0;
  #names: string[] = [];

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
    return this.#environment.now() >= Date.parse(this.#document.expiresAt);
  }

  /** @throws REPOSITORY_SESSION_EXPIRED: others may have deleted what it relies on */
  requireAlive(): void {
    if (!this.isExpired()) return;
    throw new HvError(
      'REPOSITORY_SESSION_EXPIRED',
      `The writer session ${this.id} expired at ${this.#document.expiresAt}`,
      {
        advice: 'The machine was suspended or paused for long. Run the backup again.',
        data: { sessionId: this.id, expiresAt: this.#document.expiresAt },
      },
    );
  }

  /** Extends the session when `force` is set or half of its life is over. @throws REPOSITORY_SESSION_EXPIRED */
  async renew(force = false): Promise<void> {
    this.requireAlive();
    const now = this.#environment.now();
    if (!force && Date.parse(this.#document.expiresAt) - now > SESSION_LIFETIME_MS / 2) return;
    this.#document = { ...this.#document, expiresAt: new Date(now + SESSION_LIFETIME_MS).toISOString() };
    await this.write();
  }

  /** Publishes the session's current state under the next number. */
  async write(): Promise<void> {
    const name = nameOf(this.id, renewal(this.#number));
    this.#number += 1;
    this.#names.push(name);
    await this.#documents.put(name, this.#document);
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
