/** Lets values through at a bounded rate: the first at once, then the newest of each interval. */
export class Throttle<T> {
  readonly #intervalMs: number;
  readonly #deliver: (value: T) => void;
  #pending: { value: T } | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(intervalMs: number, deliver: (value: T) => void) {
    this.#intervalMs = intervalMs;
    this.#deliver = deliver;
  }

  push(value: T): void {
    if (this.#timer !== null) {
      this.#pending = { value };
      return;
    }
    this.#deliver(value);
    this.#timer = setTimeout(() => this.#tick(), this.#intervalMs);
    // Progress alone never keeps the process alive.
    this.#timer.unref();
  }

  #tick(): void {
    this.#timer = null;
    if (this.#pending === null) return;
    const { value } = this.#pending;
    this.#pending = null;
    this.push(value);
  }

  /** Forgets what is pending. */
  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#pending = null;
  }
}
