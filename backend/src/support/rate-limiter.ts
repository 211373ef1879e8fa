/**
 * A token bucket on bytes: a reader asks first, and waits its turn. Everyone who shares a limiter shares its rate.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { toHvError } from './errors.ts';

/** Time lost by waiting too long, or by a source slower than the rate, is made up for as far as this. ms */
const BURST_MS = 250;
/** Pieces that reads are cut into: short enough for an even flow and for hearing of a cancellation. ms of the rate */
const PIECE_MS = 100;
const SMALLEST_PIECE = 16 * 1024;

export class RateLimiter {
  /** Bytes a second. */
  readonly rate: number;
  /** When all that was granted so far has had its time; ms on the clock of performance.now(). */
  #due: number | undefined;

  /** @param rate bytes a second, above 0 */
  constructor(rate: number) {
    this.rate = rate;
  }

  /** Largest number of bytes to ask for at once. */
  get piece(): number {
    return Math.max(SMALLEST_PIECE, Math.floor((this.rate * PIECE_MS) / 1000));
  }

  /** Resolves when `bytes` more may have been read. @throws CANCELLED */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    const now = performance.now();
    const from = this.#due === undefined ? now : Math.max(this.#due, now - BURST_MS);
    this.#due = from + (bytes * 1000) / this.rate;
    const wait = this.#due - now;
    if (wait <= 0) return;
    try {
      await delay(wait, undefined, { signal });
    } catch (error) {
      throw toHvError(error);
    }
  }

  /** Reads `length` bytes piece by piece within the rate. @throws CANCELLED, what `read` throws */
  async pieces(
    length: number,
    read: (at: number, length: number) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<void> {
    for (let at = 0; at < length; ) {
      const size = Math.min(this.piece, length - at);
      await this.take(size, signal);
      await read(at, size);
      at += size;
    }
  }
}

/** @param rate bytes a second; no limit when absent */
export const rateLimiter = (rate: number | undefined): RateLimiter | undefined =>
  rate === undefined ? undefined : new RateLimiter(rate);
