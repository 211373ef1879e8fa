/** What is made of clocks and time zones that cannot be right. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { oddities } from '../../../backend/src/operations/points/clock-warnings.ts';
import { formatDuration, formatMoment, isoDate, requireUsableClock } from '../../../backend/src/support/clock.ts';

const DAY = 24 * 3600 * 1000;
const NOW = Date.UTC(2026, 10, 30, 12);

describe('the clock of this machine', () => {
  it('is refused before 2000 and beyond 9999', () => {
    for (const now of [NOW, Date.UTC(2000, 0, 1), Date.UTC(9999, 11, 30)])
      expect(() => requireUsableClock(now)).not.toThrow();
    for (const now of [0, -1, Date.UTC(1999, 11, 31), Date.UTC(10_000, 0, 1), 8.64e15, Number.NaN])
      expect(() => requireUsableClock(now)).toThrow(expect.objectContaining({ code: 'CLOCK_WRONG' }));
  });

  it('is told in forms that people and other software read', () => {
    expect(formatMoment(NOW)).toBe('2026-11-30T12:00:00Z');
    expect(formatMoment(Date.UTC(12_026, 0, 1))).toBe('year 12026');
    expect(formatDuration(40 * 60_000)).toBe('40 minutes');
    expect(formatDuration(-26 * 3_600_000)).toBe('26 hours');
    expect(formatDuration(365 * DAY)).toBe('365 days');
    expect(isoDate('2026-11-30T12:00:00.000Z')).toBe('2026-11-30T12:00:00.000Z');
    expect(isoDate('+012026-01-01T00:00:00.000Z')).toBe('9999-12-31T00:00:00.000Z');
    expect(isoDate('2026-11-30')).toBe('2026-11-30T00:00:00.000Z');
    expect(isoDate('yesterday')).toBe('1970-01-01T00:00:00.000Z');
  });

  it('is held against restore points, its own past and the storage', () => {
    const facts = { now: NOW, believed: NOW, before: NOW - DAY, storageAhead: 0 };
    const at = (days: number, id = 'A') => ({ id, createdAt: new Date(NOW + days * DAY).toISOString(), vmName: 'web' });
    const about = (changes: Partial<typeof facts>, points = [at(-1)], scope: 'read' | 'write' | 'part' = 'write') =>
      oddities({ ...facts, ...changes }, points, scope).map((found) => found.about.split(' ')[0]);
    expect(about({})).toEqual([]);
    expect(about({}, [at(-1), at(1, 'B')])).toEqual(['future']);
    expect(about({}, [at(1 / 24)])).toEqual([]);
    expect(about({ before: NOW + DAY })).toEqual(['back']);
    expect(about({ storageAhead: -2 * DAY })).toEqual(['storage']);
    expect(about({ storageAhead: 3_000_000 })).toEqual([]);
    expect(about({ before: NOW - 90 * DAY }, [at(-90)])).toEqual(['long']);
    expect(about({ before: NOW - 90 * DAY }, [at(-90)], 'read')).toEqual([]);
    expect(about({ before: NOW - 90 * DAY, believed: NOW - 30 * DAY }, [at(-90)])).toEqual(['jump']);
    expect(about({ before: NOW + DAY, storageAhead: DAY }, [at(2)], 'part')).toEqual(['future']);
    const text = oddities(facts, [at(1), at(2, 'B')], 'read')[0]!.text;
    expect(text).toContain(
      '2 restore points are dated in the future (web 2026-12-01T12:00:00Z, A; web 2026-12-02T12:00:00Z, B)',
    );
    expect(text).toContain("Every restore point looked at is: this machine's clock (2026-11-30T12:00:00Z) is behind");
    const [storage] = oddities({ ...facts, storageAhead: -365 * DAY }, [], 'read');
    expect(storage!.text).toContain('is 365 days ahead of that of the storage');
  });
});

describe('the time zone of this machine', () => {
  const file = pathToFileURL(join(import.meta.dirname, '../../../backend/src/support/time-zone.ts')).href;
  const script = `process.stdout.write(JSON.stringify((await import(${JSON.stringify(file)})).timeZoneProblem(2026)));`;
  const problem = (zone: string | undefined): string | null => {
    const { TZ: _, ...env } = process.env;
    const given = { ...env, NODE_OPTIONS: '', ...(zone === undefined ? {} : { TZ: zone }) };
    return JSON.parse(
      execFileSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
        env: given,
        encoding: 'utf8',
      }),
    );
  };

  it.each([undefined, '', 'UTC', 'Etc/UTC', 'Europe/Berlin', ':Europe/Berlin', 'America/St_Johns', 'CET', 'EST5'])(
    'is the one that TZ=%s names',
    (zone) => {
      expect(problem(zone)).toBeNull();
    },
  );

  it.each([
    ['Nowhere/City', 'UTC'],
    ['europe/berlin', 'UTC'],
    ['W. Europe Standard Time', 'UTC'],
    ['CET-1CEST,M3.5.0,M10.5.0/3', 'UTC'],
    ['<+0530>-5:30', 'UTC'],
    ['/usr/share/zoneinfo/Europe/Berlin', ''],
  ])('is not the one that TZ=%s was to name, and that is said', (zone, used) => {
    const said = problem(zone);
    expect(said).toContain(`TZ=${zone} names no time zone that is known here`);
    expect(said).toContain(`counted in ${used}`);
  });
});
