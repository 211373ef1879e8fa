/**
 * Lets coroutines take turns in an order made by a seed: every storage operation is a place where another may go on.
 */
import { below, pick } from '../fuzz/random.ts';

interface Turn {
  actor: string;
  go: () => void;
}

export class Scheduler {
  /** Turns taken. */
  turns = 0;
  readonly #random: () => number;
  readonly #waiting: Turn[] = [];
  /** Actors that get no turn before this one. */
  readonly #paused = new Map<string, number>();
  /** Half of the orders are uniform; in the others one actor runs as far as it can until the ranks change. */
  readonly #ranked: boolean;
  #ranks = new Map<string, number>();
  #stopped = false;

  constructor(random: () => number) {
    this.#random = random;
    this.#ranked = random() < 0.5;
  }

  /** Waits for the actor's turn. */
  turn(actor: string): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((go) => this.#waiting.push({ actor, go }));
  }

  /** Gives `actor` no turn for so many turns of others; they end early when nobody else can go on. */
  pause(actor: string, turns: number): void {
    this.#paused.set(actor, this.turns + turns);
  }

  isPaused(actor: string): boolean {
    return (this.#paused.get(actor) ?? 0) > this.turns;
  }

  /** Runs until all `actors` have ended. @param each called after every turn */
  async run(actors: readonly Promise<unknown>[], each: () => void): Promise<void> {
    let ended = false;
    const all = Promise.allSettled(actors).then(() => {
      ended = true;
    });
    while (!ended) {
      await quiet();
      const next = this.#choose();
      if (next === undefined) continue;
      this.turns += 1;
      each();
      next.go();
    }
    this.#stopped = true;
    await all;
  }

  #choose(): Turn | undefined {
    if (this.#waiting.length === 0) return undefined;
    let ready = this.#waiting.filter(({ actor }) => !this.isPaused(actor));
    if (ready.length === 0) {
      this.#paused.clear();
      ready = this.#waiting;
    }
    const chosen = this.#ranked ? this.#highest(ready) : pick(this.#random, ready);
    this.#waiting.splice(this.#waiting.indexOf(chosen), 1);
    return chosen;
  }

  #highest(ready: readonly Turn[]): Turn {
    if (this.#random() < 0.03) this.#ranks = new Map();
    const rank = ({ actor }: Turn): number => {
      const known = this.#ranks.get(actor) ?? below(this.#random, 1_000_000);
      this.#ranks.set(actor, known);
      return known;
    };
    return ready.reduce((best, one) => (rank(one) > rank(best) ? one : best));
  }
}

/** Everybody has come to a place to wait at: nothing here takes longer than some turns of the event loop. */
async function quiet(): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
}
