/** Every format a restore point is exported as, judged by tools that others wrote; chains of differences included. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createVhdxWriter } from '../../../backend/src/disk/index.ts';
import { noise } from '../../fixtures/content.ts';
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

  it.skipIf(!hasTool('qemu-img'))(
    'a fixed VHD, and one for Azure: whole MiB, the rest zeros (needs qemu-img)',
    async () => {
      const size = 32 * MIB + 512;
      for (const [how, rounded] of [
        [['--subformat', 'fixed'], size],
        [['--azure'], 33 * MIB],
        [['--azure', '--subformat', 'fixed'], 33 * MIB],
      ] as const) {
        const to = join(folder, `fixed-${how.join('')}`);
        const args = ['--repository', world.repository, '--point', points[3]!, '--to', to, '--format', 'vhd', ...how];
        const { files, warnings } = ok(['export', ...args], world);
        expect(files[0]).toMatchObject({ format: 'vhd', size: rounded, fileSize: rounded + 512 });
        expect(warnings.join()).toMatch(
          rounded === size ? /^$/ : /disk 0 was rounded up from 33554944 to 34603008 bytes/,
        );
        const info = JSON.parse(tool('qemu-img', 'info', '-f', 'vpc', '--output=json', files[0].path));
        expect(info['virtual-size']).toBe(rounded);
        expect(ok(['disk', 'info', files[0].path])).toMatchObject({ type: 'fixed', size: rounded });
        expect(ok(['disk', 'check', files[0].path])).toMatchObject({ ok: true });
        // Longer by zeros only: what qemu-img calls identical without its strict mode.
        expect(tool('qemu-img', 'compare', '-f', 'raw', '-F', 'vpc', raw(3), files[0].path)).toMatch(/identical/);
        // Sparse: 20 of 32 MiB are zeros.
        expect((await stat(files[0].path)).blocks * 512).toBeLessThan(14 * MIB);
        if (!hasLibvhdi) continue;
        const padded = Buffer.concat([await readFile(raw(3)), Buffer.alloc(rounded - size)]);
        const sha256 = createHash('sha256').update(padded).digest('hex');
        expect(libvhdiContent(files[0].path)).toEqual({ size: rounded, sha256 });
        await rm(to, { recursive: true });
      }
    },
  );

  it('options that contradict each other are refused before anything is made', async () => {
    const to = join(folder, 'refused');
    const args = ['export', '--repository', world.repository, '--point', points[3]!, '--to', to];
    for (const more of [
      ['--format', 'vhdx', '--azure'],
      ['--format', 'raw', '--subformat', 'fixed'],
      ['--format', 'vhd', '--azure', '--subformat', 'dynamic'],
    ]) {
      const { status, json } = cli([...args, ...more], world);
      expect([status, json.error.code]).toEqual([2, 'USAGE']);
    }
    expect(existsSync(to)).toBe(false);
  });

  it('a disk with 4 KiB sectors: raw and qcow2 say what they do not record, vhdx records it, vhd refuses', async () => {
    const image = join(folder, 'big-sectors.vhdx');
    const writer = await createVhdxWriter(image, { size: 4 * MIB, logicalSectorSize: 4096, physicalSectorSize: 4096 });
    await writer.write(0, noise(MIB, 9));
    await writer.finish();
    world.vm('big sectors', image);
    const point = world.backup('big sectors').restorePointId;
    const args = ['export', '--repository', world.repository, '--point', point];
    for (const format of ['raw', 'qcow2']) {
      const { warnings } = ok([...args, '--to', join(folder, `4k-${format}`), '--format', format], world);
      expect(warnings).toEqual([expect.stringContaining('sectors of 4096 bytes')]);
    }
    const { files, warnings } = ok([...args, '--to', join(folder, '4k'), '--format', 'vhdx'], world);
    expect(warnings).toEqual([]);
    expect(ok(['disk', 'info', files[0].path]).logicalSectorSize).toBe(4096);
    expect(cli([...args, '--to', join(folder, '4k'), '--format', 'vhd'], world).json.error.code).toBe('NOT_SUPPORTED');
  });

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
