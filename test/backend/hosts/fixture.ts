/** What a host adapter's tests bring along for the contract suite, and how tests read a host. */
import type { BlockDevice } from '../../../backend/src/disk/device.ts';
import type { Host, RecoveryCheckpoint } from '../../../backend/src/hosts/port.ts';
import type { VmNetworkAdapter } from '../../../backend/src/schema/vm.ts';

export interface HostFixture {
  host: Host;
  /** Another connection to the same host, as another process would have. */
  reopen(): Promise<Host>;
  /** A VM that is off, with zeroed dynamic VHDX disks of these sizes. @returns its id */
  createVm(name: string, sizes: number[], generation?: 1 | 2): Promise<string>;
  guestWrite(vmId: string, disk: number, offset: number, data: Uint8Array): Promise<void>;
  setRunning(vmId: string, running: boolean): Promise<void>;
  removeVm(vmId: string): Promise<void>;
  /** Gives the host a virtual switch. */
  addSwitch(name: string): Promise<void>;
  setAdapters(vmId: string, networkAdapters: VmNetworkAdapter[]): Promise<void>;
  /** The next application-consistent checkpoint is refused by the guest; absent where that cannot be arranged. */
  refuseApplicationConsistency?(vmId: string): Promise<void>;
  close(): Promise<void>;
}

export async function content(device: BlockDevice): Promise<Buffer> {
  const all = Buffer.alloc(device.size);
  await device.read(0, all);
  return all;
}

export async function frozen(host: Host, checkpoint: RecoveryCheckpoint, disk: number): Promise<Buffer> {
  const device = await host.openDisk(checkpoint, disk);
  try {
    return await content(device);
  } finally {
    await device.close();
  }
}

export async function changes(host: Host, checkpoint: RecoveryCheckpoint, disk: number, rctId: string) {
  const ranges: { offset: number; length: number }[] = [];
  for await (const page of host.queryChanges(checkpoint, disk, rctId)) ranges.push(...page);
  return ranges;
}
