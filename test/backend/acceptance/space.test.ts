/** Removing restore points gives space back, in whatever order, and touches no other point. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { noise } from '../../fixtures/content.ts';
import { ok, start } from '../support/cli.ts';
import { scratchForEach } from '../support/scratch.ts';
import { World } from './world.ts';

const MIB = 1024 * 1024;
const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');

describe('removing restore points', () => {
  const scratch = scratchForEach('space');
  const packBytes = (world: World): number => ok(['stats', '--repository', world.repository], world).packBytes;

  it.each([
    ['oldest first', [0, 1, 2, 3]],
    ['newest first', [3, 2, 1, 0]],
    ['from the middle', [2, 0, 3, 1]],
  ])('%s', async (_name, order) => {
    const world = await World.create(await scratch(), { blockSize: 65536 });
    const model = noise(12 * MIB, 1);
    world.vm('guest', await world.rawImage(model));
    const points: { id: string; hash: string }[] = [];
    for (let round = 0; round < 4; round++) {
      points.push({ id: world.backup('guest').restorePointId, hash: sha256(model) });
      const data = noise(3 * MIB, 50 + round);
      await world.write('guest', 0, round * 2 * MIB, data);
      data.copy(model, round * 2 * MIB);
    }
    const left = new Set(points);
    let before = packBytes(world);
    for (const index of order) {
      const { freedBytes, pendingBytes } = world.remove(points[index]!.id);
      left.delete(points[index]!);
      const after = packBytes(world);
      // Each point has megabytes that no other one has, or shares with the one after it that is still there.
      expect(pendingBytes).toBe(0);
      expect(before - after).toBeGreaterThan(MIB / 2);
      expect(freedBytes).toBeGreaterThan(MIB / 2);
      before = after;
      for (const point of left) expect(await world.hashes(point.id)).toEqual([point.hash]);
      expect(world.verify()).toBe(true);
    }
    expect(packBytes(world)).toBe(0);
    // An empty repository takes the next backup.
    const result = world.backup('guest');
    expect(await world.hashes(result.restorePointId)).toEqual([sha256(model)]);
  });

  it('beside a running backup gives the space back later, and says how much', async () => {
    const world = await World.create(await scratch());
    world.vm('small', await world.rawImage(noise(8 * MIB, 1)));
    world.vm('big', await world.rawImage(noise(320 * MIB, 2)));
    const { restorePointId } = world.backup('small');
    const running = start(['backup', '--host', world.host, '--vm', 'big', '--repository', world.repository], world);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    const removed = world.remove(restorePointId);
    const finished = await running.done;
    expect(finished.status).toBe(0);
    if (removed.pendingBytes > 0) {
      const pruned = ok(['prune', '--repository', world.repository], world);
      expect(pruned.freedBytes).toBeGreaterThan(7 * MIB);
    } else {
      expect(removed.freedBytes).toBeGreaterThan(7 * MIB); // the backup had ended before
    }
    expect(world.points()).toHaveLength(1);
    expect(world.verify()).toBe(true);
  });
});
