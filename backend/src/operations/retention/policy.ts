/**
 * Which restore points of one VM a set of keep rules keeps (docs/retention.md). A pure function: time and time zone
 * come in, nothing is read and nothing removed.
 */
import { byOrder, type OrderedPoint } from '../../repository/points/point-order.ts';
import { isFuture } from '../../support/clock.ts';

/** How many to keep; a rule that is absent or 0 keeps nothing. */
export interface KeepRules {
  /** The newest restore points. */
  last?: number;
  /** The newest restore point of each of so many hours, days, … that have one. */
  hourly?: number;
  daily?: number;
  weekly?: number;
  monthly?: number;
  yearly?: number;
}

export interface DatedPoint extends OrderedPoint {
  /** ISO 8601. */
  createdAt: string;
  held: boolean;
}

export interface Decision<P extends DatedPoint = DatedPoint> {
  point: P;
  /** Why it is kept: `hold`, `future`, `undated`, `newest`, `last`, `daily 2026-11-20`, …; empty: it is removed. */
  reasons: string[];
}

/** A moment as a wall clock shows it. */
export interface WallClock {
  year: number;
  /** 1 to 12. */
  month: number;
  day: number;
  hour: number;
  /** Minutes east of UTC: distinguishes the two hours that have one name when clocks are set back. */
  offset: number;
}

/** The machine's time zone. @param time milliseconds since 1970 */
export function localClock(time: number): WallClock {
  const date = new Date(time);
  return {
    year: date.getFullYear(),
    month: date.getMonth() + 1,
    day: date.getDate(),
    hour: date.getHours(),
    offset: -date.getTimezoneOffset(),
  };
}

const BUCKETS = {
  hourly: (clock: WallClock) => `${dayOf(clock)} ${two(clock.hour)}:00${zone(clock.offset)}`,
  daily: dayOf,
  weekly: isoWeekOf,
  monthly: ({ year, month }: WallClock) => `${year}-${two(month)}`,
  yearly: ({ year }: WallClock) => String(year),
} as const;

/** Whether any rule is given that keeps something. */
export const hasRules = (rules: KeepRules): boolean => Object.values(rules).some((count) => count > 0);

/**
 * Decides for all restore points of one VM.
 *
 * Newer and older go by the order of restore points, not by their dates: a clock that was wrong for a while changes
 * neither.
 *
 * - Held points are kept and take no part: they use up no rule.
 * - Points dated in the future (by more than clocks may differ), or not at all, are kept and take no part: no rule
 *   prefers them.
 * - The newest of all others is kept, whatever the rules.
 * - `last` N keeps the N newest. A rule of periods goes from the newest back and keeps the newest restore point of each
 *   period, until it has kept N. Periods without a restore point do not count.
 * - A point kept by several rules counts for each of them.
 *
 * So a clock that is behind removes nothing that the right one would keep, and one that is ahead takes a point dated in
 * the future for what it seems: it counts once, as any other does.
 * @param options.now milliseconds since 1970
 * @returns oldest first
 */
export function decide<P extends DatedPoint>(
  points: readonly P[],
  rules: KeepRules,
  { now, clock = localClock }: { now: number; clock?: (time: number) => WallClock },
): Decision<P>[] {
  const decisions = points
    .toSorted(byOrder)
    .map((point): Decision<P> => ({ point, reasons: [...(point.held ? ['hold'] : []), ...dateProblem(point, now)] }));
  const dated = decisions.filter(({ point }) => dateProblem(point, now).length === 0);
  dated.at(-1)?.reasons.push('newest');
  const subject = dated.filter(({ point }) => !point.held).reverse();
  for (const decision of subject.slice(0, rules.last ?? 0)) decision.reasons.push('last');
  for (const [rule, bucketOf] of Object.entries(BUCKETS)) {
    const wanted = rules[rule as keyof typeof BUCKETS] ?? 0;
    // Where a clock was set back a period can come again further back.
    const kept = new Set<string>();
    for (const decision of subject) {
      if (kept.size === wanted) break;
      const bucket = bucketOf(clock(Date.parse(decision.point.createdAt)));
      if (kept.has(bucket)) continue;
      kept.add(bucket);
      decision.reasons.push(`${rule} ${bucket}`);
    }
  }
  return decisions;
}

/** The reason to keep a point that no rule can be asked about. */
function dateProblem({ createdAt }: DatedPoint, now: number): string[] {
  if (Number.isNaN(Date.parse(createdAt))) return ['undated'];
  return isFuture(createdAt, now) ? ['future'] : [];
}

function dayOf({ year, month, day }: WallClock): string {
  return `${year}-${two(month)}-${two(day)}`;
}

/** ISO 8601: weeks begin on Monday and belong to the year that their Thursday is in. */
function isoWeekOf({ year, month, day }: WallClock): string {
  const date = new Date(Date.UTC(year, month - 1, day));
  const weekday = date.getUTCDay() || 7;
  date.setUTCDate(date.getUTCDate() + 4 - weekday);
  const thursday = date.getTime();
  const firstDay = Date.UTC(date.getUTCFullYear(), 0, 1);
  return `${date.getUTCFullYear()}-W${two(Math.floor((thursday - firstDay) / (7 * 86_400_000)) + 1)}`;
}

function zone(offset: number): string {
  const minutes = Math.abs(offset);
  return `${offset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

const two = (value: number): string => String(value).padStart(2, '0');
