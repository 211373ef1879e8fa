/** A disk of a host that has no room for another VM: what was begun goes, and the host goes on. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { noise } from '../../fixtures/content.ts';
import { cli, ok } from '../support/cli.ts';
import { scratchForEach } from '../support/scratch.ts';
import { World } from './world.ts';

const MIB = 1 << 20;

describe('a host without room', () => {
  const scratch = scratchForEach('left-behind');
  let world: World;

  beforeEach(async () => {
    world = await World.create(await scratch(), { blockSize: 65536 });
  });

  const mount = (folder: string, size: string): boolean => {
    mkdirSync(folder, { recursive: true });
    return spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder]).status === 0;
  };

  it('keeps nothing of a VM that could not be created', async (context) => {
    const small = join(world.folder, 'small');
    if (process.platform !== 'linux' || !mount(small, '24m')) return context.skip('needs the right to mount a tmpfs');
    try {
      const host = `sim:${join(small, 'host')}`;
      ok(['host', 'create', join(small, 'host')]);
      const image = await world.rawImage(noise(8 * MIB, 2));
      const create = (name: string, disks: number) =>
        cli(['vm', 'create', '--host', host, '--name', name, ...Array(disks).fill(['--disk', image]).flat()]);
      expect(create('one', 1).status).toBe(0);
      const free = () => spawnSync('df', ['--output=avail', small], { encoding: 'utf8' }).stdout.split('\n')[1];
      const before = free();
      for (let round = 0; round < 3; round++) {
        const { status, json } = create('two', 2);
        expect([status, json.error.code]).toEqual([1, 'DISK_FULL']);
        expect(ok(['vm', 'list', '--host', host]).vms).toHaveLength(1);
        expect(Number(before) - Number(free())).toBeLessThan(1024);
      }
    } finally {
      spawnSync('umount', [small]);
    }
  });
});
