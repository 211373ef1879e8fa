/** Operations that do nothing real: what protocol and command line are tested on. */
import type { Operations } from '../../../backend/src/protocol/methods.ts';
import type { BackupVmResult } from '../../../backend/src/schema/backup.ts';
import type { PointSummary } from '../../../backend/src/schema/points.ts';
import type { VmDescription } from '../../../backend/src/schema/vm.ts';
import { HvError } from '../../../backend/src/support/errors.ts';

/** Fakes that answer; every other operation throws NOT_SUPPORTED. */
export function fakeOperations(fakes: Partial<Operations>): Operations {
  return new Proxy(fakes as Operations, {
    get: (target, name: keyof Operations) =>
      target[name] ??
      (() => Promise.reject(new HvError('NOT_SUPPORTED', `The fake has no operation ${String(name)}.`))),
  });
}

export const VM: VmDescription = {
  id: '11111111-2222-3333-4444-555555555555',
  name: 'web01',
  generation: 2,
  version: '9.0',
  state: 'Running',
  processorCount: 2,
  memoryStartup: 1024 ** 3,
  dynamicMemory: false,
  disks: [
    {
      index: 0,
      id: 'aaaaaaaa-0000-0000-0000-000000000000',
      path: '/lab/web01.vhdx',
      format: 'vhdx',
      size: 127 * 1024 ** 3,
      logicalSectorSize: 512,
      physicalSectorSize: 4096,
      controllerType: 'SCSI',
      controllerNumber: 0,
      controllerLocation: 0,
    },
  ],
  networkAdapters: [],
};

export const POINT: PointSummary = {
  sequence: 1,
  id: '01JD9QK4T4W6E8R3M5N7P9S1T2',
  vmId: VM.id,
  vmName: VM.name,
  createdAt: '2026-11-21T01:02:03.000Z',
  kind: 'vm',
  mode: 'full',
  consistency: 'application',
  size: 127 * 1024 ** 3,
  newBytes: 5_000_000_000,
  held: false,
};

export const BACKUP: BackupVmResult = {
  restorePointId: POINT.id,
  vmId: VM.id,
  vmName: VM.name,
  kind: 'vm',
  mode: 'full',
  consistency: 'application',
  createdAt: POINT.createdAt,
  metadataBytes: 4096,
  durationMs: 1234,
  warnings: [],
  disks: [
    {
      index: 0,
      id: VM.disks[0]!.id,
      mode: 'full',
      reason: 'There is no earlier restore point of this disk.',
      size: VM.disks[0]!.size,
      changedBytes: 10 * 1024 ** 3,
      readBytes: 10 * 1024 ** 3,
      newBytes: 5_000_000_000,
    },
  ],
};
