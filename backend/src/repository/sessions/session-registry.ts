/**
 * Who is at work in a repository (docs/format.md §6): sessions are registered, renewed, ended, and judged by others.
 */
import { HvError, isHvError } from '../../support/errors.ts';
import type { DocumentStore } from '../documents/document-store.ts';
import type { Environment } from '../environment.ts';
import { SESSION_LIFETIME_MS } from '../format/constants.ts';
import { randomId } from '../format/ids.ts';
import {
  Folder,
  isRenewal,
  parseAnnouncementName,
  parseClaimName,
  parseRenewalName,
  renewalName,
  sessionEndName,
  sessionFolder,
  sessionOf,
} from '../format/names.ts';
import type { Storage } from '../storage/storage.ts';
import type { AnnouncedPoint, SessionDocument } from './session-document.ts';
import { SessionHandle } from './session-handle.ts';
import { SessionJudge, UNKNOWN_MACHINE } from './session-judge.ts';

export interface SessionState {
  document: SessionDocument;
  alive: boolean;
  /** Over by time alone: its writer may only be asleep. */
  expired: boolean;
  /** Dead sessions whose packs it goes on with. */
  claims: string[];
  /** All objects of the session. */
  objects: string[];
  /** For people: the clocks disagree about it. */
  doubt?: string;
  /** Its end cannot be determined before another session has noted that it was seen: {@link SessionRegistry.sight}. */
  unsure?: boolean;
}

/** Others may be renewing or fencing it at the same time. */
const MAX_FENCE_ATTEMPTS = 100;

export class SessionRegistry {
  readonly #storage: Storage;
  readonly #documents: DocumentStore;
  readonly #environment: Environment;
  readonly #judgement: SessionJudge;
  #storageAhead: number | null = null;

  constructor(storage: Storage, documents: DocumentStore, environment: Environment) {
    this.#storage = storage;
    this.#documents = documents;
    this.#environment = environment;
    this.#judgement = new SessionJudge(storage, documents, environment);
  }

  /**
   * How far the clock of the storage is ahead of this machine's, ms, as the newest session registered here showed;
   * null: not known.
   */
  get storageAhead(): number | null {
    return this.#storageAhead;
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
    await handle.register();
    await this.#compareClocks(sessionFolder(document.id), now);
    return handle;
  }

  /**
   * @param folder of a session that was registered just now
   * @param before what this machine's clock said before
   */
  async #compareClocks(folder: string, before: number): Promise<void> {
    // It is only asked for to warn.
    const [first] = await this.#storage.list(folder, { sizes: true }).catch(() => []);
    const there = first?.modifiedAt;
    if (there === undefined) return;
    const after = this.#environment.now();
    this.#storageAhead = there > after ? there - after : Math.min(0, there - before);
  }

  /**
   * All sessions that are listed; those that ended properly are not. An unreadable one counts as alive.
   * @param options.twice by two listings, before something is deleted: what only one of them lacks is there
   */
  async list(options: { twice?: boolean } = {}): Promise<SessionState[]> {
    const objects = new Map<string, string[]>();
    for (const name of await this.#names(options.twice ?? false)) {
      const id = sessionOf(name);
      if (id === null) continue;
      objects.set(id, [...(objects.get(id) ?? []), name]);
    }
    const states: SessionState[] = [];
    for (const [id, names] of objects) {
      const state = await this.#judge(id, names);
      if (state !== null) states.push(state);
    }
    return states;
  }

  /**
   * Every session that is named, and every dead one that is claimed, by two listings and nothing else: one that goes
   * before it can be read was there. While one listing lasts a writer may take over what a dead one left, its claim not
   * seen yet, the dead gone.
   */
  async named(): Promise<Set<string>> {
    const names = await this.#names(true);
    return new Set(names.flatMap((name) => [sessionOf(name) ?? [], parseClaimName(name) ?? []].flat()));
  }

  async #names(twice: boolean): Promise<string[]> {
    const look = async () => (await this.#storage.list(Folder.sessions)).map(({ name }) => name);
    const names = await look();
    return twice ? [...new Set([...names, ...(await look())])].sort() : names;
  }

  /**
   * Removes the objects of a session that is over, the newest renewal last: a process that still finds it free finds
   * none of the others (docs/format.md §5, rule 6). Best effort. One that is over by time alone must be fenced.
   */
  async forget(state: SessionState): Promise<void> {
    const last = state.objects.filter(isRenewal).at(-1);
    try {
      for (const name of state.objects) if (name !== last) await this.#storage.delete(name);
      if (last !== undefined) await this.#storage.delete(last);
    } catch {
      // Append-only storage, or the next one who tries.
    }
  }

  /** Notes that a session has ended, in the place of its process; it stays until prune has deleted what it left. */
  async end({ document: { id } }: SessionState): Promise<void> {
    await this.#documents.put(sessionEndName(id), { id });
  }

  /**
   * Takes the number of its next renewal from a session that is over by time alone: whether its writer wakes up or not,
   * nothing that it has not announced by now is published.
   * @param byHand a person ends it, over or not
   * @returns the restore points it has announced, or null when it was quicker and lives
   */
  async fence(state: SessionState, byHand = false): Promise<AnnouncedPoint[] | null> {
    const folder = sessionFolder(state.document.id);
    for (let attempt = 1; ; attempt++) {
      // Its newest renewal is there, and is not listed.
      if (attempt > MAX_FENCE_ATTEMPTS) throw new HvError('IO_ERROR', `The listing of ${folder} stays short`);
      const names = (await this.#storage.list(folder)).map(({ name }) => name);
      const last = names.filter(isRenewal).at(-1);
      const document = last && ((await this.#documents.find(last)) as SessionDocument | null);
      // Gone meanwhile: it has ended, or another process has fenced and forgotten it.
      if (!last || !document) return [];
      if (document.fencedBy === undefined) {
        if (!byHand && (await this.#judgement.verdict(document, last)).over === null) return null;
        const storageTime = await this.#judgement.storageTime();
        const fence = {
          ...document,
          fencedBy: this.#environment.identity().machine,
          fencedAt: new Date(this.#environment.now()).toISOString(),
          ...(storageTime === undefined ? {} : { fencedStorageTime: new Date(storageTime).toISOString() }),
          ...(byHand ? { fencedByHand: true } : {}),
        };
        await this.#documents.put(renewalName(document.id, parseRenewalName(last)! + 1), fence);
        continue;
      }
      // Listed after the fence is there: what was announced before the last renewal is in it.
      const settled = (await this.#storage.list(folder)).map(({ name }) => name);
      state.objects = settled;
      return this.#announced(settled);
    }
  }

  async #announced(names: readonly string[]): Promise<AnnouncedPoint[]> {
    const points: AnnouncedPoint[] = [];
    for (const name of names) {
      const id = parseAnnouncementName(name);
      if (id === null) continue;
      // Its name says what matters.
      const found = (await this.#documents.find(name).catch((error) => {
        if (isHvError(error, 'REPOSITORY_DAMAGED', 'IO_ERROR')) return null;
        throw error;
      })) as { group?: unknown } | null;
      points.push({ id, group: typeof found?.group === 'string' ? found.group : 'unknown' });
    }
    return points;
  }

  async #judge(id: string, names: string[]): Promise<SessionState | null> {
    const claims = names.flatMap((name) => parseClaimName(name) ?? []);
    const last = names.filter(isRenewal).at(-1);
    const ended = names.includes(sessionEndName(id));
    let document: SessionDocument | null = null;
    if (last !== undefined) {
      try {
        document = (await this.#documents.find(last)) as SessionDocument | null;
      } catch (error) {
        if (!isHvError(error, 'REPOSITORY_DAMAGED')) throw error;
        // Its expiry cannot be determined; its writer may be at work.
        return { document: unreadable(id), alive: !ended, expired: false, claims, objects: names };
      }
    }
    // Only leftovers of one that was being deleted.
    if (document === null)
      return last === undefined
        ? { document: unreadable(id), alive: false, expired: false, claims, objects: names }
        : null;
    if (ended) return { document, alive: false, expired: false, claims, objects: names };
    const { over, ...clocks } = await this.#judgement.verdict(document, last!);
    return { document, alive: over === null, expired: over === 'time', claims, objects: names, ...clocks };
  }

  /**
   * Puts a renewal after one that cannot be read: later than whatever its writer, should it live, may have been
   * promised and may promise itself before it renews.
   * @param unreadable name of the newest renewal of its session
   */
  async replaceUnreadable(unreadable: string): Promise<void> {
    const [id, number] = [sessionOf(unreadable), parseRenewalName(unreadable)];
    if (id === null || number === null) throw new HvError('INTERNAL', `Not a renewal of a session: ${unreadable}`);
    const now = this.#environment.now();
    await this.#documents.put(renewalName(id, number + 1), {
      id,
      kind: 'backup',
      owner: 'unknown: its session could not be read',
      machine: UNKNOWN_MACHINE,
      process: { pid: 0, start: '' },
      createdAt: new Date(now).toISOString(),
      expiresAt: new Date(now + 2 * SESSION_LIFETIME_MS).toISOString(),
    } satisfies SessionDocument);
  }

  /** Notes of a session whose end cannot be determined that it is there now. Its end counts from this. */
  async sight({ document, objects }: SessionState): Promise<void> {
    const last = objects.filter(isRenewal).at(-1);
    if (last !== undefined) await this.#judgement.sight(document.id, last);
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
