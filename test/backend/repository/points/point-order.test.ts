/** The order of restore points where clocks cannot be believed: by sequence, then by id. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  byOrder,
  nextSequence,
  type OrderedPoint,
  sequenceOf,
} from '../../../../backend/src/repository/points/point-order.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { ulid, ulidTime } from '../../../../backend/src/support/ulid.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { createMemoryRepository, GROUP, openMemory, randomSource } from '../support/model.ts';
import { World } from '../support/process.ts';

const YEAR = 365 * 24 * 3600 * 1000;
const NOW = Date.UTC(2026, 10, 30);
const open: StoredRepository[] = [];
afterEach(async () => {
  for (const repository of open.splice(0)) await repository.close();
});

/** What a writer whose clock says `time` makes beside `points`. */
const made = (time: number, points: readonly OrderedPoint[]): OrderedPoint => {
  const id = ulid(time);
  return { id, sequence: nextSequence(points, id) };
};
const sorted = (points: readonly OrderedPoint[]): string[] => points.toSorted(byOrder).map(({ id }) => id);

describe('the order of restore points', () => {
  it('is the order they were made in, whatever the clock said', () => {
    const clocks = [NOW, NOW + YEAR, NOW + 10 * YEAR, NOW + 1000, NOW - 26 * YEAR, NOW + 2000, NOW + 2000];
    const points: OrderedPoint[] = [];
    for (const clock of clocks) points.push(made(clock, points));
    expect(sorted(points)).toEqual(points.map(({ id }) => id));
    expect(sorted(points.toReversed())).toEqual(points.map(({ id }) => id));
  });

  it('puts points without a sequence where their ids say, and every new one after them', () => {
    const old = [NOW - YEAR, NOW + 10 * YEAR, NOW - 1000].map((time): OrderedPoint => ({ id: ulid(time) }));
    const points = [...old];
    for (let i = 0; i < 3; i++) points.push(made(NOW + i, points));
    // Older software beside newer: its clock is all there is.
    const beside = { id: ulid(NOW + 11 * YEAR) };
    points.push(beside);
    const [first, future, last, ...others] = points.map(({ id }) => id);
    expect(sorted(points)).toEqual([first, last, future, ...others]);
  });

  it('interleaves the points of repositories that never saw each other as their clocks say', () => {
    const here: OrderedPoint[] = [];
    const there: OrderedPoint[] = [];
    for (let day = 0; day < 6; day++) {
      const points = day % 2 === 0 ? here : there;
      points.push(made(NOW + day * 1000, points));
    }
    expect(sorted([...there, ...here])).toEqual([0, 1, 2].flatMap((i) => [here[i]!.id, there[i]!.id]));
  });

  it('is total, and does not depend on which points are there', () => {
    const random = randomSource(7);
    const points: OrderedPoint[] = [];
    for (let i = 0; i < 200; i++) {
      const time = Math.floor(NOW + (random() - 0.5) * 20 * YEAR);
      const kind = random();
      // What two writers give that do not see each other, older software, and what no writer of ours would give.
      const sequence =
        kind < 0.3 ? undefined : kind < 0.6 ? sequenceOf(points[0] ?? made(NOW, [])) : [0, -1, 1.5, 2 ** 60][i % 4];
      points.push(kind < 0.8 ? { id: ulid(time), sequence } : made(time, points));
    }
    const order = sorted(points);
    for (let round = 0; round < 20; round++) {
      const some = points.filter(() => random() < 0.5).sort(() => random() - 0.5);
      const ids = new Set(some.map(({ id }) => id));
      expect(sorted(some)).toEqual(order.filter((id) => ids.has(id)));
    }
  });

  it('takes a sequence that no writer gives for none', () => {
    const id = ulid(NOW);
    for (const sequence of [0, -5, 1.5, Number.NaN, 2 ** 53, 'x' as unknown as number])
      expect(sequenceOf({ id, sequence })).toBe(NOW);
    expect(ulidTime(id)).toBe(NOW);
    const highest = { id, sequence: 2 ** 52 };
    expect(byOrder(highest, { id: ulid(NOW + 1), sequence: nextSequence([highest], ulid(NOW + 1)) })).toBeLessThan(0);
  });
});

describe('a repository', () => {
  it('lists in order, also of a group alone, and on another machine', async () => {
    const storage = new MemoryStorage();
    const world = new World();
    const repository = await createMemoryRepository(storage, { environment: world.process() });
    open.push(repository);
    const points: OrderedPoint[] = [];
    for (const clock of [NOW, NOW + 10 * YEAR, NOW + 1, NOW - YEAR]) {
      const point = made(clock, await repository.listOrder(GROUP));
      points.push(point);
      const session = await repository.beginSession();
      await session.publish({
        ...point,
        group: GROUP,
        createdAt: new Date(clock).toISOString(),
        contents: [],
        body: null,
      });
      await session.close();
    }
    const ids = points.map(({ id }) => id);
    const elsewhere = await openMemory(storage, world.process('two'));
    open.push(elsewhere);
    for (const one of [repository, elsewhere]) {
      expect((await one.listManifests()).map(({ id }) => id)).toEqual(ids);
      expect((await one.listManifests(GROUP)).map(({ id }) => id)).toEqual(ids);
      expect((await one.listOrder(GROUP)).map(({ id, sequence }) => ({ id, sequence }))).toEqual(points);
      const wanted = [ids[3]!, ids[0]!, ulid(NOW)];
      expect((await one.readManifests(GROUP, wanted)).map(({ id }) => id)).toEqual(wanted.slice(0, 2));
    }
  });
});
