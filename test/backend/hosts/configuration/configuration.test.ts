/** A VM written as configuration files and described again. */
import { describe, expect, it } from 'vitest';
import { bool, int, node, text } from '../../../../backend/src/hosts/configuration/hvs/values.ts';
import {
  describeConfiguration,
  describeRuntime,
  openHvs,
  renderConfiguration,
  renderHvs,
} from '../../../../backend/src/hosts/configuration/index.ts';
import type { VmDescription } from '../../../../backend/src/schema/vm.ts';
import { brokenRules } from './independent-check.ts';
import { generation1, generation2 } from './support.ts';

const described = async (vm: VmDescription) => describeConfiguration(await openHvs(renderConfiguration(vm).vmcx));

/** What of a description a configuration file holds. */
function inFile(vm: VmDescription) {
  const { state: _, disks, ...rest } = vm;
  return {
    ...rest,
    disks: disks.map(({ index, path, format, controllerType, controllerNumber, controllerLocation }) => ({
      index,
      path,
      format,
      controllerType,
      controllerNumber,
      controllerLocation,
    })),
  };
}

describe('configuration files from a description', () => {
  it.each([
    ['generation 2', generation2()],
    ['generation 1', generation1()],
  ])('%s: are described as what they were made from', async (_, vm) => {
    const { vmcx, vmrs, notes } = renderConfiguration(vm);
    expect(notes).toEqual([]);
    expect(brokenRules(vmcx)).toEqual([]);
    expect(brokenRules(vmrs)).toEqual([]);
    expect(await described(vm)).toEqual({ vm: inFile(vm), checkpoints: [], notes: [] });
    expect(await describeRuntime(await openHvs(vmrs))).toEqual({ version: vm.version, saved: false });
  });

  it('are the same bytes for the same description', () => {
    const [first, second] = [renderConfiguration(generation2()), renderConfiguration(generation2())];
    expect(Buffer.compare(first.vmcx, second.vmcx)).toBe(0);
    expect(Buffer.compare(first.vmrs, second.vmrs)).toBe(0);
  });

  it('are different for another VM of the same hardware', () => {
    const other = { ...generation2(), id: 'ffffffff-5d8e-4a55-9d11-6f3c2f3e9a10' };
    expect(Buffer.compare(renderConfiguration(generation2()).vmcx, renderConfiguration(other).vmcx)).not.toBe(0);
  });

  it('hold the checkpoint tree and the time of creation', async () => {
    const checkpoints = [
      { id: 'a0000000-0000-4000-8000-000000000001', name: 'first', createdAt: '2026-01-02T03:04:05.006Z' },
      { id: 'a0000000-0000-4000-8000-000000000002', parentId: 'a0000000-0000-4000-8000-000000000001' },
    ];
    const options = { checkpoints, createdAt: '2025-12-31T23:59:59.999Z' };
    const description = await describeConfiguration(await openHvs(renderConfiguration(generation2(), options).vmcx));
    expect(description.checkpoints).toEqual(checkpoints);
    expect(description.createdAt).toBe(options.createdAt);
  });

  it('have every disk format', async () => {
    const vm = generation2();
    vm.disks[0]!.path = 'C:\\a.avhd';
    vm.disks[1]!.path = '\\\\server\\share\\b.vhds';
    vm.disks[2]!.format = 'passthrough';
    const { disks } = (await described(vm)).vm;
    expect(disks.map(({ format }) => format)).toEqual(['vhd', 'vhds', 'passthrough']);
  });

  it('say what they cannot hold, and hold the rest', async () => {
    const vm = generation2();
    vm.version = 'next';
    vm.secureBootTemplate = 'Mine';
    vm.bootOrder = ['Network'];
    vm.disks[1]!.controllerType = 'NVMe';
    vm.disks[2]!.controllerNumber = 1e9;
    const { vmcx, notes } = renderConfiguration(vm);
    expect(notes).toHaveLength(5);
    const description = await describeConfiguration(await openHvs(vmcx));
    expect(description.vm).toMatchObject({ version: '9.0', name: vm.name });
    expect(description.vm.disks.map(({ path }) => path)).toEqual([vm.disks[0]!.path]);
    expect(description.vm.secureBootTemplate).toBeUndefined();
  });

  it('round memory up to MiB', async () => {
    expect((await described({ ...generation1(), memoryStartup: 2 ** 20 + 1 })).vm.memoryStartup).toBe(2 * 2 ** 20);
  });

  it('keep a secure boot template that has no name', async () => {
    const id = 'deadbeef-0000-4000-8000-000000000001';
    expect((await described({ ...generation2(), secureBootTemplate: id })).vm.secureBootTemplate).toBe(id);
  });
});

describe('a configuration file with surprises', () => {
  const open = (...items: Parameters<typeof node>[1][]) => openHvs(renderHvs([node('configuration', ...items)]));

  it('is described as far as it is understood', async () => {
    const scsi = 'd422512d-2bf2-4752-809d-7b82b5fcb1b4';
    const odd = '11111111-2222-4333-8444-555555555555';
    const hvs = await open(
      node('properties', text('name', 'odd'), int('subtype', 7), text('version', 'nine'), bool('notes', true)),
      node('settings', node('processors', int('count', -1)), node('memory', node('bank', int('size', 2n ** 60n)))),
      node('global_settings', node('snapshots', node('list', int('size', 3), node('x', text('id', `{${odd}}`))))),
      node(
        'manifest',
        node('vdev002', text('device', scsi), text('instance', odd), text('name', 'Synthetic SCSI Controller')),
        node('vdev001', text('device', 'none')),
        node('vdev003', text('device', scsi), text('instance', odd)),
      ),
      node(
        `_${odd.toUpperCase()}_`,
        text('MacAddress', 'zz'),
        node('controller0', node('drive3', text('type', 'NEW'), text('pathname', '\\\\.\\PHYSICALDRIVE2'))),
      ),
    );
    const { vm, checkpoints, notes } = await describeConfiguration(hvs);
    expect(vm).toEqual({
      name: 'odd',
      disks: [
        {
          index: 0,
          path: '\\\\.\\PHYSICALDRIVE2',
          format: 'passthrough',
          controllerType: 'SCSI',
          controllerNumber: 0,
          controllerLocation: 3,
        },
      ],
      networkAdapters: [{ name: 'Synthetic SCSI Controller', macAddress: '', dynamicMacAddress: true }],
    });
    expect(checkpoints).toEqual([{ id: odd }]);
    expect(notes.length).toBeGreaterThanOrEqual(8);
  });

  it('may describe no VM at all', async () => {
    await expect(describeConfiguration(await open())).rejects.toMatchObject({ code: 'CONFIGURATION_UNSUPPORTED' });
  });
});
