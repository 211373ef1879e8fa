/** Files that Hyper-V wrote. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LOG_ENTRY_SIZE, LOG_HEADER_SIZE } from '../../../../backend/src/hosts/configuration/hvs/format/constants.ts';
import { parseLogEntry } from '../../../../backend/src/hosts/configuration/hvs/format/replay-log.ts';
import {
  describeConfiguration,
  describeRuntime,
  openHvs,
  registeredVms,
  renderConfiguration,
  renderHvs,
} from '../../../../backend/src/hosts/configuration/index.ts';
import type { VmDescription } from '../../../../backend/src/schema/vm.ts';
import { openFile } from '../../../../backend/src/support/file.ts';
import { brokenRules } from './independent-check.ts';
import { configurationSamples, readSample } from './support.ts';

const MIB = 2 ** 20;

describe.skipIf(configurationSamples.length === 0)('configuration files of Hyper-V (samples)', () => {
  it.each(configurationSamples.map((path) => [basename(path), path]))(
    '%s: reads, and is the same written anew',
    async (_, path) => {
      const original = readFileSync(path);
      expect(brokenRules(original)).toEqual([]);
      const tree = await (await openHvs(original, path)).tree();
      const ours = renderHvs(tree);
      expect(brokenRules(ours)).toEqual([]);
      expect(await (await openHvs(ours)).tree()).toEqual(tree);
      const file = await openFile(path, 'read');
      expect(await (await openHvs(file)).tree()).toEqual(tree);
      await file.close();
    },
  );

  it.each(configurationSamples.map((path) => [basename(path), path]))(
    '%s: the old entries in its log are understood',
    (_, path) => {
      const bytes = readFileSync(path);
      const log = Number(bytes.readBigUInt64LE(26));
      let understood = 0;
      for (let at = log + LOG_HEADER_SIZE; at + LOG_ENTRY_SIZE <= log + 0x1000; at += LOG_ENTRY_SIZE) {
        const entry = bytes.subarray(at, at + LOG_ENTRY_SIZE);
        if (entry.every((byte) => byte === 0)) continue;
        expect(parseLogEntry(entry)).not.toBeNull();
        understood++;
      }
      expect(understood).toBeGreaterThan(0);
    },
  );

  it('EC04F346….vmcx: a VM of generation 1', async () => {
    const description = await describeConfiguration(await openHvs(readSample('EC04F346')));
    expect(description).toEqual({
      vm: {
        id: 'ec04f346-db96-4700-af5b-77b3c56c38bd',
        name: 'Default Generation 1',
        generation: 1,
        version: '9.0',
        processorCount: 1,
        memoryStartup: 1024 * MIB,
        dynamicMemory: false,
        bootOrder: ['Optical', 'HardDrive', 'Network', 'Floppy'],
        disks: [
          {
            index: 0,
            path: 'C:\\Disks\\Default Generation 1.vhdx',
            format: 'vhdx',
            controllerType: 'IDE',
            controllerNumber: 0,
            controllerLocation: 0,
          },
        ],
        networkAdapters: [{ name: 'Network Adapter', macAddress: '', dynamicMacAddress: true }],
      },
      createdAt: '2023-02-17T17:03:06.232Z',
      checkpoints: [],
      notes: [],
    });
  });

  it('what is written for that VM has no key that Hyper-V does not write', async () => {
    const hvs = await openHvs(readSample('EC04F346'));
    const { vm, createdAt } = await describeConfiguration(hvs);
    const whole = { ...vm, state: 'Off', disks: vm.disks.map((disk) => ({ ...disk, id: '', size: 0 })) };
    const { vmcx, notes } = renderConfiguration(whole as unknown as VmDescription, { createdAt });
    expect(notes).toEqual([]);
    const ours = await openHvs(vmcx);
    expect(await describeConfiguration(ours)).toEqual(await describeConfiguration(hvs));
    // Adapters, ports and SCSI controllers have GUIDs of their own: compared by what is below them.
    const below = (path: string): string => path.replace(/_[0-9a-f]{8}-[0-9a-f-]{27}_|Setting_[0-9A-F-]{36}/g, '*');
    const theirs = new Map<string, string>();
    for await (const { path, value } of hvs.entries()) theirs.set(below(path), value.type);
    for await (const { path, value } of ours.entries()) expect(theirs.get(below(path)), path).toBe(value.type);
  });

  it('child-data.vmcx: the VMs of a host', async () => {
    const hvs = await openHvs(readSample('child-data'));
    const vms = await registeredVms(hvs);
    expect(vms).toHaveLength(4);
    expect(vms[0]).toEqual({
      id: 'ec04f346-db96-4700-af5b-77b3c56c38bd',
      path: 'C:\\Hyper-V\\EasyToFind\\Virtual Machines\\EC04F346-DB96-4700-AF5B-77B3C56C38BD.vmcx',
    });
    await expect(describeConfiguration(hvs)).rejects.toMatchObject({ code: 'CONFIGURATION_UNSUPPORTED' });
  });

  it('88D07DD7….VMRS: no saved state, siblings of one name', async () => {
    const hvs = await openHvs(readSample('88D07DD7'));
    expect(await describeRuntime(hvs)).toEqual({ version: '12.0', saved: false });
    const device = '/configuration/global_settings/metrics/devicetype[2]/deviceinstance';
    expect(hvs.keys(device).map(({ name }) => name)).toEqual(['guid', 'metric', 'metric', 'metric']);
    expect(await hvs.get(`${device}/metric[3]/typecode`)).toMatchObject({ type: 'string' });
  });
});
