/** Rate and remaining time of a phase, from the byte counts that an operation reports. */
import type { ProgressEvent } from '../support/progress.ts';

export interface MeteredProgress extends ProgressEvent {
  bytesPerSecond?: number;
  remainingMs?: number;
}

/** Rates look back over this much, ms: long enough to be calm, short enough to follow. */
const WINDOW_MS = 10_000;
/** Samples closer than this add nothing, ms; it bounds how many are kept. */
const SAMPLE_MS = 100;
/** No rate before this much has been seen, ms. */
const MIN_SPAN_MS = 500;

export class ProgressMeter {
  readonly #now: () => number;
  #phase = '';
  #samples: { at: number; bytes: number }[] = [];

  /** @param now clock, ms */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** @returns the event with rate (bytes/s) and remaining time (ms) where they can be told */
  measure(event: ProgressEvent): MeteredProgress {
    if (event.doneBytes === undefined) return event;
    const phase = `${event.phase}\0${event.vmName ?? ''}\0${event.disk ?? ''}`;
    const last = this.#samples.at(-1);
    if (phase !== this.#phase || (last !== undefined && event.doneBytes < last.bytes)) this.#samples = [];
    this.#phase = phase;
    const at = this.#now();
    const newest = this.#samples.at(-1);
    if (newest === undefined || at - newest.at >= SAMPLE_MS) this.#samples.push({ at, bytes: event.doneBytes });
    while (this.#samples.length > 2 && this.#samples[1]!.at < at - WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0]!;
    if (at - first.at < MIN_SPAN_MS) return event;
    const bytesPerSecond = Math.round(((event.doneBytes - first.bytes) * 1000) / (at - first.at));
    if (event.totalBytes === undefined || bytesPerSecond === 0) return { ...event, bytesPerSecond };
    const remainingMs = Math.round((Math.max(0, event.totalBytes - event.doneBytes) * 1000) / bytesPerSecond);
    return { ...event, bytesPerSecond, remainingMs };
  }
}
