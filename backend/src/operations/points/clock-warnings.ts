/**
 * Whether this machine's clock can be believed: held against the dates of restore points, what it said before, and the
 * clock of the storage. None of these is sure to be right, so what differs is reported and decides nothing
 * (docs/retention.md).
 */
import type { ClockFacts, Repository } from '../../repository/port/repository.ts';
import { CLOCKS_DIFFER, formatDuration, formatMoment, isFuture, isOddMoment, LONG_PAUSE } from '../../support/clock.ts';

/** More are counted, not named. */
const NAMED = 3;

/** A listed restore point. */
export interface SeenPoint {
  id: string;
  createdAt: string;
  /** For messages, where several VMs are concerned. */
  vmName?: string;
}

export type ClockScope = 'read' | 'write' | 'part';

/** What was said already, by repository handle: a command says it once. */
const reported = new WeakMap<Repository, Set<string>>();

/**
 * Sentences on what is odd, each once for a handle.
 * @param points those that the command has listed
 * @param scope `write`: a long time without any is worth a word too; `part`: a later page of a listing, so its points
 *   alone count
 */
export function clockWarnings(repository: Repository, points: readonly SeenPoint[], scope: ClockScope): string[] {
  const before = reported.get(repository) ?? new Set();
  reported.set(repository, before);
  const found = oddities(repository.clock(), points, scope);
  const fresh = found.filter(({ about }) => !before.has(about));
  for (const { about } of fresh) before.add(about);
  return fresh.map(({ text }) => text);
}

/** What is odd about a clock; a pure function. `about` names the kind, and whom it concerns. */
export function oddities(
  { now, believed, before, storageAhead }: ClockFacts,
  points: readonly SeenPoint[],
  scope: ClockScope,
): { about: string; text: string }[] {
  const clock = `this machine's clock (${formatMoment(now)})`;
  const found: { about: string; text: string }[] = [];
  const add = (about: string, text: string): void => void found.push({ about, text });
  if (isOddMoment(now) && scope !== 'part')
    add('odd', `The clock of this machine reads ${formatMoment(now)}, which is implausible. Set it.`);
  const future = points.filter(({ createdAt }) => isFuture(createdAt, believed));
  if (future.length > 0) {
    const those = `${counted(future.length)} dated in the future (${named(future)})`;
    const cause =
      future.length === points.length && scope !== 'part'
        ? `Every restore point looked at is: ${clock} is behind, or was ahead all the time.`
        : `Either a clock was ahead when they were made, or ${clock} is behind.`;
    add(`future ${future.map(({ id }) => id).join()}`, `${those}. ${cause} No keep rule counts or removes them.`);
  }
  if (scope === 'part') return found;
  if (before !== null && before > now + CLOCKS_DIFFER)
    add(
      'back',
      `This machine's clock reads ${formatMoment(now)}, and read ${formatMoment(before)} when it last wrote to this repository: it was ahead then, or is behind now.`,
    );
  if (storageAhead !== null && Math.abs(storageAhead) > CLOCKS_DIFFER) {
    const side = storageAhead > 0 ? 'behind' : 'ahead of';
    add(
      'storage',
      `${upper(clock)} is ${formatDuration(storageAhead)} ${side} that of the storage. Set the one that is wrong.`,
    );
  }
  if (scope !== 'write') return found;
  const dates = points.map(({ createdAt }) => Date.parse(createdAt) || 0).filter((time) => time <= now);
  const latest = Math.max(before ?? 0, ...dates);
  if (believed < now)
    add(
      'jump',
      `${upper(clock)} has jumped ahead since this machine last wrote to this repository, by more than any pause between backups. Until it has gone on for a week from there, what is dated after ${formatMoment(believed)} counts as dated in the future.`,
    );
  else if (latest > 0 && now - latest > LONG_PAUSE)
    add(
      'long',
      `${upper(clock)} is ${formatDuration(now - latest)} after the newest that is known of this repository (${formatMoment(latest)}). If no time was so long without a backup, the clock is ahead.`,
    );
  return found;
}

const counted = (count: number): string => (count === 1 ? '1 restore point is' : `${count} restore points are`);
const upper = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function named(points: readonly SeenPoint[]): string {
  const names = points.slice(0, NAMED).map(({ id, createdAt, vmName }) => {
    const date = formatMoment(Date.parse(createdAt));
    return `${vmName === undefined ? '' : `${vmName} `}${date}, ${id}`;
  });
  return names.join('; ') + (points.length > NAMED ? `; and ${points.length - NAMED} more` : '');
}
