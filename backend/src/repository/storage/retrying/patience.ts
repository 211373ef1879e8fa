/**
 * When and for how long failed calls of a storage are repeated. One object for each opened repository: calls that fail
 * together ask once whether the storage answers at all, and one warning speaks for all of them.
 *
 * A storage that does not answer is waited for. When it answers and one call goes on failing, that is the object's own
 * trouble: it is reported within seconds, for others to treat as damage.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { HvError, throwIfCancelled, toHvError } from '../../../support/errors.ts';
import type { RepeatedCalls } from '../../../support/progress.ts';
import { type Stumble, stumbleOf } from '../stumble.ts';

/** Milliseconds. */
export interface PatienceClock {
  /** Steady: not the time of day. */
  now(): number;
  /** @throws when the signal ends it */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface PatienceOptions {
  /** For messages. */
  location: string;
  /** Reads something that is surely there. @throws what that fails with */
  probe(): Promise<unknown>;
  /** A call fails when the storage has not answered for so long, ms; default 10 minutes. 0: nothing is repeated. */
  limitMs?: number;
  /** Ends the waiting. */
  signal?: AbortSignal;
  warn?: (sentence: string) => void;
  clock?: PatienceClock;
  /** 0 … 1, for tests. */
  random?: () => number;
}

const LIMIT_MS = 10 * 60_000;
/** How long a call is repeated whose errors speak of the share, though the share answers others. */
const CONNECTION_LIMIT_MS = 60_000;
/** Between the attempts of a call; the last one again and again. */
const PAUSES_MS = [20, 100, 500, 2000, 5000, 15_000];
/** Repetitions of a call that fails alone: some three seconds. */
const ALONE = 4;
/** Of a single call to the system, which is repeated before it is reported. */
const QUICK_PAUSES_MS = [10, 50, 250];
/** Waiting for longer is reported. */
const ANNOUNCED_AFTER_MS = 2000;
/** So many objects in a row that no repetition helped: from then on they are asked for once more only. */
const FRUITLESS = 8;
const MOST_REMEMBERED = 10_000;

const systemClock: PatienceClock = {
  now: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, { signal }),
};

export class Patience {
  /** Calls that were repeated. */
  retries = 0;
  /** Spent waiting, ms; of calls that waited side by side the time of each. */
  waitedMs = 0;
  readonly #options: PatienceOptions;
  readonly #clock: PatienceClock;
  readonly #limit: number;
  readonly #random: () => number;
  readonly #errnos = new Map<string, number>();
  /** Objects that no repetition helped. */
  readonly #hopeless = new Set<string>();
  #fruitless = 0;
  #probing: Promise<boolean> | undefined;
  /** The storage did not answer for too long: who cleans up after that does not wait as long once more. */
  #gaveUp = false;
  /** The repository did not come back: that was waited for once. */
  #lost = false;
  /** Since when it is known that the storage fails, and whether that was said. */
  #outage: { since: number; announced: boolean } | undefined;

  constructor(options: PatienceOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#limit = options.limitMs ?? LIMIT_MS;
    this.#random = options.random ?? Math.random;
  }

  /**
   * Repeats `attempt` as long as that may help.
   * @param object what it is about: of those that fail for themselves there is a memory
   * @param attempt gets the number of attempts that have failed before
   * @throws what the last attempt failed with; IO_ERROR with `outage` when the storage does not answer; CANCELLED
   */
  async run<T>(object: string, attempt: (failed: number) => Promise<T>): Promise<T> {
    // Who cleans up after a cancellation waits for nothing.
    const signal = this.#options.signal?.aborted ? undefined : this.#options.signal;
    const waits = signal !== undefined || !this.#options.signal;
    let began: number | undefined;
    let alone: { since: number; times: number } | undefined;
    for (let failed = 0; ; failed++) {
      try {
        const result = await attempt(failed);
        this.#gaveUp = false;
        if (failed > 0) this.#helped(object);
        return result;
      } catch (error) {
        const stumble = stumbleOf(error);
        if (stumble === null || this.#limit === 0 || !waits) throw error;
        throwIfCancelled(signal);
        began ??= this.#clock.now();
        if (await this.#answers()) {
          alone ??= { since: this.#clock.now(), times: 0 };
          alone.times += 1;
          if (this.#isHopeless(object, stumble, alone)) throw error;
        } else alone = undefined;
        const elapsed = this.#clock.now() - began;
        if (alone === undefined && (this.#gaveUp || elapsed >= this.#limit)) throw this.#outageError(error);
        if (elapsed >= this.#limit) throw error;
        this.#count(stumble);
        this.#announce(stumble, elapsed);
        await this.#pause(alone?.times ?? failed + 1, signal);
      }
    }
  }

  /** Repeats a single call to the system at once, before it is reported. */
  async quick<T>(action: () => Promise<T>): Promise<T> {
    for (let failed = 0; ; failed++) {
      try {
        return await action();
      } catch (error) {
        const stumble = stumbleOf(error);
        if (stumble === null || this.#limit === 0) throw error;
        // A medium takes its time over each sector that it cannot read.
        if (failed >= (stumble.errno === 'EIO' ? 1 : QUICK_PAUSES_MS.length)) throw error;
        this.#count(stumble);
        const ms = QUICK_PAUSES_MS[failed]!;
        this.waitedMs += ms;
        await this.#clock.sleep(ms);
      }
    }
  }

  /** What was repeated, for a result. */
  get counts(): RepeatedCalls {
    return { calls: this.retries, waitedMs: Math.round(this.waitedMs), errors: Object.fromEntries(this.#errnos) };
  }

  /** One sentence on what was repeated; null when nothing was. */
  summary(): string | null {
    if (this.retries === 0) return null;
    const errors = [...this.#errnos].map(([errno, times]) => `${errno} ${times === 1 ? 'once' : `${times} times`}`);
    const calls = this.retries === 1 ? '1 call' : `${this.retries} calls`;
    return `${calls} of the storage ${this.#options.location} failed and were repeated (${errors.join(', ')}; ${duration(this.waitedMs)} of waiting).`;
  }

  #answers(): Promise<boolean> {
    this.#probing ??= this.#options
      .probe()
      .then(
        () => true,
        // Whatever else it says, it does answer.
        (error) => stumbleOf(error) === null,
      )
      .finally(() => {
        this.#probing = undefined;
      });
    return this.#probing;
  }

  #isHopeless(object: string, { connection, gone }: Stumble, alone: { since: number; times: number }): boolean {
    if (gone && this.#lost) return true;
    const known = this.#hopeless.has(object) || this.#fruitless >= FRUITLESS;
    const over = connection
      ? this.#clock.now() - alone.since >= Math.min(CONNECTION_LIMIT_MS, this.#limit)
      : alone.times > ALONE;
    if (!(over || (known && alone.times > 1))) return false;
    if (gone) this.#lost = true;
    if (!known) this.#fruitless += 1;
    if (this.#hopeless.size < MOST_REMEMBERED) this.#hopeless.add(object);
    return true;
  }

  #helped(object: string): void {
    this.#hopeless.delete(object);
    this.#fruitless = 0;
    const outage = this.#outage;
    this.#outage = undefined;
    if (!outage?.announced) return;
    const ms = this.#clock.now() - outage.since;
    this.#options.warn?.(`The storage ${this.#options.location} answers again after ${duration(ms)}.`);
  }

  #count({ errno }: Stumble): void {
    this.retries += 1;
    this.#errnos.set(errno, (this.#errnos.get(errno) ?? 0) + 1);
  }

  #announce({ errno, gone }: Stumble, elapsed: number): void {
    this.#outage ??= { since: this.#clock.now() - elapsed, announced: false };
    if (this.#outage.announced || elapsed < ANNOUNCED_AFTER_MS) return;
    this.#outage.announced = true;
    const { location } = this.#options;
    const what = gone ? `The repository ${location} cannot be found` : `The storage ${location} does not answer`;
    const limit = gone ? Math.min(CONNECTION_LIMIT_MS, this.#limit) : this.#limit;
    this.#options.warn?.(`${what} (${errno}); waiting, up to ${duration(limit)}.`);
  }

  /** @param times 1 for the first pause */
  async #pause(times: number, signal: AbortSignal | undefined): Promise<void> {
    const ms = PAUSES_MS[Math.min(times, PAUSES_MS.length) - 1]! * (0.75 + this.#random() / 2);
    this.waitedMs += ms;
    try {
      await this.#clock.sleep(ms, signal);
    } catch (error) {
      throwIfCancelled(signal);
      throw error;
    }
  }

  #outageError(error: unknown): HvError {
    this.#gaveUp = true;
    const cause = toHvError(error);
    const ms = this.#clock.now() - (this.#outage?.since ?? this.#clock.now());
    const message = `The storage ${this.#options.location} has not answered for ${duration(ms)}: ${cause.message}`;
    return new HvError('IO_ERROR', message, {
      advice: 'Look after the share or disk and run the command again; nothing that was stored is lost.',
      data: { ...cause.data, outage: true },
      cause,
    });
  }
}

function duration(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (ms < 950) return 'less than a second';
  if (seconds < 120) return `${seconds} ${seconds === 1 ? 'second' : 'seconds'}`;
  return `${Math.round(seconds / 60)} minutes`;
}
