/** VMs from copies of disk images: any kind of image, any name, whole or not at all. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createVhdx, createVhdxWriter, inspectDisk, openDisk } from '../../../../backend/src/disk/index.ts';
import {
  createSimulatedHost,
  openSimulatedHost,
  type SimulatedHost,
} from '../../../../backend/src/hosts/simulated/index.ts';
import { noise } from '../../../fixtures/content.ts';
import { hasSamples, sampleManifest, unpackSample } from '../../support/samples.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { content } from '../fixture.ts';
import { codeOf, MIB } from '../support.ts';

describe('simulated host, new VMs', () => {
  const scratch = scratchForEach('sim-create');
  let folder: string;
  let host: SimulatedHost;
  beforeEach(async () => {
    folder = await scratch();
    host = await createSimulatedHost(join(folder, 'host'));
  });
  afterEach(() => host.close());

  async function contentOf(path: string): Promise<Buffer> {
    const disk = await openDisk(path);
    try {
      return await content(disk);
    } finally {
      await disk.close();
    }
  }
  const files = async (name: string) => (await readdir(join(folder, 'host', name))).sort();

  it('copy a dynamic VHDX sparsely, with an id of its own', async () => {
    const image = join(folder, 'image.vhdx');
    const writer = await createVhdxWriter(image, { size: 300 * MIB, blockSize: 2 * MIB });
    await writer.write(77 * MIB, noise(MIB, 1));
    await writer.finish();
    const info = await inspectDisk(image);
    const made = await Promise.all([0, 1].map((n) => host.createVm({ name: `vm ${n}`, disks: [image] })));
    const disks = made.map(({ vm }) => vm.disks[0]!);
    expect(new Set([info.diskId, ...disks.map((disk) => disk.id)]).size).toBe(3);
    for (const disk of disks) {
      expect(disk).toMatchObject({ size: 300 * MIB, blockSize: 2 * MIB });
      expect((await contentOf(disk.path)).equals(await contentOf(image))).toBe(true);
      expect((await stat(disk.path)).blocks * 512).toBeLessThan(4 * MIB);
    }
    expect((await inspectDisk(image)).diskId).toBe(info.diskId);
  });

  it('make a raw image a dynamic VHDX; what is no whole sector is filled up, and said', async () => {
    const image = join(folder, 'image.raw');
    const data = noise(MIB + 700, 2);
    await writeFile(image, data);
    const { vm, warnings } = await host.createVm({ name: 'raw', disks: [image] });
    expect(vm.disks[0]!.size).toBe(MIB + 1024);
    expect(warnings.join()).toContain('324 zero bytes');
    expect((await contentOf(vm.disks[0]!.path)).equals(Buffer.concat([data, Buffer.alloc(324)]))).toBe(true);
    expect((await inspectDisk(vm.disks[0]!.path)).kind).toBe('dynamic');
  });

  it('make a fixed VHDX dynamic, its geometry kept', async () => {
    const image = join(folder, 'fixed.vhdx');
    await createVhdx(image, { size: 6 * MIB, fixed: true, blockSize: 2 * MIB, logicalSectorSize: 4096 });
    const source = await openDisk(image, { writable: true });
    await source.write(5 * MIB, Buffer.alloc(4096, 5));
    await source.close();
    const { vm } = await host.createVm({ name: 'fixed', disks: [image] });
    expect(vm.disks[0]).toMatchObject({ size: 6 * MIB, blockSize: 2 * MIB, logicalSectorSize: 4096 });
    expect((await inspectDisk(vm.disks[0]!.path)).kind).toBe('dynamic');
    expect((await contentOf(vm.disks[0]!.path)).equals(await contentOf(image))).toBe(true);
  });

  it('take an image with a parent together with it', async () => {
    const { createDifferencingVhdx } = await import('../../../../backend/src/disk/index.ts');
    const [base, child] = [join(folder, 'base.vhdx'), join(folder, 'child.avhdx')];
    const writer = await createVhdxWriter(base, { size: 4 * MIB });
    await writer.write(0, noise(2 * MIB, 3));
    await writer.finish();
    await createDifferencingVhdx(child, base);
    const top = await openDisk(child, { writable: true });
    await top.write(MIB, noise(4096, 4));
    await top.close();
    const { vm } = await host.createVm({ name: 'chain', disks: [child] });
    expect((await contentOf(vm.disks[0]!.path)).equals(await contentOf(child))).toBe(true);
    expect((await inspectDisk(vm.disks[0]!.path)).parent).toBeNull();
  });

  it.skipIf(!hasSamples)('replay a dirty log in the copy (needs samples)', async () => {
    const sample = sampleManifest().find((entry) => entry.path!.includes('log-replay'))!;
    const image = await unpackSample(sample, folder);
    const before = createHash('sha256')
      .update(await readFile(image))
      .digest('hex');
    const { vm } = await host.createVm({ name: 'dirty', disks: [image] });
    expect((await inspectDisk(vm.disks[0]!.path)).log).toBe('clean');
    expect((await contentOf(vm.disks[0]!.path)).equals(await contentOf(image))).toBe(true);
    expect(
      createHash('sha256')
        .update(await readFile(image))
        .digest('hex'),
    ).toBe(before);
  });

  it('leave nothing behind when an image is bad', async () => {
    const good = join(folder, 'good.vhdx');
    const writer = await createVhdxWriter(good, { size: 40 * MIB, blockSize: MIB });
    await writer.write(0, noise(8 * MIB, 3));
    await writer.finish();
    const bad = join(folder, 'bad.vhdx');
    await writeFile(bad, await readFile(good));
    await truncate(bad, (await stat(bad)).size - 3 * MIB);
    const empty = join(folder, 'empty.raw');
    await writeFile(empty, '');
    expect(await codeOf(host.createVm({ name: 'x', disks: [good, bad] }))).toBe('DISK_CORRUPT');
    expect(await codeOf(host.createVm({ name: 'x', disks: [good, empty] }))).toBe('DISK_CORRUPT');
    expect(await codeOf(host.createVm({ name: 'x', disks: [join(folder, 'none')] }))).toBe('FILE_NOT_FOUND');
    expect(await codeOf(host.createVm({ name: 'x', disks: [folder] }))).toBe('NOT_A_FILE');
    expect(await host.listVms()).toEqual([]);
    for (const name of ['Virtual Machines', 'Virtual Hard Disks', 'Planned Virtual Machines'])
      expect(await files(name)).toEqual([]);
  });

  it('may have any name, and the same name', async () => {
    const names = [
      'a/b\\c:d*e?f"g<h>i|j',
      '..',
      '.hidden.',
      'CON',
      'com1.vhdx',
      '   ',
      'quote\'s "quotes" `$(rm -rf)`',
      'Überraschung 🎉 مرحبا 你好',
      'line\nbreak\0nul',
      'x'.repeat(300),
      '🎉'.repeat(90),
      'twin',
      'twin',
      'TWIN',
    ];
    for (const name of names) {
      const { vm } = await host.createVm({ name, disks: [{ size: MIB }] });
      await host.guestWrites(vm.id, 0, [{ offset: 0, fill: 1, length: 512 }]);
      const request = { consistency: 'crash' as const, allowCrashConsistent: true, label: name };
      const checkpoint = await host.createRecoveryCheckpoint(vm.id, request);
      expect(checkpoint.label).toBe(name);
      await host.removeCheckpoint(checkpoint.id);
      expect((await host.getVm(vm.id)).name).toBe(name);
    }
    expect((await host.listVms()).map((vm) => vm.name)).toEqual(names);
    const disks = (await files('Virtual Hard Disks')).filter((name) => name.endsWith('.vhdx'));
    expect(new Set(disks.map((name) => name.toLowerCase())).size).toBe(names.length);
    for (const name of disks) {
      expect(name).not.toMatch(/[<>:"/\\|?*\p{Cc}]|^\.|^(con|com1)\./iu);
      expect(Buffer.byteLength(name)).toBeLessThan(200);
    }
    expect((await host.getVm('cOn')).name).toBe('CON');
    await expect(host.getVm('twin')).rejects.toMatchObject({ code: 'VM_AMBIGUOUS' });
  });

  it('have configuration files that follow the configuration and nothing else', async () => {
    const { vm } = await host.createVm({ name: 'files', generation: 1, memory: 2 ** 31, disks: [{ size: MIB }] });
    const read = async (kind: string) =>
      await readFile(join(folder, 'host', 'Virtual Machines', `${vm.id.toUpperCase()}.${kind}`), 'latin1');
    expect(await files('Virtual Machines')).toEqual([`${vm.id.toUpperCase()}.vmcx`, `${vm.id.toUpperCase()}.vmrs`]);
    const [vmcx, vmrs] = [await read('vmcx'), await read('vmrs')];
    await host.guestWrites(vm.id, 0, [{ offset: 0, fill: 1, length: 512 }]);
    await host.setVmState(vm.id, 'Running');
    // Whether it runs is in neither: the `.vmrs` of a VM without a saved state says nothing of it.
    expect([await read('vmcx'), await read('vmrs')]).toEqual([vmcx, vmrs]);
    await host.configureVm(vm.id, { notes: 'hello' });
    expect(await read('vmcx')).not.toBe(vmcx);
    const second = (await host.createVm({ name: 'two', disks: [] })).vm;
    expect(await files('Virtual Machines')).toContain(`${second.id.toUpperCase()}.vmgs`);
    await host.setVmState(vm.id, 'Off');
    await host.removeVm(vm.id);
    await host.removeVm(second.id);
    expect([await files('Virtual Machines'), await files('Virtual Hard Disks')]).toEqual([[], []]);
  });

  it('put many disks where a controller has room', async () => {
    const disks = Array.from({ length: 6 }, () => ({ size: MIB }));
    const place = (disk: { controllerType: string; controllerNumber: number; controllerLocation: number }) =>
      `${disk.controllerType} ${disk.controllerNumber}:${disk.controllerLocation}`;
    const first = (await host.createVm({ name: 'one', generation: 1, disks })).vm;
    expect(first.disks.map(place)).toEqual(['IDE 0:0', 'IDE 0:1', 'IDE 1:0', 'IDE 1:1', 'SCSI 0:0', 'SCSI 0:1']);
    const second = (await host.createVm({ name: 'two', disks })).vm;
    expect(second.disks.map(place)).toEqual([0, 1, 2, 3, 4, 5].map((n) => `SCSI 0:${n}`));
    await host.removeDisk(second.id, 1);
    await host.addDisk(second.id, { size: MIB });
    expect((await host.getVm(second.id)).disks.map(place).at(-1)).toBe('SCSI 0:1');
  });
});

describe('simulated host, folders', () => {
  const scratch = scratchForEach('sim-folder');

  it('are created once, and only where nothing else is', async () => {
    const folder = await scratch();
    const directory = join(folder, 'deep', 'host');
    const host = await createSimulatedHost(directory);
    expect(host.uri).toBe(`sim:${directory}`);
    await host.close();
    expect(await codeOf(createSimulatedHost(directory))).toBe('HOST_EXISTS');
    await writeFile(join(folder, 'file'), '');
    expect(await codeOf(createSimulatedHost(folder))).toBe('HOST_EXISTS');
    expect(await codeOf(createSimulatedHost(join(folder, 'file')))).toMatch(/NOT_A_DIRECTORY|FILE_EXISTS/);
    expect(await codeOf(openSimulatedHost(folder))).toBe('HOST_NOT_FOUND');
    expect(await codeOf(openSimulatedHost(join(folder, 'none')))).toBe('HOST_NOT_FOUND');
    // A creation that was cut short can be made again.
    const cut = join(folder, 'cut');
    await mkdir(join(cut, 'Snapshots'), { recursive: true });
    await writeFile(join(cut, 'host.sqlite.new'), 'half');
    await (await createSimulatedHost(cut)).close();
    expect(basename(cut)).toBe('cut');
  });

  it('whose state is damaged are refused', async () => {
    const directory = join(await scratch(), 'host');
    await (await createSimulatedHost(directory)).close();
    await writeFile(join(directory, 'host.sqlite'), noise(20_000, 1));
    expect(await codeOf(openSimulatedHost(directory))).toBe('HOST_STATE_CORRUPT');
  });
});
