/** Every format a restore point is exported as, judged by tools that others wrote; chains of differences included. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { noise } from '../../../build/fixtures/content.ts';
import { cli, ok } from '../support/cli.ts';
import { hasLibvhdi, libvhdiContent } from '../support/libvhdi.ts';
import { scratchForSuite } from '../support/scratch.ts';
import { sha256File } from '../support/sparse.ts';
import { hasTool, tool } from '../support/tools.ts';
import { World } from './world.ts';

const MIB = 1024 * 1024;

describe('exports', async () => {
  const folder = await scratchForSuite('export');
  const points: string[] = [];
  let world: World;

  const run = (point: string, to: string, ...more: string[]) =>
    ok(['export', '--repository', world.repository, '--point', point, '--to', join(folder, to), ...more], world).files;

  beforeAll(async () => {
    world = await World.create(join(folder, 'world'), { blockSize: 65536 });
    const content = Buffer.concat([noise(9 * MIB, 1), Buffer.alloc(20 * MIB), noise(3 * MIB + 512, 2)]);
    world.vm('a/b: "c"', await world.rawImage(content));
    for (let round = 0; round < 4; round++) {
      points.push(world.backup('a/b: "c"').restorePointId);
      await world.write('a/b: "c"', 0, round * 3 * MIB + 512, noise(70_144, 10 + round));
      await world.write('a/b: "c"', 0, round * MIB, Buffer.alloc(200 * 512)); // zeros over data
    }
    for (const [i, point] of points.entries()) run(point, `raw${i}`, '--format', 'raw');
  });

  const raw = (i: number) => join(folder, `raw${i}`, 'a_b_ _c_-disk0.raw');

  it.skipIf(!hasTool('qemu-img')).each(['vhdx', 'vhd', 'qcow2'])(
    '%s is what qemu-img reads (needs qemu-img)',
    (format) => {
      const [file] = run(points[3]!, `image-${format}`, '--format', format);
      if (format !== 'vhd') expect(tool('qemu-img', 'check', file.path)).toMatch(/No errors/);
      const name = format === 'vhd' ? 'vpc' : format;
      expect(tool('qemu-img', 'compare', '-f', 'raw', '-F', name, raw(3), file.path)).toMatch(/identical/);
      if (format !== 'qcow2') expect(ok(['disk', 'check', file.path])).toMatchObject({ ok: true, problems: [] });
    },
  );

  it('differences make a chain four deep, the same to libvhdi (where installed) as the whole disks', async () => {
    const chain = [run(points[0]!, 'chain', '--format', 'vhdx')[0].path];
    for (let i = 1; i < points.length; i++) {
      const [file] = run(points[i]!, 'chain', '--format', 'vhdx', '--base', points[i - 1]!);
      expect(file.parent).toBe(chain[0]);
      expect(file.writtenBytes).toBeLessThan(MIB);
      chain.unshift(file.path);
      const expected = await sha256File(raw(i));
      if (hasLibvhdi) expect(libvhdiContent(...chain).sha256).toBe(expected);
      // Our own reader finds the parents by what the images say.
      world.vm(`again ${i}`, file.path);
      expect(await world.hashes(world.backup(`again ${i}`).restorePointId)).toEqual([expected]);
    }
  });

  it('a difference is refused without its parent, over another, and in another format', async () => {
    const args = ['export', '--repository', world.repository, '--point', points[2]!, '--base', points[1]!];
    const to = join(folder, 'alone');
    const missing = cli([...args, '--to', to, '--format', 'vhdx'], world);
    expect([missing.status, missing.json.error.code]).toEqual([1, 'DISK_PARENT_MISSING']);
    run(points[0]!, 'alone', '--format', 'vhdx');
    expect(cli([...args, '--to', to, '--format', 'vhdx'], world).json.error.code).toBe('DISK_PARENT_MISSING');
    expect(cli([...args, '--to', to, '--format', 'qcow2'], world).json.error.code).toBe('NOT_SUPPORTED');
    await rm(to, { recursive: true });
  });
});
