/**
 * The configuration files of a simulated host are Hyper-V's format: written for every VM, stored with a backup,
 * imported.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createVhdx } from '../../../../backend/src/disk/index.ts';
import { int, node } from '../../../../backend/src/hosts/configuration/hvs/values.ts';
import {
  describeConfiguration,
  describeRuntime,
  openHvs,
  renderConfiguration,
  renderHvs,
} from '../../../../backend/src/hosts/configuration/index.ts';
import type { PlanRequest } from '../../../../backend/src/hosts/port.ts';
import { openSimulatedHost } from '../../../../backend/src/hosts/simulated/index.ts';
import type { VmDescription } from '../../../../backend/src/schema/vm.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { codeOf, MIB, SimWorld } from '../support.ts';
import { configurationSamples, readSample } from './support.ts';

type Files = NonNullable<PlanRequest['configuration']>;

describe('simulated host, configuration files', () => {
  const scratch = scratchForEach('sim-vmcx');
  let folder: string;
  let world: SimWorld;
  beforeEach(async () => {
    folder = await scratch();
    world = await SimWorld.create(folder, [MIB, MIB]);
  });
  afterEach(() => world.host.close());

  const fileOf = (id: string, kind: string) =>
    readFile(join(world.directory, 'Virtual Machines', `${id.toUpperCase()}.${kind}`));
  const described = async (data: Uint8Array) => (await describeConfiguration(await openHvs(data))).vm;
  /** What a file can say of a VM's disks. */
  const places = (vm: VmDescription) =>
    vm.disks.map(({ index, path, format, controllerType, controllerNumber, controllerLocation }) => ({
      index,
      path,
      format,
      controllerType,
      controllerNumber,
      controllerLocation,
    }));
  const configured = (vm: VmDescription) => {
    const { state: _, ...rest } = vm;
    return { ...rest, disks: places(vm) };
  };

  /** As a backup does it. */
  async function backup(): Promise<{ vm: VmDescription; configuration: Files }> {
    const checkpoint = await world.checkpoint();
    const configuration: Files = [];
    for (const { name, kind, read } of await world.host.copyConfiguration(checkpoint))
      configuration.push({ name, kind, data: await read() });
    await world.host.removeCheckpoint(checkpoint.id);
    return { vm: checkpoint.vm, configuration };
  }
  const dataOf = (files: Files, kind: string) => files.find((file) => file.kind === kind)!.data;
  const withVmcx = (files: Files, data: Uint8Array): Files =>
    files.map((file) => (file.kind === 'vmcx' ? { ...file, data } : file));

  /** Without disks. */
  async function restore(vm: VmDescription, configuration: Files, more: Partial<PlanRequest> = {}) {
    const request = { vm: { ...vm, disks: [] }, configuration, newId: true, replace: false, kind: 'vm' as const };
    const plan = await world.host.planVm({ ...request, ...more });
    return { made: await plan.realise(), warnings: plan.warnings };
  }

  it.each([1, 2] as const)('describe the VM (generation %i), and follow its configuration', async (generation) => {
    const disks = Array.from({ length: 5 }, () => ({ size: MIB }));
    const { vm } = await world.host.createVm({
      name: 'Wäb 日本',
      generation,
      memory: 3 * 2 ** 30,
      processors: 3,
      disks,
    });
    const change = {
      notes: 'hello',
      dynamicMemory: true,
      memoryMinimum: 2 ** 30,
      memoryMaximum: 2 ** 32,
      networkAdapters: [{ name: 'LAN', macAddress: '00155D010203', dynamicMacAddress: false, switchName: 'External' }],
      ...(generation === 1 ? { bootOrder: ['HardDrive', 'Optical', 'Network', 'Floppy'] } : { tpm: true }),
    };
    await world.host.configureVm(vm.id, change);
    expect(await described(await fileOf(vm.id, 'vmcx'))).toEqual(configured(await world.host.getVm(vm.id)));
    const runtime = await describeRuntime(await openHvs(await fileOf(vm.id, 'vmrs')));
    expect(runtime).toEqual({ version: vm.version, saved: false });
    const before = await fileOf(vm.id, 'vmcx');
    await world.host.configureVm(vm.id, { processorCount: 4 });
    expect(before.equals(await fileOf(vm.id, 'vmcx'))).toBe(false);
    await world.host.configureVm(vm.id, { processorCount: 3 });
    expect(before.equals(await fileOf(vm.id, 'vmcx'))).toBe(true);
  });

  it('that a backup stores are the same, also above another checkpoint', async () => {
    const own = await fileOf(world.vmId, 'vmcx');
    expect(own.equals(dataOf((await backup()).configuration, 'vmcx'))).toBe(true);
    const other = await world.checkpoint('another product');
    await world.host.configureVm(world.vmId, { notes: 'changed meanwhile' });
    const changed = await fileOf(world.vmId, 'vmcx');
    expect(changed.equals(own)).toBe(false);
    expect(changed.equals(dataOf((await backup()).configuration, 'vmcx'))).toBe(true);
    await world.host.removeCheckpoint(other.id);
    // And names the disks that are there when all checkpoints have gone.
    const { disks } = await world.host.getVm(world.vmId);
    expect((await described(await fileOf(world.vmId, 'vmcx'))).disks.map(({ path }) => path)).toEqual(
      disks.map(({ path }) => path),
    );
  });

  it('are rewritten for a new id, name and paths', async () => {
    const { vm, configuration } = await backup();
    const plan = await world.host.planVm({ vm, configuration, name: 'other', newId: true, replace: false, kind: 'vm' });
    for (const { index } of vm.disks) await createVhdx(plan.diskPath(index), { size: MIB });
    const made = await plan.realise();
    const file = await described(await fileOf(made.id, 'vmcx'));
    expect(file).toEqual(configured(made));
    expect(file).toMatchObject({ id: plan.id, name: 'other', processorCount: vm.processorCount });
    expect(file.disks.filter(({ path }) => vm.disks.some((disk) => disk.path === path))).toEqual([]);
    expect(Buffer.from(await fileOf(made.id, 'vmcx')).includes(Buffer.from(vm.id.toUpperCase(), 'utf16le'))).toBe(
      false,
    );
    expect((await described(await fileOf(vm.id, 'vmcx'))).id).toBe(vm.id);
  });

  it('decide the hardware; the description says what they do not hold', async () => {
    const { vm, configuration } = await backup();
    const file: VmDescription = {
      ...vm,
      name: 'as in the file',
      processorCount: 7,
      memoryStartup: 5 * 2 ** 30,
      version: '9.0',
      secureBoot: false,
      notes: 'from the file',
      networkAdapters: [{ name: 'A', macAddress: '00155D0A0B0C', dynamicMacAddress: false, switchName: 'S' }],
    };
    const description = { ...vm, bootOrder: ['File', 'Drive'], notes: 'from the description' };
    const stored = withVmcx(configuration, renderConfiguration(file).vmcx);
    const beside = await restore(description, stored);
    const { id: _, disks: __, networkAdapters: ___, ...hardware } = file;
    expect(beside.made).toMatchObject({ ...hardware, bootOrder: ['File', 'Drive'] });
    expect(beside.made.networkAdapters).toMatchObject([{ name: 'A', dynamicMacAddress: true }]);
    await world.host.removeVm(beside.made.id);
    const over = await restore(description, stored, { newId: false, replace: true });
    const { switchName: ____, ...apart } = file.networkAdapters[0]!;
    expect(over.made).toMatchObject({ ...hardware, id: vm.id });
    expect(over.made.networkAdapters).toEqual([apart]);
    expect(over.warnings).toEqual([expect.stringContaining('not connected to a virtual switch: "A" (was on "S").')]);
    expect((await restore(description, stored, { kind: 'data' })).made.processorCount).toBe(1);
  });

  it('that are damaged are refused before anything changes', async () => {
    const { vm, configuration } = await backup();
    const good = dataOf(configuration, 'vmcx');
    const flipped = Buffer.from(good);
    flipped.fill(0xff, 0x3000, 0x3040);
    const impossible = renderConfiguration({ ...vm, processorCount: 0 }).vmcx;
    const bad = {
      flipped,
      cut: good.subarray(0, good.length / 2),
      empty: new Uint8Array(),
      text: Buffer.from('HyperVBackup simulated VMCX 1\n{}'),
      zeros: Buffer.alloc(good.length),
      runtime: dataOf(configuration, 'vmrs'),
      impossible,
    };
    const before = [await world.host.listVms(), await readdir(world.directory, { recursive: true })];
    for (const [name, data] of Object.entries(bad)) {
      const request = { vm, configuration: withVmcx(configuration, data), kind: 'vm' as const };
      for (const how of [
        { newId: true, replace: false },
        { newId: false, replace: true },
      ]) {
        await expect(world.host.planVm({ ...request, ...how }), name).rejects.toMatchObject({
          code: 'CONFIGURATION_CORRUPT',
          advice: expect.stringContaining('--kind data'),
          message: expect.stringMatching(/"guest".*\.vmcx/),
        });
      }
    }
    expect(
      await codeOf(
        restore(
          vm,
          configuration.filter((file) => file.kind !== 'vmcx'),
        ),
      ),
    ).toBe('USAGE');
    expect([await world.host.listVms(), await readdir(world.directory, { recursive: true })]).toEqual(before);
    expect((await restore(vm, [], { kind: 'data' })).made.processorCount).toBe(1);
  });

  it('keep a .vmgs as it came; a saved state is left out, and said', async () => {
    const { vm, configuration } = await backup();
    const vmgs = Buffer.alloc(9000, 7);
    const saved = renderHvs([
      node('configuration', node('properties', int('version', 0x0a00))),
      node('savedstate', int('x', 1)),
    ]);
    const files = configuration.map((file) => {
      if (file.kind === 'vmgs') return { ...file, data: vmgs };
      return file.kind === 'vmrs' ? { ...file, data: saved } : file;
    });
    const { made, warnings } = await restore(vm, files);
    expect(warnings.join()).toMatch(/saved state .*\.vmrs was left out/);
    expect((await fileOf(made.id, 'vmgs')).equals(vmgs)).toBe(true);
    expect((await describeRuntime(await openHvs(await fileOf(made.id, 'vmrs')))).saved).toBe(false);
    await world.host.configureVm(made.id, { notes: 'changed' });
    expect((await fileOf(made.id, 'vmgs')).equals(vmgs)).toBe(true);
  });

  it.skipIf(!configurationSamples.some((path) => path.includes('EC04F346')))(
    'of a real Hyper-V are imported (needs samples)',
    async () => {
      const { vm } = await backup();
      const data = readSample('EC04F346');
      const { made, warnings } = await restore(vm, [{ name: 'EC04F346.vmcx', kind: 'vmcx', data }]);
      expect(made).toMatchObject({ name: 'Default Generation 1', generation: 1, version: '9.0', processorCount: 1 });
      expect(made).toMatchObject({ bootOrder: ['Optical', 'HardDrive', 'Network', 'Floppy'], memoryStartup: 2 ** 30 });
      expect([made.secureBoot, made.tpm]).toEqual([undefined, undefined]);
      expect(warnings.join()).toContain('ec04f346-db96-4700-af5b-77b3c56c38bd');
      expect(await described(await fileOf(made.id, 'vmcx'))).toEqual(configured(made));
    },
  );

  it('follow the folder when it is moved, and replace those of another kind', async () => {
    await world.host.close();
    const moved = join(folder, 'moved', 'host');
    await mkdir(join(folder, 'moved'));
    await rename(world.directory, moved);
    const file = join(moved, 'Virtual Machines', `${world.vmId.toUpperCase()}.vmcx`);
    await writeFile(file, 'HyperVBackup simulated VMCX 1\n{}');
    world.host = await openSimulatedHost(moved);
    expect((await world.host.listVms()).map(({ name }) => name)).toEqual(['guest']);
    const vm = await world.host.getVm('guest');
    expect(vm.disks.every(({ path }) => path.startsWith(moved))).toBe(true);
    expect(await described(await readFile(file))).toEqual(configured(vm));
    // Files are nothing the state depends on.
    await rm(file);
    expect((await world.host.listVms()).map(({ name }) => name)).toEqual(['guest']);
  });

  it('what could not be written is refused, and the host goes on', async () => {
    const { vm } = await backup();
    const adapter = { name: 'x', macAddress: '\n', dynamicMacAddress: false };
    const impossible = { ...vm, networkAdapters: [adapter], disks: [] };
    const plan = { vm: { ...impossible, id: 'a0000000-0000-4000-8000-000000000001' }, newId: false, replace: false };
    expect(await codeOf(world.host.planVm({ ...plan, kind: 'data' }))).toBe('CONFIGURATION_CORRUPT');
    expect(await codeOf(world.host.configureVm(vm.id, { networkAdapters: [adapter] }))).toBe('CONFIGURATION_CORRUPT');
    await world.host.configureVm(vm.id, { notes: 'still works' });
    expect((await described(await fileOf(vm.id, 'vmcx'))).notes).toBe('still works');
  });
});

describe('simulated host, places of disks', () => {
  const scratch = scratchForEach('sim-places');

  it('are kept where the host has them; others, and those asked for twice, get free ones', async () => {
    const world = await SimWorld.create(await scratch(), [MIB, MIB, MIB]);
    const vm = await world.host.getVm('guest');
    const [first, second, third] = vm.disks as [
      VmDescription['disks'][0],
      VmDescription['disks'][0],
      VmDescription['disks'][0],
    ];
    const disks = [
      { ...first, controllerType: 'NVMe' as const },
      { ...second, controllerLocation: 0 },
      { ...third, controllerLocation: 0 },
    ];
    const plan = await world.host.planVm({ vm: { ...vm, disks }, newId: true, replace: false, kind: 'data' });
    for (const { index } of disks) await createVhdx(plan.diskPath(index), { size: MIB });
    const made = await plan.realise();
    expect(made.disks.map((disk) => `${disk.controllerType} ${disk.controllerLocation}`)).toEqual([
      'SCSI 1',
      'SCSI 0',
      'SCSI 2',
    ]);
    await world.host.close();
  });
});
