/** Changes behind the host's back: found in the files at the next checkpoint, whatever the state remembers. */
import { copyFile, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createVhdxWriter, openDisk, resizeVhdx } from '../../../../backend/src/disk/index.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { hasTool, tool } from '../../support/tools.ts';
import { codeOf, MIB, SimWorld } from '../support.ts';

describe('simulated host, changes behind its back', () => {
  const scratch = scratchForEach('sim-offline');
  let world: SimWorld;
  let ids: string[];
  let paths: string[];

  beforeEach(async () => {
    world = await SimWorld.create(await scratch(), [4 * MIB, 4 * MIB]);
    await world.write(0, { offset: 0, fill: 1, length: MIB });
    ids = await world.backup();
    paths = (await world.host.getVm('guest')).disks.map((disk) => disk.path);
    await world.reopen();
  });
  afterEach(() => world.host.close());

  /** Disk 0 must refuse its old id with `code`, disk 1 must not care, and tracking must go on from here. */
  async function expectRefused(code: string): Promise<void> {
    const checkpoint = await world.checkpoint();
    expect(await codeOf(world.changes(checkpoint, ids[0]!, 0))).toBe(code);
    expect(await world.changes(checkpoint, ids[1]!, 1)).toEqual([]);
    expect(checkpoint.disks[0]!.size).toBe(world.models[0]!.length);
    expect((await world.frozen(checkpoint)).equals(world.models[0]!)).toBe(true);
    const point = await world.host.convertToReferencePoint(checkpoint.id);
    await world.write(0, { offset: 8192, fill: 9, length: 10 });
    const next = await world.checkpoint();
    expect(await codeOf(world.changes(next, ids[0]!, 0))).toBe(code);
    expect(await world.changes(next, point.disks[0]!.rctId, 0)).toEqual([{ offset: 8192, length: 4096 }]);
    expect((await world.frozen(next)).equals(world.models[0]!)).toBe(true);
    await world.host.removeCheckpoint(next.id);
  }

  it('the journal is gone', async () => {
    await rm(`${paths[0]}.rct`);
    await expectRefused('TRACKING_LOST');
  });

  it('the journal is gone between checkpoint and query', async () => {
    const checkpoint = await world.checkpoint();
    await rm(`${paths[0]}.rct`);
    expect(await codeOf(world.changes(checkpoint, ids[0]!, 0))).toBe('TRACKING_LOST');
    await world.host.removeCheckpoint(checkpoint.id);
    await expectRefused('TRACKING_LOST');
  });

  it('the journal is damaged, cut or an old copy', async () => {
    const journal = `${paths[0]}.rct`;
    const old = await readFile(journal);
    await world.write(0, { offset: 0, fill: 2, length: 512 });
    const whole = await readFile(journal);
    const damaged = Buffer.from(whole);
    damaged[whole.length - 3]! ^= 1;
    for (const bytes of [damaged, whole.subarray(0, whole.length - 1), old]) {
      await writeFile(journal, bytes);
      await expectRefused('TRACKING_LOST');
      ids = await world.backup();
    }
  });

  it('the content was changed by another program', async () => {
    const disk = await openDisk(paths[0]!, { writable: true });
    await disk.write(2 * MIB, Buffer.alloc(512, 7));
    await disk.close();
    world.models[0]!.fill(7, 2 * MIB, 2 * MIB + 512);
    await expectRefused('TRACKING_CHANGED_OFFLINE');
  });

  it('the content was changed by another program, and the guest wrote after that', async () => {
    const disk = await openDisk(paths[0]!, { writable: true });
    await disk.write(2 * MIB, Buffer.alloc(512, 7));
    await disk.close();
    world.models[0]!.fill(7, 2 * MIB, 2 * MIB + 512);
    await world.write(0, { offset: 0, fill: 3, length: 512 });
    await expectRefused('TRACKING_CHANGED_OFFLINE');
  });

  it.skipIf(!hasTool('qemu-io'))('qemu-io wrote to it (needs qemu-io)', async () => {
    tool('qemu-io', '-f', 'vhdx', '-c', 'write -P 0x5a 1M 64k', paths[0]!);
    world.models[0]!.fill(0x5a, MIB, MIB + 65536);
    await expectRefused('TRACKING_CHANGED_OFFLINE');
  });

  it('another program resized it', async () => {
    await resizeVhdx(paths[0]!, 6 * MIB);
    world.models[0] = Buffer.concat([world.models[0]!, Buffer.alloc(2 * MIB)]);
    expect((await world.host.getVm('guest')).disks[0]!.size).toBe(6 * MIB);
    await expectRefused('TRACKING_ID_INVALID');
  });

  it('the file was replaced by another disk', async () => {
    const [before] = (await world.host.getVm('guest')).disks;
    const other = join(world.directory, '..', 'other.vhdx');
    const writer = await createVhdxWriter(other, { size: 5 * MIB });
    await writer.write(MIB, Buffer.alloc(MIB, 4));
    await writer.finish();
    await copyFile(other, paths[0]!);
    world.models[0] = Buffer.alloc(5 * MIB).fill(4, MIB, 2 * MIB);
    const [after] = (await world.host.getVm('guest')).disks;
    expect(after!.id).not.toBe(before!.id);
    expect(after!.size).toBe(5 * MIB);
    await expectRefused('TRACKING_ID_INVALID');
  });

  it('a disk is missing or damaged: the VM is still there, a checkpoint names the file', async () => {
    await truncate(paths[0]!, 100_000);
    expect((await world.host.getVm('guest')).disks[0]).toMatchObject({ size: 0, id: '' });
    expect((await world.host.listVms())[0]).toMatchObject({ disks: 2, size: 4 * MIB });
    await expect(world.checkpoint()).rejects.toMatchObject({
      code: 'DISK_CORRUPT',
      message: expect.stringContaining(paths[0]!),
    });
    await rm(paths[0]!);
    await expect(world.checkpoint()).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      message: expect.stringContaining(paths[0]!),
    });
    expect(await world.host.listRecoveryCheckpoints(world.vmId)).toEqual([]);
    const names = await readdir(join(world.directory, 'Virtual Hard Disks'));
    expect(names.filter((name) => name.endsWith('.avhdx'))).toEqual([]);
  });

  it('resized, replaced and removed through the host', async () => {
    await world.host.resizeDisk(world.vmId, 0, 6 * MIB);
    world.models[0] = Buffer.concat([world.models[0]!, Buffer.alloc(2 * MIB)]);
    await expectRefused('TRACKING_ID_INVALID');
    const [before] = (await world.host.getVm('guest')).disks;
    await world.host.replaceDisk(world.vmId, 0, { size: 2 * MIB });
    world.models[0] = Buffer.alloc(2 * MIB);
    const [after, second] = (await world.host.getVm('guest')).disks;
    expect(after!.id).not.toBe(before!.id);
    expect(after).toMatchObject({ controllerLocation: before!.controllerLocation, size: 2 * MIB });
    await expectRefused('TRACKING_ID_INVALID');
    await world.host.addDisk(world.vmId, { size: MIB });
    await world.host.removeDisk(world.vmId, 0);
    const { disks } = await world.host.getVm('guest');
    expect(disks.map(({ index, size, id }) => ({ index, size, id }))).toEqual([
      { index: 0, size: 4 * MIB, id: second!.id },
      { index: 1, size: MIB, id: expect.any(String) },
    ]);
    const checkpoint = await world.checkpoint();
    expect(await world.changes(checkpoint, ids[1]!, 0)).toEqual([]);
  });
});
