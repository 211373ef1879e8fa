/**
 * A restore point that another process removes while export, restore or verify reads it: real processes, the reader
 * held at a call to the system (test/helper/fault-layer) until the removal is done. It is no damage, whatever is
 * missing then.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { noise } from '../../fixtures/content.ts';
import { BUNDLE, cli, ok, start } from '../support/cli.ts';
import { FaultLayer, faultLayerMissing } from '../support/fault-layer.ts';
import { scratchForEach } from '../support/scratch.ts';
import { World } from './world.ts';

const MIB = 1 << 20;
const missing = existsSync(BUNDLE) ? faultLayerMissing() : 'needs npm run build';

describe.skipIf(missing !== null)(`a restore point that is removed while it is read (${missing ?? 'it runs'})`, () => {
  const scratch = scratchForEach('removed-while-read');
  let world: World;
  let point: string;
  let faults: FaultLayer;

  beforeEach(async () => {
    world = await World.create(await scratch(), { blockSize: 65536 });
    world.vm('guest', await world.rawImage(noise(4 * MIB, 1)));
    point = world.backup('guest').restorePointId;
    world.vm('other', await world.rawImage(noise(2 * MIB, 2)));
    world.backup('other');
    faults = await FaultLayer.over(world.repository, join(world.folder, 'control'));
  });
  afterEach(() => faults?.set({ mode: 'off' }));

  const at = () => ['--repository', world.repository];
  const of = () => [...at(), '--point', point];
  const READERS: [string, () => string[]][] = [
    ['export', () => ['export', ...of(), '--to', join(world.folder, 'out'), '--format', 'raw']],
    ['restore', () => ['restore', ...of(), '--host', world.host, '--new-id', '--name', 'back']],
    ['verify', () => ['verify', ...of()]],
  ];
  const files = (folder: string) =>
    existsSync(join(world.repository, folder))
      ? readdirSync(join(world.repository, folder), { recursive: true, withFileTypes: true }).filter((e) => e.isFile())
      : [];
  /** Held at its first pack, and its session names what it reads. */
  const isPinned = () => faults.injected().open > 0 && files('sessions').some(({ name }) => name.startsWith('read-'));
  const packs = () => files('packs').map(({ name }) => name);

  /** Starts it, waits until it is held, runs `meanwhile`, and lets it go on. */
  async function held(command: string[], isHeld: () => boolean, meanwhile: () => void) {
    const child = start(command, { state: world.state, env: faults.environment });
    for (let tries = 0; !isHeld(); tries++) {
      expect(child.exitCode, 'the reader ended before it was held').toBeNull();
      expect(tries).toBeLessThan(1200);
      await delay(50);
    }
    meanwhile();
    faults.set({ mode: 'off' });
    return child.done;
  }

  it.each(READERS)('%s: before it could be protected', async (_name, command) => {
    // The first file that a reader creates is of its session, after it has read the manifest.
    faults.set({ mode: 'hang', calls: ['create'] });
    const session = () => faults.injected().create > 0;
    const answer = await held(command(), session, () => ok(['remove', ...of()], world));
    expect([answer.status, answer.json.error.code]).toEqual([1, 'POINT_REMOVED']);
    expect(answer.json.error.message).toMatch(/^Restore point \S+ of guest was removed while it was read \(on /);
    expect(answer.stderr + answer.stdout).not.toMatch(/damage|allow-holes|skip-unreadable|SkipUnreadable/i);
  });

  it.each(READERS)('%s: its protection is taken away, and its packs are deleted', async (name, command) => {
    faults.set({ mode: 'hang', calls: ['open'], part: '/packs/' });
    const before = packs();
    const answer = await held(command(), isPinned, () => {
      ok(['remove', ...of()], world);
      // Pinned, all of it is there still.
      expect(packs()).toEqual(expect.arrayContaining(before));
      rmSync(join(world.repository, 'sessions'), { recursive: true });
      ok(['prune', ...at()], world);
      expect(packs().length).toBeLessThan(before.length);
    });
    expect([answer.status, answer.json.error?.code]).toEqual([1, 'POINT_REMOVED']);
    expect(answer.json.error.message).toContain(`${point} of guest was removed while it was read`);
    expect(answer.stderr + answer.stdout).not.toMatch(/damage|allow-holes|skip-unreadable|SkipUnreadable/i);
    if (name === 'export') expect(readdirSync(join(world.folder, 'out'))).toEqual([]);
    if (name === 'restore') expect(ok(['vm', 'list', '--host', world.host]).vms).toHaveLength(2);
    // Nothing of it stays in the way of the others.
    for (const check of ['check', 'verify']) expect(ok([check, ...at()], world)).toMatchObject({ ok: true });
  });

  it.each(READERS)('%s: protected, it reads to the end, and a warning says so', async (_name, command) => {
    faults.set({ mode: 'hang', calls: ['open'], part: '/packs/' });
    const answer = await held(command(), isPinned, () => {
      ok(['remove', ...of()], world);
      ok(['prune', ...at()], world);
    });
    expect([answer.status, answer.json.error]).toEqual([0, undefined]);
    expect(answer.stderr).toContain(`${point} of guest was removed while it was read`);
  });

  it('verify of all: the removed one is left out, the others are verified', async () => {
    faults.set({ mode: 'hang', calls: ['open'], part: '/packs/' });
    const answer = await held(['verify', ...at()], isPinned, () => {
      ok(['remove', ...of()], world);
      rmSync(join(world.repository, 'sessions'), { recursive: true });
      ok(['prune', ...at()], world);
    });
    expect([answer.status, answer.json.ok, answer.json.damages]).toEqual([0, true, []]);
    expect(answer.json.points).toEqual(world.points().map(({ id }: { id: string }) => id));
    expect(answer.json.points).not.toContain(point);
    expect(answer.stderr).toContain(`${point} of guest was removed while it was read`);
    expect(cli(['show', ...of()], world).json.error.code).toBe('POINT_NOT_FOUND');
  });
});
