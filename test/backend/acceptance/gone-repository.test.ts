/** A repository that goes beneath a running backup: the backup says so, and nothing is made where it was. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { noise } from '../../fixtures/content.ts';
import { ok, start } from '../support/cli.ts';
import { scratchForSuite } from '../support/scratch.ts';
import { World } from './world.ts';

const MIB = 1 << 20;

function mountTmpfs(folder: string): boolean {
  mkdirSync(folder, { recursive: true });
  return spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256m', 'tmpfs', folder]).status === 0;
}
const probe = join(tmpdir(), `hvb-gone-probe-${process.pid}`);
const canMount = process.platform === 'linux' && mountTmpfs(probe);
if (canMount) spawnSync('umount', [probe]);

describe('a repository that goes beneath a running backup', async () => {
  const folder = await scratchForSuite('gone-repository');
  const mounted: string[] = [];
  afterAll(() => {
    for (const each of mounted) spawnSync('umount', ['-l', each]);
  });
  let number = 0;

  /** A guest of 48 MiB of noise, and a backup of it at 8 MiB/s that has stored something. */
  async function running(options: { mount?: boolean; waitSeconds: number }) {
    const own = join(folder, `w${++number}`);
    const share = join(own, 'share');
    mkdirSync(own, { recursive: true });
    if (options.mount) {
      expect(mountTmpfs(share)).toBe(true);
      mounted.push(share);
    }
    const world = (await World.create(own)).with(join(share, 'repository'));
    ok(['repository', 'create', world.repository], world);
    world.vm('guest', await world.rawImage(noise(48 * MIB, number)));
    world.env = { HVBACKUP_STORAGE_WAIT_SECONDS: String(options.waitSeconds) };
    const args = ['backup', '--host', world.host, '--vm', 'guest', '--repository', world.repository];
    const backup = start([...args, '--limit-rate', '8M'], world);
    const packs = join(world.repository, 'packs');
    while (backup.exitCode === null && !existsSync(packs)) await delay(20);
    await delay(1000);
    expect(backup.exitCode).toBe(null);
    return { world, share, backup };
  }

  const GONE = /repository is not there any more: it was deleted or moved, or its disk or share was unmounted/;

  it('deleted: the backup fails and says so, and the folder stays away', { timeout: 240_000 }, async () => {
    const { world, backup } = await running({ waitSeconds: 2 });
    await rm(world.repository, { recursive: true });
    const answer = await backup.done;
    expect(answer.status).not.toBe(0);
    expect(answer.stderr + answer.stdout).toMatch(GONE);
    expect(existsSync(world.repository)).toBe(false);
    // The VM is left as it was: a backup elsewhere finds nothing to clean up.
    const other = world.with(join(world.folder, 'other'));
    ok(['repository', 'create', other.repository], other);
    expect(other.backup('guest').warnings).toEqual([]);
  });

  it.skipIf(!canMount)(
    'unmounted: nothing is written beneath it (needs the right to mount)',
    { timeout: 240_000 },
    async () => {
      const { share, backup } = await running({ mount: true, waitSeconds: 2 });
      expect(spawnSync('umount', ['-l', share]).status).toBe(0);
      const answer = await backup.done;
      expect(answer.status).not.toBe(0);
      expect(answer.stderr + answer.stdout).toMatch(GONE);
      expect(await readdir(share)).toEqual([]);
    },
  );

  // A local disk that fails a write has failed for good (docs/storage.md): this is for what behaves as shares do.
  it.skipIf(!canMount)(
    'away for some seconds: the backup waits for it, and is whole',
    { timeout: 240_000 },
    async () => {
      const { world, backup } = await running({ mount: true, waitSeconds: 60 });
      await rename(world.repository, `${world.repository}-away`);
      await delay(4000);
      expect(existsSync(world.repository)).toBe(false);
      await rename(`${world.repository}-away`, world.repository);
      const answer = await backup.done;
      expect([answer.status, answer.stderr]).toEqual([0, expect.stringMatching(/cannot be found \(ENOENT\); waiting/)]);
      world.env = {};
      expect(world.points()).toHaveLength(1);
      expect(world.verify()).toBe(true);
    },
  );
});
