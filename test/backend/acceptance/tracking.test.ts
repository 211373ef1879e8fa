/** What ends a disk's chain, one by one: that disk alone goes full, says why, and older restore points stay right. */
import { createHash } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { noise } from '../../fixtures/content.ts';
import { ok, start } from '../support/cli.ts';
import { scratchForEach } from '../support/scratch.ts';
import { sha256File } from '../support/sparse.ts';
import { hasTool, tool } from '../support/tools.ts';
import { World } from './world.ts';

const MIB = 1024 * 1024;
const BLOCK = 65536;
/** What an incremental reads for a small change. */
const PAGE = 16384;
const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');

describe('change tracking', () => {
  const scratch = scratchForEach('tracking');
  let world: World;
  let models: Buffer[];
  let first: string;
  let paths: string[];

  beforeEach(async () => {
    world = await World.create(await scratch(), { blockSize: BLOCK });
    models = [noise(8 * MIB, 1), noise(6 * MIB, 2)];
    const images = [await world.rawImage(models[0]!), await world.rawImage(models[1]!)];
    paths = world.vm('guest', ...images).disks.map((disk: { path: string }) => disk.path);
    first = world.backup('guest').restorePointId;
  });

  /** Backs up and expects these modes; content is compared with the models; the first point stays as it was. */
  async function expectBackup(modes: string[], reason?: RegExp) {
    const result = world.backup('guest');
    expect(result.disks.map((disk: { mode: string }) => disk.mode)).toEqual(modes);
    for (const disk of result.disks) {
      if (disk.mode === 'incremental') expect(disk.reason).toBeUndefined();
      else expect(disk.reason).toMatch(reason ?? /./);
    }
    expect(await world.hashes(result.restorePointId)).toEqual(models.map(sha256));
    expect(await world.hashes(first)).toEqual([sha256(noise(8 * MIB, 1)), sha256(noise(6 * MIB, 2))]);
    return result;
  }

  async function write(disk: number, offset: number, data: Buffer) {
    await world.write('guest', disk, offset, data);
    data.copy(models[disk]!, offset);
  }

  it('reads what changed, rounded to blocks, and nothing else', async () => {
    await write(0, 10 * BLOCK + 512, Buffer.alloc(1024, 7));
    await write(0, 50 * BLOCK - 512, Buffer.alloc(1024, 8));
    const result = await expectBackup(['incremental', 'incremental']);
    expect(result.disks[0].readBytes).toBe(3 * PAGE);
    expect(result.disks[1]).toMatchObject({ readBytes: 0, changedBytes: 0, newBytes: 0 });
    expect(result.disks[0].changedBytes).toBeGreaterThanOrEqual(2048);
    expect(result.disks[0].changedBytes).toBeLessThanOrEqual(3 * BLOCK);
  });

  it('leaves out what is written while the backup runs', async () => {
    const running = start(
      ['backup', '--host', world.host, '--vm', 'guest', '--repository', world.repository, '--mode', 'full'],
      world,
    );
    const before = models.map(sha256);
    const states = [before[0]!];
    // Over all of the backup, however long it takes here.
    for (let i = 0; running.exitCode === null; i++) {
      await sleep(50);
      await write(0, (i % 100) * BLOCK, Buffer.alloc(4096, i));
      states.push(sha256(models[0]!));
    }
    const result = (await running.done).json.results[0];
    // The point holds one of the states the disk went through, whole: never a mixture.
    expect(states).toContain((await world.hashes(result.restorePointId))[0]);
    await expectBackup(['incremental', 'incremental']);
  });

  it('lost: the journal beside the disk is gone', async () => {
    for (const name of await readdir(join(paths[0]!, '..'))) {
      if (name.startsWith(paths[0]!.split('/').at(-1)!) && /\.(rct|mrt)$/.test(name))
        await rm(join(paths[0]!, '..', name));
    }
    await write(1, 0, Buffer.alloc(512, 9));
    await expectBackup(['full', 'incremental']);
    await expectBackup(['incremental', 'incremental']);
  });

  it.skipIf(!hasTool('qemu-io'))('changed offline (needs qemu-io)', async () => {
    tool('qemu-io', '-f', 'vhdx', '-c', 'write -P 0x5a 1M 64k', paths[0]!);
    models[0]!.fill(0x5a, MIB, MIB + 65536);
    await expectBackup(['full', 'incremental'], /offline/i);
    await expectBackup(['incremental', 'incremental']);
  });

  it('with a reference point whose id was sealed after the freeze: nothing the guest wrote meanwhile is lost', async () => {
    ok(['host', 'fault', '--set', 'reference-point-rct-id-differs', '--host', world.host, '--vm', 'guest']);
    const args = ['backup', '--host', world.host, '--vm', 'guest', '--repository', world.repository, '--mode', 'full'];
    const running = start(args, world);
    // Until it has ended: before the freeze, between it and the sealing, and after.
    for (let i = 0; running.exitCode === null || i < 12; i++) {
      await sleep(50);
      await write(0, (i % 12) * 5 * BLOCK, Buffer.alloc(4096, 0x40 + i));
    }
    expect((await running.done).status).toBe(0);
    const result = world.backup('guest');
    expect(await world.hashes(result.restorePointId)).toEqual(models.map(sha256));
  });

  it.each([
    ['query-fails', /TRACKING_INCONSISTENT/],
    ['tracking-lost', /TRACKING_/],
  ])('refused by the host (%s)', async (fault, reason) => {
    ok(['host', 'fault', '--set', fault, '--host', world.host, '--vm', 'guest', '--disk', '1', '--count', '1']);
    await write(1, 0, Buffer.alloc(512, 9));
    await expectBackup(['incremental', 'full'], reason);
    await expectBackup(['incremental', 'incremental']);
  });

  it('application consistency refused: an error, or crash-consistent where that is allowed, and said so', async () => {
    ok(['host', 'fault', '--set', 'application-consistency-refused', '--host', world.host, '--vm', 'guest']);
    const refused = world.tryBackup('guest');
    expect([refused.status, refused.json.error.code]).toEqual([1, 'CONSISTENCY_NOT_POSSIBLE']);
    const result = world.backup('guest', '--allow-crash-consistent');
    expect(result.consistency).toBe('crash');
    expect(result.warnings.join()).toMatch(/crash-consistent/);
  });

  it('a checkpoint that cannot be converted: the point stands, the next run goes on', async () => {
    ok(['host', 'fault', '--set', 'convert-fails', '--host', world.host, '--vm', 'guest', '--count', '1']);
    await write(0, 0, Buffer.alloc(512, 5));
    const result = world.backup('guest');
    expect(result.warnings.join()).toMatch(/could not be turned into a reference point/);
    await write(0, MIB, Buffer.alloc(512, 6));
    const next = await expectBackup(['incremental', 'incremental']);
    expect(next.warnings.join()).toMatch(/interrupted: its restore point was complete/);
    expect(ok(['vm', 'show', '--host', world.host, '--vm', 'guest']).vm.disks[0].path).toBe(paths[0]);
  });

  it('a host that is lost half-way: nothing is listed, the next run cleans up', async () => {
    ok(['host', 'fault', '--set', 'host-lost-during-read', '--host', world.host, '--vm', 'guest', '--count', '1']);
    const lost = world.tryBackup('guest', '--mode', 'full');
    expect([lost.status, lost.json.error.code]).toEqual([1, 'HOST_LOST']);
    expect(world.points().map((point) => point.id)).toEqual([first]);
    await expectBackup(['incremental', 'incremental']);
  });

  it('resized', async () => {
    ok(['vm', 'resize', '--host', world.host, '--vm', 'guest', '--disk', '0', '--size', '9M']);
    models[0] = Buffer.concat([models[0]!, Buffer.alloc(MIB)]);
    await expectBackup(['full', 'incremental'], /resized/i);
  });

  it('replaced', async () => {
    models[0] = noise(8 * MIB, 77);
    ok([
      'vm',
      'replace-disk',
      '--host',
      world.host,
      '--vm',
      'guest',
      '--disk',
      '0',
      '--file',
      await world.rawImage(models[0]),
    ]);
    await expectBackup(['full', 'incremental'], /replaced/i);
  });

  it('added', async () => {
    models.push(noise(5 * MIB, 78));
    ok(['vm', 'add-disk', '--host', world.host, '--vm', 'guest', '--file', await world.rawImage(models[2]!)]);
    await expectBackup(['incremental', 'incremental', 'full'], /added/i);
  });

  it('goes on after the newest restore point was removed', async () => {
    await write(0, 0, Buffer.alloc(512, 1));
    const second = world.backup('guest').restorePointId;
    await write(0, MIB, Buffer.alloc(512, 2));
    world.remove(second);
    const result = world.backup('guest');
    expect(await world.hashes(result.restorePointId)).toEqual(models.map(sha256));
    await expectBackup(['incremental', 'incremental']);
  });

  it('keeps the chains of two repositories apart', async () => {
    const other = join(world.folder, 'other');
    ok(['repository', 'create', other], world);
    await write(0, MIB, Buffer.alloc(512, 3));
    const args = ['backup', '--host', world.host, '--vm', 'guest', '--repository', other];
    expect(ok(args, world).results[0].mode).toBe('full');
    await write(0, 2 * MIB, Buffer.alloc(512, 4));
    const result = await expectBackup(['incremental', 'incremental']);
    expect(result.disks[0].readBytes).toBe(2 * PAGE);
    const second = ok(args, world).results[0];
    expect(second.mode).toBe('incremental');
    const to = join(world.folder, 'other-export');
    const { files } = ok(
      ['export', '--repository', other, '--point', second.restorePointId, '--to', to, '--format', 'raw', '--disk', '0'],
      world,
    );
    expect(await sha256File(files[0].path)).toBe(sha256(models[0]!));
  });
});
