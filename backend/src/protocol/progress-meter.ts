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

/** VMs followed at once; beyond that their rates begin anew. */
const MAX_TRACKS = 64;

interface Track {
  phase: string;
  samples: { at: number; bytes: number }[];
}

export class ProgressMeter {
  readonly #now: () => number;
  /** By VM: several may be at work at once. */
  readonly #tracks = new Map<string, Track>();

  /** @param now clock, ms */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** @returns the event with rate (bytes/s) and remaining time (ms) where they can be estimated */
  measure(event: ProgressEvent): MeteredProgress {
    if (event.doneBytes === undefined) return event;
    const at = this.#now();
    const { samples } = this.#track(event, event.doneBytes);
    const newest = samples.at(-1);
    if (newest === undefined || at - newest.at >= SAMPLE_MS) samples.push({ at, bytes: event.doneBytes });
    while (samples.length > 2 && samples[1]!.at < at - WINDOW_MS) samples.shift();
    const first = samples[0]!;
    if (at - first.at < MIN_SPAN_MS) return event;
    const bytesPerSecond = Math.round(((event.doneBytes - first.bytes) * 1000) / (at - first.at));
    if (event.totalBytes === undefined || bytesPerSecond === 0) return { ...event, bytesPerSecond };
    const remainingMs = Math.round((Math.max(0, event.totalBytes - event.doneBytes) * 1000) / bytesPerSecond);
    return { ...event, bytesPerSecond, remainingMs };
  }

  /** What was seen of the VM's phase so far; nothing when another phase begins, or the same one again. */
  #track({ phase, vmName = '', disk }: ProgressEvent, doneBytes: number): Track {
    const known = this.#tracks.get(vmName);
    const name = `${phase}\0${disk ?? ''}`;
    if (known?.phase === name && doneBytes >= (known.samples.at(-1)?.bytes ?? 0)) return known;
    if (this.#tracks.size >= MAX_TRACKS) this.#tracks.clear();
    const track: Track = { phase: name, samples: [] };
    this.#tracks.set(vmName, track);
    return track;
  }
}
