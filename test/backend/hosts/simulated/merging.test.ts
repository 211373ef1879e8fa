/** Merging while others read, and merges that fail. */
import { copyFile, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createVhdx, inspectDisk } from '../../../../backend/src/disk/index.ts';
import type { RecoveryCheckpoint } from '../../../../backend/src/hosts/port.ts';
import { noise } from '../../../fixtures/content.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { hasTool, tool } from '../../support/tools.ts';
import { content } from '../fixture.ts';
import { codeOf, MIB, SimWorld } from '../support.ts';

describe('simulated host, merging', () => {
  const scratch = scratchForEach('sim-merging');
  let folder: string;
  let world: SimWorld;
  beforeEach(async () => {
    folder = await scratch();
    world = await SimWorld.create(folder, []);
    // Small blocks: merging allocates many in the base.
    const image = join(folder, 'image.vhdx');
    await createVhdx(image, { size: 40 * MIB, blockSize: MIB });
    await world.host.addDisk(world.vmId, { file: image });
    world.models = [Buffer.alloc(40 * MIB)];
  });
  afterEach(() => world.host.close());

  it('ends what a reader sees with an error, never with other bytes', async () => {
    await world.write(0, { offset: 0, data: noise(MIB, 1) });
    const checkpoint = await world.checkpoint();
    await world.write(0, { offset: 0, data: noise(MIB, 2) });
    const device = await world.host.openDisk(checkpoint, 0);
    const target = Buffer.alloc(4096);
    await device.read(0, target);
    expect(target.equals(noise(MIB, 1).subarray(0, 4096))).toBe(true);
    await world.host.removeCheckpoint(checkpoint.id);
    expect(await codeOf(device.read(0, target))).toBe('CHECKPOINT_NOT_FOUND');
    const walk = async () => {
      for await (const _ of device.extents()) void _;
    };
    expect(await codeOf(walk())).toBe('CHECKPOINT_NOT_FOUND');
    await device.close();
  });

  it('of an older checkpoint does not disturb who reads a newer one', async () => {
    await world.write(0, { offset: MIB, data: noise(MIB, 1) });
    const older = await world.checkpoint();
    // Parts of blocks only: the rest of each is read from below, where the merge is going to allocate it.
    for (let block = 3; block < 40; block += 2)
      await world.write(0, { offset: block * MIB + 4096, data: noise(8192, block) });
    const newer = await world.checkpoint();
    const expected = world.snapshot()[0]!;
    const [untouched, early] = [await world.host.openDisk(newer, 0), await world.host.openDisk(newer, 0)];
    await early.read(0, Buffer.alloc(512));
    await world.write(0, { offset: 0, data: noise(30 * MIB, 3) });
    const removing = world.host.removeCheckpoint(older.id);
    expect((await content(early)).equals(expected)).toBe(true);
    await removing;
    expect((await content(untouched)).equals(expected)).toBe(true);
    let at = 0;
    for await (const extent of early.extents()) {
      expect(extent.offset).toBe(at);
      at += extent.length;
      const part = expected.subarray(extent.offset, at);
      if (extent.kind === 'zero') expect(part.equals(Buffer.alloc(part.length))).toBe(true);
    }
    expect(at).toBe(40 * MIB);
    await untouched.close();
    await early.close();
    await world.host.removeCheckpoint(newer.id);
    expect((await world.current()).equals(world.models[0]!)).toBe(true);
  });

  it('that fails is shown, holds nothing up but checkpoints, and is tried again', async () => {
    await world.host.setFault({ name: 'merge-stuck' });
    const checkpoint = await world.checkpoint();
    await world.write(0, { offset: 0, data: noise(MIB, 4) });
    await world.host.convertToReferencePoint(checkpoint.id);
    const { path } = (await world.host.getVm('guest')).disks[0]!;
    await copyFile(path, `${path}.aside`);
    await writeFile(path, 'nothing of a disk');
    await world.host.clearFaults();
    expect(await world.host.mergeState(world.vmId)).toEqual([{ diskIndex: 0, state: 'failed' }]);
    expect(await codeOf(world.checkpoint())).toBe('DISK_CORRUPT');
    await rename(`${path}.aside`, path);
    await world.reopen();
    expect(await world.host.mergeState(world.vmId)).toEqual([]);
    expect((await world.current()).equals(world.models[0]!)).toBe(true);
  });

  it('cleans up files whose names were never given', async () => {
    const name = join(world.directory, 'Virtual Hard Disks', '.guest.vhdx.0123456789ab.tmp');
    await writeFile(name, 'half');
    await world.reopen();
    expect(
      (await readdir(join(world.directory, 'Virtual Hard Disks'))).filter((entry) => entry.startsWith('.')),
    ).toEqual([]);
  });

  it.skipIf(!hasTool('qemu-img'))(
    'leaves files that qemu-img finds right: chain and base (needs qemu-img)',
    async () => {
      await world.write(0, { offset: 5 * MIB + 512, data: noise(MIB, 5) });
      const first = await world.checkpoint();
      await world.write(0, { offset: 7 * MIB, data: noise(3 * MIB, 6) });
      const second = await world.checkpoint();
      await world.write(0, { offset: 6 * MIB + 512, data: noise(3 * MIB, 7) });
      await world.host.removeCheckpoint(first.id);
      const names = () => readdir(join(world.directory, 'Virtual Hard Disks'));
      const vhdx = (await names()).filter((name) => name.endsWith('vhdx'));
      expect(vhdx.length).toBe(2);
      // The child names its parent as it is now.
      const { path } = (await world.host.getVm('guest')).disks[0]!;
      const frozen: RecoveryCheckpoint = (await world.host.listRecoveryCheckpoints(world.vmId))[0]!;
      const child = await inspectDisk(path);
      expect(child.parent!.linkage).toContain((await inspectDisk(frozen.disks[0]!.path)).dataWriteGuid);
      expect(child.parent!.relativePath).toMatch(/\.vhdx$/);
      await world.host.removeCheckpoint(second.id);
      const [base] = (await names()).filter((name) => name.endsWith('vhdx'));
      const file = join(world.directory, 'Virtual Hard Disks', base!);
      tool('qemu-img', 'check', '-f', 'vhdx', file);
      const raw = join(folder, 'model.raw');
      await writeFile(raw, world.models[0]!);
      tool('qemu-img', 'compare', '-f', 'vhdx', '-F', 'raw', file, raw);
    },
  );
});
