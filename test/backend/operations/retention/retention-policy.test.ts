/**
 * The keep rules against a model that knows nothing of how they are computed, and against a calendar written by hand.
 */
import { afterAll, describe, expect, it } from 'vitest';
import {
  type DatedPoint,
  decide,
  type KeepRules,
  localClock,
} from '../../../../backend/src/operations/retention/policy.ts';
import { ulid } from '../../../../backend/src/support/ulid.ts';
import { randomSource } from '../../repository/support/model.ts';

const HOUR = 3600 * 1000;
/** Later than all of it. */
const now = Date.UTC(2040, 0, 1);
const at = (iso: string, held = false): DatedPoint => ({ id: ulid(Date.parse(iso)), createdAt: iso, held });
const kept = (points: DatedPoint[], rules: KeepRules): string[] =>
  decide(points, rules, { now })
    .filter(({ reasons }) => reasons.length > 0)
    .map(({ point }) => point.createdAt);
const why = (points: DatedPoint[], rules: KeepRules): string[][] =>
  decide(points, rules, { now }).map(({ reasons }) => reasons);

const zoneBefore = process.env.TZ;
afterAll(() => {
  if (zoneBefore === undefined) delete process.env.TZ;
  else process.env.TZ = zoneBefore;
});
const inZone = (zone: string): void => {
  process.env.TZ = zone;
};

describe('keep rules', () => {
  it('of a month of daily restore points keep what an admin expects', () => {
    inZone('UTC');
    const points = Array.from({ length: 31 }, (_, i) => at(`2026-10-${String(i + 1).padStart(2, '0')}T22:00:00.000Z`));
    // 2026-10-31 is a Saturday; weeks end on Sundays: 25, 18, 11, 4 October.
    expect(kept(points, { daily: 3, weekly: 3, monthly: 12 })).toEqual([
      '2026-10-18T22:00:00.000Z',
      '2026-10-25T22:00:00.000Z',
      '2026-10-29T22:00:00.000Z',
      '2026-10-30T22:00:00.000Z',
      '2026-10-31T22:00:00.000Z',
    ]);
    expect(why(points, { last: 1, daily: 2, weekly: 1, monthly: 1, yearly: 1 }).slice(-3)).toEqual([
      [],
      ['daily 2026-10-30'],
      ['newest', 'last', 'daily 2026-10-31', 'weekly 2026-W44', 'monthly 2026-10', 'yearly 2026'],
    ]);
  });

  it('count only periods that have a restore point', () => {
    inZone('UTC');
    const points = [at('2020-01-01T00:00:00.000Z'), at('2023-05-05T00:00:00.000Z'), at('2026-11-20T00:00:00.000Z')];
    expect(kept(points, { daily: 3 })).toHaveLength(3);
    expect(kept(points, { yearly: 2 })).toEqual(['2023-05-05T00:00:00.000Z', '2026-11-20T00:00:00.000Z']);
  });

  it('leave held points alone, and do not count them', () => {
    inZone('UTC');
    const points = [
      at('2026-11-18T08:00:00.000Z'),
      at('2026-11-18T20:00:00.000Z', true),
      at('2026-11-19T08:00:00.000Z'),
      at('2026-11-19T20:00:00.000Z', true),
    ];
    expect(why(points, { daily: 1 })).toEqual([[], ['hold'], ['daily 2026-11-19'], ['hold', 'newest']]);
    expect(why(points, { daily: 2 })[0]).toEqual(['daily 2026-11-18']);
  });

  it('never remove the newest, whatever they say', () => {
    expect(kept([at('2026-11-18T08:00:00.000Z'), at('2026-11-19T08:00:00.000Z')], {})).toEqual([
      '2026-11-19T08:00:00.000Z',
    ]);
  });

  it('know days and hours by the clock on the wall', () => {
    inZone('Europe/Berlin');
    const points = [at('2026-11-19T22:30:00.000Z'), at('2026-11-19T23:30:00.000Z')];
    expect(why(points, { daily: 2 })).toEqual([['daily 2026-11-19'], ['newest', 'daily 2026-11-20']]);
    inZone('America/New_York');
    expect(kept(points, { daily: 2 })).toHaveLength(1);
    inZone('Asia/Kathmandu');
    expect(why(points, { hourly: 1 })[1]).toEqual(['newest', 'hourly 2026-11-20 05:00+05:45']);
  });

  it('see two hours where the clock shows one twice, and no gap where it skips one', () => {
    inZone('Europe/Berlin');
    // 2026-10-25, 03:00 CEST is 02:00 CET.
    const autumn = [at('2026-10-25T00:30:00.000Z'), at('2026-10-25T01:30:00.000Z')];
    expect(why(autumn, { hourly: 2 })).toEqual([
      ['hourly 2026-10-25 02:00+02:00'],
      ['newest', 'hourly 2026-10-25 02:00+01:00'],
    ]);
    const day = Array.from({ length: 25 }, (_, i) =>
      at(new Date(Date.parse('2026-10-24T22:00:00Z') + i * HOUR).toISOString()),
    );
    expect(kept(day, { hourly: 25 })).toHaveLength(25);
    expect(kept(day, { daily: 2 })).toHaveLength(1);
    const spring = Array.from({ length: 23 }, (_, i) =>
      at(new Date(Date.parse('2026-03-28T23:00:00Z') + i * HOUR).toISOString()),
    );
    expect(kept(spring, { daily: 2 })).toHaveLength(1);
    expect(kept(spring, { hourly: 30 })).toHaveLength(23);
  });

  it('know ISO weeks across years', () => {
    inZone('UTC');
    const weeks = (iso: string) => why([at(iso)], { weekly: 1 })[0]![1];
    expect(weeks('2026-01-01T12:00:00.000Z')).toBe('weekly 2026-W01');
    expect(weeks('2027-01-03T12:00:00.000Z')).toBe('weekly 2026-W53');
    expect(weeks('2024-12-30T12:00:00.000Z')).toBe('weekly 2025-W01');
    expect(weeks('2021-01-03T12:00:00.000Z')).toBe('weekly 2020-W53');
    expect(weeks('2023-01-01T12:00:00.000Z')).toBe('weekly 2022-W52');
  });

  it.each(['UTC', 'Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe', 'Pacific/Apia'])(
    'agree with a naive model in %s',
    (zone) => {
      inZone(zone);
      const random = randomSource(zone.length);
      const pick = (below: number) => Math.floor(random() * below);
      for (let round = 0; round < 150; round++) {
        const spread = [3 * HOUR, 48 * HOUR, 40 * 24 * HOUR, 3 * 366 * 24 * HOUR][pick(4)]!;
        const start = Date.UTC(2024 + pick(4), pick(12), 1 + pick(28), pick(24));
        const points = Array.from({ length: pick(40) }, () =>
          at(new Date(start + pick(spread)).toISOString(), pick(8) === 0),
        );
        const rules: KeepRules = {};
        for (const name of ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const)
          if (pick(2) === 0) rules[name] = pick(6);
        const shuffled = points.map((point) => ({ point, key: random() })).sort((a, b) => a.key - b.key);
        const found = decide(
          shuffled.map(({ point }) => point),
          rules,
          { now },
        );
        expect(new Set(found.filter(({ reasons }) => reasons.length > 0).map(({ point }) => point.id))).toEqual(
          model(points, rules),
        );
        // Whoever is kept once stays kept when nothing is added: retention twice is retention once.
        const left = found.filter(({ reasons }) => reasons.length > 0).map(({ point }) => point);
        expect(decide(left, rules, { now }).every(({ reasons }) => reasons.length > 0)).toBe(true);
      }
    },
  );
});

/** Period by period: all points of each, the newest of it; then the newest N periods. */
function model(points: readonly DatedPoint[], rules: KeepRules): Set<string> {
  const keep = new Set(points.filter((point) => point.held).map((point) => point.id));
  const newestFirst = points.toSorted(
    (a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt) || (a.id < b.id ? 1 : -1),
  );
  if (newestFirst[0]) keep.add(newestFirst[0].id);
  const free = newestFirst.filter((point) => !point.held);
  for (let i = 0; i < (rules.last ?? 0) && i < free.length; i++) keep.add(free[i]!.id);
  const periods = {
    hourly: (p: DatedPoint) => {
      const { hour, offset, ...day } = localClock(Date.parse(p.createdAt));
      return JSON.stringify([day, hour, offset]);
    },
    daily: (p: DatedPoint) => new Date(p.createdAt).toDateString(),
    weekly: (p: DatedPoint) => {
      // The Monday before, counted in whole days of the wall calendar.
      const local = new Date(p.createdAt);
      const day = Date.UTC(local.getFullYear(), local.getMonth(), local.getDate()) / 86_400_000;
      return String(Math.floor((day + 3) / 7));
    },
    monthly: (p: DatedPoint) => `${new Date(p.createdAt).getFullYear()} ${new Date(p.createdAt).getMonth()}`,
    yearly: (p: DatedPoint) => String(new Date(p.createdAt).getFullYear()),
  };
  for (const [rule, period] of Object.entries(periods)) {
    const newestOf = new Map<string, DatedPoint>();
    for (const point of free) if (!newestOf.has(period(point))) newestOf.set(period(point), point);
    for (const point of [...newestOf.values()].slice(0, rules[rule as keyof KeepRules] ?? 0)) keep.add(point.id);
  }
  return keep;
}
