/**
 * The backup killed at many points: nothing half-made is listed, nothing of ours stays on the host, the next one is
 * right.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { noise } from '../../fixtures/content.ts';
import { ok, start } from '../support/cli.ts';
import { scratchForEach } from '../support/scratch.ts';
import { World } from './world.ts';

const MIB = 1024 * 1024;
const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');

/**
 * Waits until so many bytes are in packs of the repository, or the process has ended; asks the folder, which takes no
 * process of its own.
 */
async function stored(world: World, bytes: number, victim: { exitCode: number | null }): Promise<void> {
  const folder = join(world.repository, 'packs');
  const sizes = () =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0);
  const packBytes = () => (existsSync(folder) ? sizes().reduce((sum, size) => sum + size, 0) : 0);
  while (victim.exitCode === null && packBytes() < bytes) await sleep(10);
}

describe('a backup that is killed', () => {
  const scratch = scratchForEach('kill');

  it('at many moments, leaves a repository that verifies and a host without leftovers', async () => {
    const world = await World.create(await scratch(), { blockSize: 65536 });
    const model = noise(48 * MIB, 11);
    world.vm('guest', await world.rawImage(model));
    const expected = new Map<string, string>();
    const backup = ['backup', '--host', world.host, '--vm', 'guest', '--repository', world.repository];
    let killed = 0;
    // A whole run of each kind tells how long it takes, after one that has warmed up what later ones find; the kills
    // are spread over that.
    const timed = (...options: string[]) => {
      const clock = performance.now();
      expected.set(world.backup('guest', ...options).restorePointId, sha256(model));
      return performance.now() - clock;
    };
    timed();
    const durations = { full: timed('--mode', 'full'), incremental: timed() };
    const ROUNDS = 10;
    for (let round = 0; round < ROUNDS; round++) {
      const data = noise(4 * MIB, 100 + round);
      const offset = (round * 3 * MIB) % (40 * MIB);
      await world.write('guest', 0, offset, data);
      data.copy(model, offset);
      const mode = round % 3 === 0 ? 'full' : 'incremental';
      const victim = start(mode === 'full' ? [...backup, '--mode', 'full'] : backup, world);
      await sleep((durations[mode] * (round + 1)) / ROUNDS);
      victim.kill('SIGKILL');
      const answer = await victim.done;
      if (answer.status === null) killed++;
      // Listed means complete: whatever appeared must export to what the guest held.
      const newest = world.points().at(-1)!.id;
      if (!expected.has(newest)) {
        expected.set(newest, sha256(model));
        expect(await world.hashes(newest)).toEqual([sha256(model)]);
      }
      const result = world.backup('guest');
      expected.set(result.restorePointId, sha256(model));
      expect(await world.hashes(result.restorePointId)).toEqual([sha256(model)]);
      const { vm } = ok(['vm', 'show', '--host', world.host, '--vm', 'guest']);
      expect(vm.disks.map((disk: { path: string }) => disk.path.endsWith('.vhdx'))).toEqual([true]);
    }
    expect(killed).toBeGreaterThan(ROUNDS / 3);
    expect(world.verify()).toBe(true);
    for (const [id, hash] of expected) expect(await world.hashes(id)).toEqual([hash]);
  });

  it('half-way through its first full, lets the next one reuse what was stored', async () => {
    const world = await World.create(await scratch());
    const size = 384 * MIB;
    world.vm('guest', await world.rawImage(noise(size, 12)));
    const backup = ['backup', '--host', world.host, '--vm', 'guest', '--repository', world.repository];
    const victim = start(backup, world);
    await stored(world, size / 2, victim);
    victim.kill('SIGKILL');
    expect((await victim.done).status).toBeNull();
    expect(world.points()).toEqual([]);
    const [disk] = world.backup('guest').disks;
    expect(disk.readBytes).toBe(size);
    // What was in packs whose index was published need not be stored again.
    expect(disk.newBytes).toBeLessThan(size * 0.75);
    expect(world.verify()).toBe(true);
  });
});

describe('Ctrl-C', () => {
  const scratch = scratchForEach('cancel');

  it('ends a backup with exit code 5 and cleans up', async () => {
    const world = await World.create(await scratch());
    world.vm('guest', await world.rawImage(noise(256 * MIB, 13)));
    const victim = start(['backup', '--host', world.host, '--vm', 'guest', '--repository', world.repository], world);
    // It has begun, and most is left to do: no wait is right on every machine.
    await stored(world, 1, victim);
    victim.kill('SIGINT');
    const answer = await victim.done;
    expect(answer.status).toBe(5);
    expect(answer.stderr).toMatch(/cancel/i);
    expect(world.points()).toEqual([]);
    const result = world.backup('guest');
    expect(result.warnings).toEqual([]);
    expect(world.verify()).toBe(true);
  });
});
