/** The keep rules where clocks are wrong, where calendars are odd, and what must hold of any points and rules. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  type DatedPoint,
  decide,
  type KeepRules,
  type WallClock,
} from '../../../../backend/src/operations/retention/policy.ts';
import { nextSequence } from '../../../../backend/src/repository/points/point-order.ts';
import { believedTime, type ClockMemory, rememberClock } from '../../../../backend/src/support/clock.ts';
import { ulid } from '../../../../backend/src/support/ulid.ts';
import { randomSource } from '../../repository/support/model.ts';

const HOUR = 3600 * 1000;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 0, 1, 22);
const RULES = ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;

/** Reads the wall clock of a zone out of what Intl prints: nothing of it is shared with localClock(). */
function clockIn(timeZone: string): (time: number) => WallClock {
  const fields = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric' } as const;
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    timeZoneName: 'longOffset',
    ...fields,
  });
  return (time) => {
    const part = Object.fromEntries(format.formatToParts(time).map(({ type, value }) => [type, value]));
    const [, sign, hours, minutes] = /GMT(?:([+-])(\d\d):(\d\d))?/.exec(part.timeZoneName!)!;
    const offset = sign === undefined ? 0 : (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1);
    return {
      year: Number(part.year),
      month: Number(part.month),
      day: Number(part.day),
      hour: Number(part.hour),
      offset,
    };
  };
}

/** The same rules in a process of its own, whose clock is that of the zone. @returns the reasons by point */
function decideIn(timeZone: string, points: readonly DatedPoint[], rules: KeepRules, now: number): string[][] {
  const policy = join(import.meta.dirname, '../../../../backend/src/operations/retention/policy.ts');
  const script = `
    const { decide } = await import(${JSON.stringify(pathToFileURL(policy).href)});
    const { points, rules, now } = JSON.parse(process.argv[1]);
    process.stdout.write(JSON.stringify(decide(points, rules, { now }).map(({ reasons }) => reasons)));`;
  const env = { ...process.env, TZ: timeZone, NODE_OPTIONS: '' };
  const given = JSON.stringify({ points, rules, now });
  const args = ['--no-warnings', '--input-type=module', '-e', script, given];
  return JSON.parse(execFileSync(process.execPath, args, { env, encoding: 'utf8' }));
}

/** Points made one after the other, each on a clock that says what it is given. */
function series(clocks: readonly number[]): DatedPoint[] {
  const points: DatedPoint[] = [];
  for (const clock of clocks) points.push(made(clock, points));
  return points;
}

function made(clock: number, beside: readonly DatedPoint[]): DatedPoint {
  const id = ulid(clock);
  return { id, sequence: nextSequence(beside, id), createdAt: new Date(clock).toISOString(), held: false };
}

const keptOf = (points: readonly DatedPoint[], rules: KeepRules, now: number): string[] =>
  decide(points, rules, { now }).flatMap(({ point, reasons }) => (reasons.length > 0 ? [point.id] : []));

describe('the calendar', () => {
  const points = (...dates: string[]): DatedPoint[] => series(dates.map((date) => Date.parse(date)));
  const now = Date.UTC(2040, 0, 1);
  /** By the injected clock and by that of a process in the zone: they must agree. */
  const why = (zone: string, given: DatedPoint[], rules: KeepRules): string[][] => {
    const reasons = decide(given, rules, { now, clock: clockIn(zone) }).map((decision) => decision.reasons);
    expect(decideIn(zone, given, rules, now)).toEqual(reasons);
    return reasons;
  };

  it.each(['Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe', 'Pacific/Kiritimati'])(
    'leap days, month ends and the turn of the year in %s',
    (zone) => {
      const local = clockIn(zone);
      const noon = (date: string): string => {
        const utc = Date.parse(`${date}T12:00:00Z`);
        return new Date(utc - local(utc).offset * 60_000).toISOString();
      };
      const dates = ['2024-02-28', '2024-02-29', '2024-03-01', '2024-12-29', '2024-12-30', '2024-12-31', '2025-01-01'];
      expect(why(zone, points(...dates.map(noon)), { daily: 7, weekly: 9, monthly: 9, yearly: 9 })).toEqual([
        ['daily 2024-02-28'],
        ['daily 2024-02-29', 'monthly 2024-02'],
        // 2024-02-29 was a Thursday: the Friday after it is of the same week, and the newest of it.
        ['daily 2024-03-01', 'weekly 2024-W09', 'monthly 2024-03'],
        // A Sunday; the Monday after it begins the first week of 2025, also for the days that are still of 2024.
        ['daily 2024-12-29', 'weekly 2024-W52'],
        ['daily 2024-12-30'],
        ['daily 2024-12-31', 'monthly 2024-12', 'yearly 2024'],
        ['newest', 'daily 2025-01-01', 'weekly 2025-W01', 'monthly 2025-01', 'yearly 2025'],
      ]);
      // 2100 is no leap year, and 2026 has 53 weeks.
      const odd = ['2026-12-31', '2027-01-03', '2027-01-04'].map(noon);
      expect(why(zone, points(...odd), { weekly: 2 })).toEqual([
        [],
        ['weekly 2026-W53'],
        ['newest', 'weekly 2027-W01'],
      ]);
    },
  );

  it('the last seconds of a month, in the zone and not in UTC', () => {
    const edge = points('2026-02-28T22:59:59Z', '2026-02-28T23:00:00Z');
    expect(why('Europe/Berlin', edge, { monthly: 2 })).toEqual([['monthly 2026-02'], ['newest', 'monthly 2026-03']]);
    expect(why('America/St_Johns', edge, { monthly: 2 })).toEqual([[], ['newest', 'monthly 2026-02']]);
    expect(why('Pacific/Kiritimati', edge, { monthly: 2 })).toEqual([[], ['newest', 'monthly 2026-03']]);
  });

  it('both changes of summer time, of an hour and of half an hour', () => {
    // 2026-10-25, 01:00 UTC: 03:00 becomes 02:00. 2026-03-29, 01:00 UTC: 02:00 becomes 03:00.
    expect(
      why('Europe/Berlin', points('2026-10-25T00:10:00Z', '2026-10-25T00:50:00Z', '2026-10-25T01:10:00Z'), {
        hourly: 9,
      }),
    ).toEqual([[], ['hourly 2026-10-25 02:00+02:00'], ['newest', 'hourly 2026-10-25 02:00+01:00']]);
    expect(
      why('Europe/Berlin', points('2026-03-29T00:59:00Z', '2026-03-29T01:01:00Z'), { hourly: 9, daily: 9 }),
    ).toEqual([['hourly 2026-03-29 01:00+01:00'], ['newest', 'hourly 2026-03-29 03:00+02:00', 'daily 2026-03-29']]);
    // Newfoundland, 2026-11-01, 04:30 UTC: 02:00-02:30 becomes 01:00-03:30.
    expect(why('America/St_Johns', points('2026-11-01T04:00:00Z', '2026-11-01T05:00:00Z'), { hourly: 9 })).toEqual([
      ['hourly 2026-11-01 01:00-02:30'],
      ['newest', 'hourly 2026-11-01 01:00-03:30'],
    ]);
    // Lord Howe, 2026-04-04, 15:00 UTC: 02:00+11 becomes 01:30+10:30. The half hour that comes twice is of two hours.
    expect(
      why('Australia/Lord_Howe', points('2026-04-04T14:40:00Z', '2026-04-04T15:10:00Z', '2026-04-04T15:40:00Z'), {
        hourly: 9,
      }),
    ).toEqual([
      ['hourly 2026-04-05 01:00+11:00'],
      ['hourly 2026-04-05 01:00+10:30'],
      ['newest', 'hourly 2026-04-05 02:00+10:30'],
    ]);
    // … and 2026-10-03, 15:30 UTC: 02:00+10:30 becomes 02:30+11.
    expect(
      why('Australia/Lord_Howe', points('2026-10-03T15:20:00Z', '2026-10-03T15:40:00Z'), { hourly: 9, daily: 1 }),
    ).toEqual([['hourly 2026-10-04 01:00+10:30'], ['newest', 'hourly 2026-10-04 02:00+11:00', 'daily 2026-10-04']]);
  });

  it('every hour of the days of both changes is one, and the days are one', () => {
    for (const [zone, from] of [
      ['Europe/Berlin', '2026-10-24T22:00:00Z'],
      ['Europe/Berlin', '2026-03-28T23:00:00Z'],
      ['America/St_Johns', '2026-11-01T02:30:00Z'],
      ['Australia/Lord_Howe', '2026-04-04T13:00:00Z'],
    ] as const) {
      const clock = clockIn(zone);
      const day = series(Array.from({ length: 40 }, (_, i) => Date.parse(from) + i * HOUR));
      const hours = decide(day, { hourly: 100 }, { now, clock }).filter(({ reasons }) => reasons.length > 0);
      expect(hours.length, zone).toBe(40);
      const days = decide(day, { daily: 100 }, { now, clock }).filter(({ reasons }) => reasons.length > 0);
      expect(days.length, zone).toBe(2);
    }
  });
});

describe('a clock that is wrong', () => {
  const nights = (count: number, from = START): number[] => Array.from({ length: count }, (_, i) => from + i * DAY);
  const daily: KeepRules = { daily: 5, monthly: 2 };

  it.each([1, 365, 3650])(
    '%i days ahead for a night: its point is kept beside the real ones and counts for none',
    (days) => {
      const clocks = nights(20);
      const wrong = series(clocks.with(15, clocks[15]! + days * DAY));
      const without = wrong.toSpliced(15, 1);
      // When it is corrected: as if the point were not there.
      const now = clocks[19]! + HOUR;
      const future = Date.parse(wrong[15]!.createdAt) > now + HOUR;
      expect(future).toBe(days > 4);
      const kept = keptOf(wrong, daily, now);
      if (future) expect(kept.toSorted()).toEqual([...keptOf(without, daily, now), wrong[15]!.id].sort());
      // A day ahead it has become an ordinary point of the next day by now, and that day has a newer one.
      else expect(kept).toEqual(keptOf(without, daily, now));
      expect(kept).toContain(wrong[19]!.id);
    },
  );

  it('set back for a night: the point is still the newest, and nothing goes for it that would have stayed', () => {
    const clocks = nights(20);
    const points = series(clocks.with(19, clocks[0]! - 3650 * DAY));
    // By the clock that is behind: all else is of the future, and stays.
    const behind = decide(points, { last: 1 }, { now: clocks[0]! - 3650 * DAY });
    expect(behind.map(({ reasons }) => reasons)).toEqual([
      ...points.slice(1).map(() => ['future']),
      ['newest', 'last'],
    ]);
    // By the right one: it is one of the newest five, whatever its date.
    const right = keptOf(points, { last: 5 }, clocks[19]!);
    expect(right).toEqual(points.slice(15).map(({ id }) => id));
  });

  it('behind all points: nothing is removed', () => {
    const points = series(nights(20));
    for (const now of [START - 2 * HOUR, START - DAY, START - 3650 * DAY])
      expect(decide(points, daily, { now }).every(({ reasons }) => reasons.join() === 'future')).toBe(true);
  });

  it('behind or ahead removes at most what the right one would, where no point was made by it', () => {
    const random = randomSource(11);
    for (let round = 0; round < 200; round++) {
      const points = series(nights(1 + Math.floor(random() * 60)));
      const rules = randomRules(random);
      const right = Date.parse(points.at(-1)!.createdAt) + HOUR;
      const kept = new Set(keptOf(points, rules, right + (random() - 0.5) * 2 * 90 * DAY));
      for (const id of keptOf(points, rules, right)) expect(kept.has(id)).toBe(true);
    }
  });

  it('keeps every night of the last week through a month of wrong nights, pruned each night', () => {
    for (const days of [1, 365, 3650, -1, -365]) {
      let points: DatedPoint[] = [];
      const all: DatedPoint[] = [];
      let memory: ClockMemory | null = null;
      for (const [night, right] of nights(60).entries()) {
        const clock = night >= 25 && night < 30 ? right + days * DAY : right;
        const point = made(clock, points);
        all.push(point);
        points.push(point);
        memory = rememberClock(memory, clock);
        const now = believedTime(memory, clock);
        const kept = new Set(keptOf(points, { daily: 7, monthly: 3 }, now));
        points = points.filter(({ id }) => kept.has(id));
        // One a day: a night that is dated as another one is stands for both.
        const dates = new Map(all.slice(-5).map(({ id, createdAt }) => [createdAt.slice(0, 10), id]));
        for (const id of dates.values()) expect(kept.has(id), `${days} days, night ${night}`).toBe(true);
      }
      // What the months before had is there too.
      const months = new Set(points.map(({ createdAt }) => createdAt.slice(0, 7)));
      expect([...months], `${days} days`).toEqual(expect.arrayContaining(['2026-01', '2026-02', '2026-03']));
    }
  });

  it('that jumps ahead costs no old period: what it dates counts for none until it has gone on for a week', () => {
    // The newest of each of twelve months, then a night a year ahead.
    const months = Array.from({ length: 12 }, (_, month) => Date.UTC(2025, month, 28, 22));
    const points = series(months);
    let memory: ClockMemory | null = null;
    for (const clock of months) memory = rememberClock(memory, clock);
    const ahead = months.at(-1)! + 366 * DAY;
    points.push(made(ahead, points));
    memory = rememberClock(memory, ahead);
    const kept = keptOf(points, { monthly: 12 }, believedTime(memory, ahead));
    expect(kept).toHaveLength(13);
    expect(believedTime(memory, ahead)).toBeLessThan(ahead);
    // A VM that really was off for a year counts again after a week.
    for (let night = 1; night <= 8; night++) memory = rememberClock(memory, ahead + night * DAY);
    expect(believedTime(memory, ahead + 8 * DAY)).toBe(ahead + 8 * DAY);
    // One that was corrected is believed at once.
    const back = rememberClock(
      rememberClock({ last: ahead, believed: months.at(-1)!, jumpedTo: ahead }, ahead),
      months.at(-1)! + DAY,
    );
    expect(believedTime(back, months.at(-1)! + DAY)).toBe(months.at(-1)! + DAY);
  });

  it('a point without a date that can be read is kept, and takes no part', () => {
    const points = series(nights(3));
    points[2]!.createdAt = '';
    const reasons = decide(points, { last: 1 }, { now: START + 30 * DAY }).map((decision) => decision.reasons);
    expect(reasons).toEqual([[], ['newest', 'last'], ['undated']]);
  });
});

describe('of any points and rules', () => {
  const random = randomSource(20261130);
  const pick = (below: number): number => Math.floor(random() * below);

  function randomPoints(): { points: DatedPoint[]; now: number } {
    const spread = [3 * HOUR, 48 * HOUR, 40 * DAY, 3 * 366 * DAY][pick(4)]!;
    const start = Date.UTC(2024 + pick(4), pick(12), 1 + pick(28), pick(24));
    const points: DatedPoint[] = [];
    for (let i = pick(30); i > 0; i--) {
      const clock = start + pick(spread);
      const point = made(clock, points);
      const kind = pick(10);
      // Older software, two writers that did not see each other, equal dates, held.
      if (kind === 0) delete point.sequence;
      if (kind === 1 && points.length > 0) point.sequence = points[pick(points.length)]!.sequence;
      if (kind === 2 && points.length > 0) point.createdAt = points[pick(points.length)]!.createdAt;
      point.held = pick(8) === 0;
      points.push(point);
    }
    return { points: points.sort(() => random() - 0.5), now: start + pick(2 * spread) - spread / 4 };
  }

  it.each(['UTC', 'Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe'])('in %s', (zone) => {
    const clock = clockIn(zone);
    for (let round = 0; round < 150; round++) {
      const { points, now } = randomPoints();
      const rules = randomRules(random);
      const decisions = decide(points, rules, { now, clock });
      const kept = decisions.filter(({ reasons }) => reasons.length > 0);
      const ids = new Set(kept.map(({ point }) => point.id));
      // Every point is decided on, once.
      expect(decisions.map(({ point }) => point.id).sort()).toEqual(points.map(({ id }) => id).sort());
      // Removing and deciding again removes nothing more.
      const again = decide(
        kept.map(({ point }) => point),
        rules,
        { now, clock },
      );
      expect(again.map(({ reasons }) => reasons)).toEqual(kept.map(({ reasons }) => reasons));
      // Held points and those of the future stay.
      for (const { point, reasons } of decisions) {
        if (point.held) expect(reasons).toContain('hold');
        const future = Date.parse(point.createdAt) > now + HOUR;
        expect(reasons.includes('future')).toBe(future);
        if (future) expect(reasons.filter((reason) => !/^(hold|future)$/.test(reason))).toEqual([]);
      }
      // No point of the future makes another go, or stay.
      const present = points.filter(({ createdAt }) => Date.parse(createdAt) <= now + HOUR);
      const keptOfThese = decide(present, rules, { now, clock }).filter(({ reasons }) => reasons.length > 0);
      for (const { id } of present) expect(ids.has(id)).toBe(keptOfThese.some(({ point }) => point.id === id));
      // More rules, and higher ones, never remove more.
      const more: KeepRules = { ...rules };
      for (const name of RULES) if (pick(2) === 0) more[name] = (more[name] ?? 0) + pick(4);
      const keptByMore = new Set(
        decide(points, more, { now, clock }).flatMap((d) => (d.reasons.length > 0 ? [d.point.id] : [])),
      );
      for (const id of ids) expect(keptByMore.has(id)).toBe(true);
      // Time that goes by without a new point turns future points into ordinary ones, and never removes the newest of
      // now.
      expect(present.length === 0 || decisions.some(({ reasons }) => reasons.includes('newest'))).toBe(true);
    }
  });
});

function randomRules(random: () => number): KeepRules {
  const rules: KeepRules = {};
  for (const name of RULES) if (random() < 0.5) rules[name] = Math.floor(random() * 6);
  return rules;
}
