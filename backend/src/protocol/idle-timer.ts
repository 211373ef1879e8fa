/** Calls back when nothing has run for as long as the client asked for; the process may end then. */
export class IdleTimer {
  readonly #idle: () => void;
  #timer: NodeJS.Timeout | undefined;
  /** Milliseconds; undefined: never. */
  limitMs: number | undefined;

  constructor(idle: () => void) {
    this.#idle = idle;
  }

  /** Nothing runs any more. */
  start(): void {
    this.stop();
    if (this.limitMs !== undefined) this.#timer = setTimeout(this.#idle, this.limitMs);
  }

  /** Something runs, or the process ends already. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
