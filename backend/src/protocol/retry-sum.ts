/** Adds up what the storages of one call made repeat, for its result. */
import type { RepeatedCalls } from '../support/progress.ts';

export class RetrySum {
  #sum: RepeatedCalls | undefined;

  add = ({ calls, waitedMs, errors }: RepeatedCalls): void => {
    if (calls === 0) return;
    this.#sum ??= { calls: 0, waitedMs: 0, errors: {} };
    this.#sum.calls += calls;
    this.#sum.waitedMs += waitedMs;
    for (const [errno, times] of Object.entries(errors))
      this.#sum.errors[errno] = (this.#sum.errors[errno] ?? 0) + times;
  };

  /** The result with `storageRetries`, where something was repeated and the method's result has that field. */
  into(result: unknown, shape: object): unknown {
    if (this.#sum === undefined || !('storageRetries' in shape)) return result;
    return { ...(result as object), storageRetries: this.#sum };
  }
}
