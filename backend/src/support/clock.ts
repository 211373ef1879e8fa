/** What can be known of this machine's clock and time zone. Nothing here reads the clock: the time comes in. */
import { HvError } from './errors.ts';

/** So much the clocks of two machines may differ before it matters. Milliseconds. */
export const CLOCKS_DIFFER = 3600 * 1000;

/** No backup of ours is older than this, and dates beyond year 9999 have no ISO 8601 form that others read. */
const EARLIEST = Date.UTC(2000, 0, 1);
const LATEST = Date.UTC(9999, 11, 31);

/** Whether a restore point's date lies in the future. @param now milliseconds since 1970 */
export const isFuture = (createdAt: string, now: number): boolean => Date.parse(createdAt) > now + CLOCKS_DIFFER;

/** Whether a clock that says this cannot be right. */
export const isOddMoment = (now: number): boolean => !(now >= EARLIEST && now <= LATEST);

/**
 * To be called before anything is written: what carries such a date could be neither sorted nor read.
 * @param now milliseconds since 1970
 * @throws CLOCK_WRONG
 */
export function requireUsableClock(now: number): void {
  if (!isOddMoment(now)) return;
  throw new HvError('CLOCK_WRONG', `The clock of this machine reads ${formatMoment(now)}, which is implausible`, {
    advice: 'Set the clock, then run the command again. Nothing was written.',
    data: { now },
  });
}

/** ISO 8601 without fractions, `at year 12026` where that has no form. */
export function formatMoment(time: number): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return 'no date';
  if (date.getUTCFullYear() > 9999 || date.getUTCFullYear() < 0) return `year ${date.getUTCFullYear()}`;
  return `${date.toISOString().slice(0, 19)}Z`;
}

/**
 * A date as results may have it: what a manifest of a wrong clock or of other software says may have no ISO 8601 form
 * that all read.
 * @returns the text itself where it has; else the nearest that has
 */
export function isoDate(text: string): string {
  const time = Date.parse(text);
  if (Number.isNaN(time)) return new Date(0).toISOString();
  const within = Math.min(Math.max(time, 0), LATEST);
  return within === time && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(text)
    ? text
    : new Date(within).toISOString();
}

/** `3 hours`, `400 days`: as long as people say it. @param duration milliseconds */
export function formatDuration(duration: number): string {
  const hours = Math.abs(duration) / 3_600_000;
  if (hours < 1.5) return `${Math.round(hours * 60)} minutes`;
  if (hours < 48) return `${Math.round(hours)} hours`;
  return `${Math.round(hours / 24)} days`;
}

/** What a machine remembers of its own clock, all ms since 1970. */
export interface ClockMemory {
  /** What it said last. */
  last: number;
  /** The latest that is believed. */
  believed: number;
  /**
   * What it said when it first was much later than that; it is not believed until it has gone on from there for a
   * while.
   */
  jumpedTo?: number;
}

/** Further than this no clock goes between two uses, as a rule. */
export const LONG_PAUSE = 60 * 24 * 3600 * 1000;
/** So long a clock that has jumped goes on before it is believed. */
const PROBATION = 7 * 24 * 3600 * 1000;

/** What is remembered when the clock says `now`. */
export function rememberClock(memory: ClockMemory | null, now: number): ClockMemory {
  if (memory === null) return { last: now, believed: now };
  const { believed, jumpedTo } = memory;
  if (now <= believed + LONG_PAUSE) return { last: now, believed: Math.max(believed, now) };
  const since = jumpedTo === undefined || now < jumpedTo ? now : jumpedTo;
  return now - since > PROBATION ? { last: now, believed: now } : { last: now, believed, jumpedTo: since };
}

/** The latest date that is no future one: what the clock says, unless it has jumped and is not believed yet. */
export function believedTime(memory: ClockMemory | null, now: number): number {
  const { believed, jumpedTo } = rememberClock(memory, now);
  return jumpedTo === undefined ? now : Math.min(now, believed + LONG_PAUSE);
}
