/** Random histories of a guest against a plain array: every restore point, however old, holds what the array held. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { randomSource } from '../../fixtures/content.ts';
import { scratchForEach } from '../support/scratch.ts';
import { World } from './world.ts';

const SIZE = 24 * 1024 * 1024 + 3 * 512;
const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');

describe('a random history of one VM', () => {
  const scratch = scratchForEach('history');

  it.each([1, 2, 3])('restores every point to the model (seed %i)', async (seed) => {
    const random = randomSource(seed);
    const below = (limit: number) => random() % limit;
    const world = await World.create(await scratch(), { blockSize: 65536 });
    const model = Buffer.alloc(SIZE);
    for (let i = 0; i < 40; i++) model.fill(below(256), below(SIZE), below(SIZE));
    world.vm('guest', await world.rawImage(model));
    const expected = new Map<string, string>();
    for (let round = 0; round < 6; round++) {
      for (let writes = below(5); writes > 0; writes--) {
        const length = 512 * (1 + below(below(2) ? 8 : 600));
        const offset = 512 * below((SIZE - length) / 512);
        const data = Buffer.alloc(length, below(4) === 0 ? 0 : 1 + below(255));
        if (below(2)) data.writeUInt32LE(random(), 0);
        await world.write('guest', 0, offset, data);
        data.copy(model, offset);
      }
      const mode = below(5) === 0 ? ['--mode', 'full'] : [];
      const result = world.backup('guest', ...mode);
      expect(result.mode).toBe(round === 0 || mode.length > 0 ? 'full' : 'incremental');
      expected.set(result.restorePointId, sha256(model));
      if (round > 2 && below(3) === 0) {
        // Removing any point leaves the others right, and the next backup too.
        const ids = [...expected.keys()];
        const gone = ids[below(ids.length - 1)]!;
        expect(world.remove(gone).pointId).toBe(gone);
        expected.delete(gone);
      }
    }
    expect(world.points().map((point) => point.id)).toEqual([...expected.keys()]);
    for (const [id, hash] of expected) expect(await world.hashes(id)).toEqual([hash]);
    expect(world.verify()).toBe(true);
  });
});
