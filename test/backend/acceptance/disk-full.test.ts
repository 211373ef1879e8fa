/** Volumes that run full: a clear error, nothing half-made, and everything works again when there is room. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noise } from '../../../build/fixtures/content.ts';
import { cli, ok } from '../support/cli.ts';
import { scratchForSuite } from '../support/scratch.ts';
import { World } from './world.ts';

const MIB = 1024 * 1024;

/** A file system of 24 MiB, where this machine lets us have one. */
function mountSmall(folder: string): boolean {
  mkdirSync(folder, { recursive: true });
  return spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', folder]).status === 0;
}

const probe = join(tmpdir(), `hvb-mount-${process.pid}`);
const canMount = process.platform === 'linux' && mountSmall(probe);
if (canMount) spawnSync('umount', [probe]);

describe.skipIf(!canMount)('a full volume (needs the right to mount a tmpfs)', async () => {
  const folder = await scratchForSuite('full');
  const small = join(folder, 'small');
  let world: World;

  beforeAll(async () => {
    expect(mountSmall(small)).toBe(true);
    world = await World.create(join(folder, 'world'));
    world.vm('guest', await world.rawImage(noise(48 * MIB, 1)));
  });
  afterAll(() => {
    spawnSync('umount', [small]);
  });

  it('of the repository', async () => {
    const repository = join(small, 'repository');
    ok(['repository', 'create', repository], world);
    const args = ['backup', '--host', world.host, '--vm', 'guest', '--repository', repository];
    const answer = cli(args, world);
    expect(answer.status).toBe(1);
    expect(answer.json.error.code).toBe('DISK_FULL');
    expect(answer.stderr).toMatch(/no space left.*small/i);
    expect(ok(['list', '--repository', repository], world).points).toEqual([]);
    // The checkpoint is gone at once: a backup elsewhere finds nothing to clean up.
    expect(world.backup('guest').warnings).toEqual([]);
    expect(cli(['check', '--repository', repository], world).status).toBe(0);
    await rm(repository, { recursive: true });
  });

  it('that a disk is exported or restored to', async () => {
    const { restorePointId } = world.backup('guest');
    const to = join(small, 'out');
    for (const format of ['raw', 'vhdx', 'vhd', 'qcow2']) {
      const args = ['--repository', world.repository, '--point', restorePointId];
      const answer = cli(['export', ...args, '--to', to, '--format', format], world);
      expect([format, answer.status, answer.json.error?.code]).toEqual([format, 1, 'DISK_FULL']);
      // Refused before anything was written, with the figures.
      expect(answer.json.error.data.needed).toBe(48 * MIB);
      expect(answer.stderr).toMatch(/50331648 bytes are needed, \d+ are free/);
      expect(await readdir(to)).toEqual([]);
    }
    const host = join(small, 'host');
    ok(['host', 'create', host]);
    const restore = ['restore', '--repository', world.repository, '--point', restorePointId, '--host', `sim:${host}`];
    const answer = cli(restore, world);
    expect([answer.status, answer.json.error?.code]).toEqual([1, 'DISK_FULL']);
    expect(ok(['vm', 'list', '--host', `sim:${host}`]).vms).toEqual([]);
    await rm(host, { recursive: true });
  });

  it('of the host, while the guest writes during a backup', async () => {
    const host = join(small, 'host2');
    ok(['host', 'create', host]);
    const image = join(folder, 'eight.raw');
    await writeFile(image, noise(8 * MIB, 2));
    ok(['vm', 'create', '--host', `sim:${host}`, '--name', 'tight', '--disk', image]);
    await writeFile(join(small, 'filler'), noise(12 * MIB, 3)).catch(() => undefined);
    const answer = cli(['backup', '--host', `sim:${host}`, '--vm', 'tight', '--repository', world.repository], world);
    await rm(join(small, 'filler'));
    // Whether there was room for the checkpoint or not: afterwards the VM is whole and a backup works.
    expect([0, 1]).toContain(answer.status);
    const again = ['backup', '--host', `sim:${host}`, '--vm', 'tight', '--repository', world.repository];
    expect(ok(again, world).results[0].vmName).toBe('tight');
    expect(world.verify()).toBe(true);
  });
});
