import { describe, expect, it } from 'vitest';
import { type ReadinessFacts, readiness } from '../../../../backend/src/hosts/hyperv/readiness/readiness.ts';
import { Readiness } from '../../../../backend/src/schema/readiness.ts';
import type { VmDescription, VmDisk } from '../../../../backend/src/schema/vm.ts';

const disk = (index: number, more: Partial<VmDisk> = {}): VmDisk => ({
  index,
  id: `d${index}`,
  path: `C:\\VMs\\disk${index}.vhdx`,
  format: 'vhdx',
  size: 2 ** 30,
  logicalSectorSize: 512,
  physicalSectorSize: 4096,
  controllerType: 'SCSI',
  controllerNumber: 0,
  controllerLocation: index,
  ...more,
});

const facts = (vm: Partial<VmDescription> = {}, more: Partial<ReadinessFacts> = {}): ReadinessFacts => ({
  vm: {
    id: 'aaaaaaaa-0000-4000-8000-000000000001',
    name: 'web01',
    generation: 2,
    version: '9.0',
    state: 'Running',
    processorCount: 2,
    memoryStartup: 2 ** 30,
    dynamicMemory: false,
    disks: [disk(0)],
    networkAdapters: [],
    ...vm,
  },
  failures: new Map(),
  shared: new Set(),
  sets: new Map(),
  groups: [],
  recovery: [],
  users: [],
  referencePoints: 0,
  merging: [],
  vss: { operationalStatus: [2] },
  elevated: true,
  volumes: [{ name: 'C:\\', freeSpace: 2 ** 40, capacity: 2 ** 41 }],
  virtDisk: { available: true, reason: '' },
  way: { method: 'native', why: 'The disks are files of this machine.' },
  ...more,
});

const codes = (given: ReadinessFacts): string[] =>
  Readiness.parse(readiness(given)).findings.map((entry) => entry.code);

describe('readiness', () => {
  it('a VM in order has no findings, and its disks are read from their files', () => {
    expect(readiness(facts())).toMatchObject({ ready: true, method: 'native', changes: 'virtdisk', findings: [] });
  });

  it('says how a disk is read and why', () => {
    const share = { method: 'share' as const, why: 'NODE7 is another machine.' };
    const far = readiness(facts({}, { way: share, virtDisk: { available: false, reason: '' } }));
    expect(far).toMatchObject({ method: 'share', changes: 'wmi', why: expect.stringMatching(/NODE7/) });
    const exported = { method: 'export' as const, why: 'Its shares are closed.' };
    expect(readiness(facts({}, { way: exported, exportFolder: 'D:\\Staging' }))).toMatchObject({
      method: 'export',
      changes: 'export',
      exportFolder: 'D:\\Staging',
      why: expect.stringMatching(/closed.*D:\\Staging/),
    });
    const refused = readiness(facts({}, { virtDisk: { available: false, reason: 'policy forbids it' } }));
    expect(refused).toMatchObject({
      method: 'native',
      changes: 'wmi',
      why: expect.stringMatching(/policy forbids it/),
    });
  });

  it.each<[string, ReadinessFacts, boolean]>([
    ['CONFIGURATION_VERSION', facts({ version: '5.0' }), false],
    ['INTEGRATION_SERVICES', facts({}, { vss: null }), true],
    ['INTEGRATION_SERVICES', facts({}, { vss: { operationalStatus: [12] } }), true],
    ['SAVED_STATE', facts({ state: 'Saved' }), true],
    ['VIRTUAL_TPM', facts({ tpm: true }), true],
    ['NO_DISKS', facts({ disks: [] }), true],
    ['PASS_THROUGH_DISK', facts({ disks: [disk(0, { format: 'passthrough' })] }), true],
    ['VHD_SET', facts({ disks: [disk(0, { format: 'vhds' })] }), true],
    ['VM_GROUP', facts({}, { groups: ['cluster A'] }), true],
    ['SHARED_DISK', facts({}, { shared: new Set(['C:\\VMs\\disk0.vhdx']) }), true],
    ['NO_CHANGE_TRACKING', facts({ disks: [disk(0, { format: 'vhd' })] }), true],
    ['DISK_UNREADABLE', facts({}, { failures: new Map([['C:\\VMs\\disk0.vhdx', 'gone']]) }), false],
    ['MERGING', facts({}, { merging: [{ diskIndex: 0, state: 'merging' }] }), true],
    ['MERGE_FAILED', facts({}, { merging: [{ diskIndex: 0, state: 'failed' }] }), true],
    ['FOREIGN_CHECKPOINT', facts({}, { recovery: ['web01 - Backup - (1)'] }), true],
    ['OWN_CHECKPOINT', facts({}, { recovery: ['HyperVBackup 01J [application-consistent]'] }), true],
    ['USER_CHECKPOINTS', facts({}, { users: ['before the update'] }), true],
    ['MANY_REFERENCE_POINTS', facts({}, { referencePoints: 30 }), true],
    ['NOT_ELEVATED', facts({}, { elevated: false }), true],
    ['LITTLE_SPACE', facts({}, { volumes: [{ name: 'C:\\', freeSpace: 2 ** 30, capacity: 2 ** 41 }] }), true],
  ])('%s', (code, given, ready) => {
    expect(codes(given)).toEqual([code]);
    expect(readiness(given).ready).toBe(ready);
  });

  it('looks at the volume that a path is on, mounted ones and CSVs included', () => {
    const volumes = [
      { name: 'C:\\', freeSpace: 2 ** 40, capacity: 2 ** 41 },
      { name: 'C:\\VMs\\', freeSpace: 5, capacity: 2 ** 41 },
    ];
    expect(codes(facts({}, { volumes }))).toEqual(['LITTLE_SPACE']);
    expect(codes(facts({ disks: [disk(0, { path: '\\\\server\\share\\x.vhdx' })] }, { volumes }))).toEqual([]);
  });
});
