/** Retention and holds through the command line. */
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { openRepository } from '../../../backend/src/operations/open-repository.ts';
import { ulid } from '../../../backend/src/support/ulid.ts';
import { noise } from '../../fixtures/content.ts';
import { cli, ok, start } from '../support/cli.ts';
import { scratchForEach } from '../support/scratch.ts';
import { World } from './world.ts';

const MIB = 1024 * 1024;
const DAY = 24 * 3600 * 1000;

/** Restore points as if they had been made at other times: manifests over the contents of real ones. */
async function age(world: World, template: string, times: number[]): Promise<string[]> {
  const repository = await openRepository(world.repository, { stateDirectory: world.state });
  try {
    const manifest = await repository.readManifest(template);
    const ids: string[] = [];
    for (const time of times) {
      const session = await repository.beginSession();
      const id = ulid(time);
      await session.publish({ ...manifest, id, createdAt: new Date(time).toISOString() });
      await session.close();
      ids.push(id);
    }
    return ids;
  } finally {
    await repository.close();
  }
}

const prune = (world: World, ...options: string[]) =>
  ok(['prune', '--repository', world.repository, ...options], world);
const ids = (world: World): string[] => world.points().map((point) => point.id);

describe('retention', () => {
  const scratch = scratchForEach('retention');

  async function history() {
    const world = await World.create(await scratch(), { blockSize: 65536 });
    world.vm('web', await world.rawImage(noise(MIB, 1)));
    world.vm('db', await world.rawImage(noise(2 * MIB, 2)));
    const web = world.backup('web').restorePointId;
    const db = world.backup('db').restorePointId;
    const now = Date.now();
    const days = Array.from({ length: 10 }, (_, i) => now - (10 - i) * DAY);
    const old = await age(world, web, days);
    const oldDb = await age(world, db, days.slice(0, 3));
    return { world, web, db, old, oldDb };
  }

  it('shows in a dry run what it would do and why, removes nothing, then does it', async () => {
    const { world, web, db, old, oldDb } = await history();
    const before = ids(world);
    const dry = prune(world, '--keep-daily', '3', '--keep-last', '2', '--dry-run');
    expect(ids(world)).toEqual(before);
    expect(dry).toMatchObject({ dryRun: true, removed: 10 - 2 + 1 });
    const of = (id: string) => dry.points.find((point: { id: string }) => point.id === id);
    expect(of(web)).toMatchObject({ vmName: 'web', action: 'keep' });
    expect(of(web).reasons.slice(0, 2)).toEqual(['newest', 'last']);
    expect(of(old[9]!).reasons).toEqual(['last', expect.stringMatching(/^daily \d{4}-\d\d-\d\d$/)]);
    expect(of(old[0]!)).toMatchObject({ action: 'remove', reasons: [] });
    expect(of(oldDb[0]!)).toMatchObject({ vmName: 'db', action: 'remove' });
    const done = prune(world, '--keep-daily', '3', '--keep-last', '2');
    expect(done.points).toEqual(dry.points);
    expect(done.removed).toBe(9);
    expect(ids(world).sort()).toEqual([old[8], old[9], web, oldDb[1], oldDb[2], db].sort());
    expect(prune(world, '--keep-daily', '3', '--keep-last', '2').removed).toBe(0);
    expect(world.verify()).toBe(true);
  });

  it('applies to one VM when told to, and knows the others by name', async () => {
    const { world, web, db, oldDb } = await history();
    expect(prune(world, '--keep-last', '1', '--vm', 'WEB').removed).toBe(10);
    expect(ids(world).sort()).toEqual([...oldDb, web, db].sort());
    const wrong = cli(['prune', '--repository', world.repository, '--keep-last', '1', '--vm', 'wbe'], world);
    expect(wrong.status).toBe(1);
    expect(wrong.json.error).toMatchObject({ code: 'VM_NOT_FOUND', advice: expect.stringContaining('db, web') });
    const nothing = cli(['prune', '--repository', world.repository, '--keep-last', '0'], world);
    expect(nothing.status).toBe(2);
    expect(ids(world)).toHaveLength(5);
  });

  it('says what it gives back before and after', async () => {
    const world = await World.create(await scratch(), { blockSize: 65536 });
    world.vm('web', await world.rawImage(noise(8 * MIB, 1)));
    for (let round = 0; round < 3; round++) {
      await world.write('web', 0, 0, noise(6 * MIB, 10 + round));
      world.backup('web');
    }
    const dry = prune(world, '--keep-last', '1', '--dry-run');
    expect(dry.freedBytes).toBeGreaterThan(11 * MIB);
    const done = prune(world, '--keep-last', '1');
    expect(Math.abs(done.freedBytes - dry.freedBytes)).toBeLessThan(MIB / 2);
    expect(done).toMatchObject({ removed: 2, pendingBytes: 0 });
    expect(world.verify()).toBe(true);
  });

  it('killed at any moment leaves only whole restore points, and the next run ends it', async () => {
    const { world, web, db } = await history();
    const command = ['prune', '--repository', world.repository, '--keep-last', '1'];
    const clock = performance.now();
    ok([...command, '--dry-run'], world);
    const least = performance.now() - clock;
    for (let round = 0; round < 6 && ids(world).length > 2; round++) {
      const victim = start(command, world);
      await sleep(least * (0.7 + round * 0.08));
      victim.kill('SIGKILL');
      await victim.done;
      expect(world.verify()).toBe(true);
    }
    ok(command, world);
    expect(ids(world)).toEqual([web, db].sort());
    expect(world.verify()).toBe(true);
    const repository = await openRepository(world.repository, { stateDirectory: world.state });
    const manifests = (await repository.listManifests()).length;
    await repository.close();
    expect(manifests).toBe(2);
  });
});

describe('a hold', () => {
  const scratch = scratchForEach('hold');

  it('keeps a restore point from being removed, by hand and by retention, until it is released', async () => {
    const world = await World.create(await scratch(), { blockSize: 65536 });
    world.vm('web', await world.rawImage(noise(MIB, 1)));
    const held = world.backup('web', '--hold').restorePointId;
    world.backup('web');
    const newest = world.backup('web').restorePointId;
    const show = (id: string) => ok(['show', '--repository', world.repository, '--point', id], world).point;
    expect(show(held).held).toBe(true);
    expect(show(newest).held).toBe(false);
    const refused = cli(['remove', '--repository', world.repository, '--point', held], world);
    expect(refused.status).toBe(1);
    expect(refused.json.error).toMatchObject({ code: 'POINT_HELD', advice: expect.stringContaining('--release') });
    expect(prune(world, '--keep-last', '1').removed).toBe(1);
    expect(ids(world)).toEqual([held, newest]);

    const hold = (...more: string[]) => ok(['hold', '--repository', world.repository, '--point', held, ...more], world);
    expect(hold()).toMatchObject({ held: true, changed: false, vmName: 'web' });
    expect(hold('--release')).toMatchObject({ held: false, changed: true });
    expect(hold('--release').changed).toBe(false);
    expect(hold().changed).toBe(true);
    expect(hold('--release').changed).toBe(true);
    expect(prune(world, '--keep-last', '1').removed).toBe(1);
    expect(ids(world)).toEqual([newest]);
    expect(world.verify()).toBe(true);
  });

  it('of a backup that failed leaves nothing behind', async () => {
    const world = await World.create(await scratch(), { blockSize: 65536 });
    world.vm('web', await world.rawImage(noise(MIB, 1)));
    expect(world.tryBackup('web', '--hold', '--exclude-disk', '7').status).toBe(1);
    const repository = await openRepository(world.repository, { stateDirectory: world.state });
    expect(await repository.records.list('holds/')).toEqual([]);
    await repository.close();
    await rm(world.folder, { recursive: true, force: true });
  });
});
