/**
 * Whether a session of another process is over. No single clock decides: the session's own end, the clock of the
 * judging process and that of the storage are held against each other, and where they disagree the later end counts,
 * within bounds (docs/format.md §6).
 */
import { isHvError } from '../../support/errors.ts';
import { machineLabel } from '../../support/machine-label.ts';
import type { DocumentStore } from '../documents/document-store.ts';
import type { Environment } from '../environment.ts';
import { CLOCK_TOLERANCE_MS, SESSION_LIFETIME_MS } from '../format/constants.ts';
import { parseRenewalName, sessionFolder, sightingName } from '../format/names.ts';
import type { Storage } from '../storage/storage.ts';
import type { SessionDocument } from './session-document.ts';

export interface Verdict {
  over: 'death' | 'time' | null;
  /** For people: the clocks disagree about it. */
  doubt?: string;
  /** Its end cannot be determined yet: a session has to note that its newest renewal was seen. */
  unsure?: boolean;
}

/** Another session saw a renewal, and when by its clock. */
interface Sighting {
  seenAt: string;
  by: string;
}

/** What repair puts in the place of a renewal that it could not read lives twice as long (docs/format.md §6). */
export const UNKNOWN_MACHINE = 'unknown';

export class SessionJudge {
  readonly #storage: Storage;
  readonly #documents: DocumentStore;
  readonly #environment: Environment;

  constructor(storage: Storage, documents: DocumentStore, environment: Environment) {
    this.#storage = storage;
    this.#documents = documents;
    this.#environment = environment;
  }

  /** @param newest name of the renewal that `document` was read from */
  async verdict(document: SessionDocument, newest: string): Promise<Verdict> {
    if (this.#environment.isDead({ machine: document.machine, ...document.process })) return { over: 'death' };
    if (document.fencedBy !== undefined) return { over: 'time' };
    const now = this.#environment.now();
    const end = Date.parse(document.expiresAt);
    const lives = document.machine === UNKNOWN_MACHINE ? 2 * SESSION_LIFETIME_MS : SESSION_LIFETIME_MS;
    const most = lives + CLOCK_TOLERANCE_MS;
    const isPast = now > end + CLOCK_TOLERANCE_MS;
    // Further off than any session's can be, or no date at all: its clock was ahead, or the one here is behind.
    const isFar = !(end <= now + most);
    if (!isPast && !isFar) return { over: null };
    const ages = await this.#ages(document.id, newest);
    // It has ended meanwhile, or there is a newer one.
    if (ages === null) return { over: null };
    const doubt = `The clocks disagree about the session of ${document.owner} on ${machineLabel(document.machine)}: it ends at ${document.expiresAt}, and the clock of this machine shows ${new Date(now).toISOString()}`;
    if (isPast) {
      const isYoung = ages.renewal !== undefined && ages.renewal <= most;
      return isYoung
        ? { over: null, doubt: `${doubt}; by the clock of the storage it is still active.` }
        : { over: 'time' };
    }
    const age = ages.renewal ?? ages.sighting;
    if (age !== undefined && age > most) return { over: 'time' };
    return {
      over: null,
      unsure: age === undefined,
      doubt: `${doubt}. It counts as active for ${hours(most - (age ?? 0))} hours at most.`,
    };
  }

  /**
   * Notes that the newest renewal is there now: from this on its age can be determined, whatever its writer's clock
   * said. Best effort.
   */
  async sight(session: string, newest: string): Promise<void> {
    const sighting: Sighting = { seenAt: new Date(this.#environment.now()).toISOString(), by: this.#label() };
    await this.#documents.put(sightingOf(session, newest), sighting).catch(() => undefined);
  }

  /**
   * How long the renewal, or another session's sighting of it, has been there, milliseconds; undefined where no clock
   * can show it. A clock that was set back makes ages negative: these prove nothing.
   * @returns null when the renewal is not there any more
   */
  async #ages(session: string, newest: string): Promise<{ renewal?: number; sighting?: number } | null> {
    const sighting = sightingOf(session, newest);
    const [now, objects] = await Promise.all([
      this.storageTime(),
      this.#storage.list(sessionFolder(session), { sizes: true }),
    ]);
    if (!objects.some(({ name }) => name === newest)) return null;
    const age = (name: string): number | undefined => {
      const at = objects.find((object) => object.name === name)?.modifiedAt;
      const passed = now === undefined || at === undefined ? undefined : now - at;
      return passed === undefined || passed < -CLOCK_TOLERANCE_MS ? undefined : passed;
    };
    const isSeen = objects.some(({ name }) => name === sighting);
    return {
      renewal: age(newest),
      sighting: isSeen ? (age(sighting) ?? (await this.#ownSightingAge(sighting))) : undefined,
    };
  }

  /** By the clock of this machine, of what this machine has seen: of another's clock nothing is known. */
  async #ownSightingAge(name: string): Promise<number | undefined> {
    try {
      const found = (await this.#documents.find(name)) as Sighting | null;
      const age = this.#environment.now() - Date.parse(found?.seenAt ?? '');
      return found?.by === this.#label() && age >= 0 ? age : undefined;
    } catch (error) {
      if (isHvError(error, 'REPOSITORY_DAMAGED', 'IO_ERROR')) return undefined;
      throw error;
    }
  }

  /** What time it is where the repository lies; undefined where that cannot be asked. */
  async storageTime(): Promise<number | undefined> {
    return this.#storage.clock?.().catch((error) => {
      if (isHvError(error)) return undefined;
      throw error;
    });
  }

  #label(): string {
    return machineLabel(this.#environment.identity().machine);
  }
}

const sightingOf = (session: string, newest: string): string => sightingName(session, parseRenewalName(newest)!);
const hours = (ms: number): number => Math.max(0, Math.ceil(ms / 3_600_000));
