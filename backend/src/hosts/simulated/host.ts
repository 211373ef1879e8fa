/** The simulated host: the Host port over a folder, and what only a simulated host can be asked for. */
import type { BlockDevice, ChangedRange } from '../../disk/device.ts';
import type { Readiness } from '../../schema/readiness.ts';
import type { VmDescription } from '../../schema/vm.ts';
import type {
  CheckpointRequest,
  ConfigurationFile,
  Host,
  PlannedVm,
  PlanRequest,
  RecoveryCheckpoint,
  ReferencePoint,
  VmSummary,
} from '../port.ts';
import * as changes from './change-vm.ts';
import type { HostContext } from './context.ts';
import { createCheckpoint } from './create-checkpoint.ts';
import { type CreatedVm, type CreateVmOptions, createVm } from './create-vm.ts';
import { describeVm } from './describe.ts';
import { convertCheckpoint, removeCheckpoint } from './end-checkpoint.ts';
import { clearFaults, type Fault, listFaults, setFault } from './faults.ts';
import { type GuestWrite, type GuestWritesResult, guestWrites } from './guest-writes.ts';
import type { DiskSource } from './import-disk.ts';
import { locked } from './locked.ts';
import { mergeState } from './merge.ts';
import { planVm } from './plan.ts';
import { PAGE_SIZE, queryChanges } from './query-changes.ts';
import { type RandomWrites, randomWrites } from './random-writes.ts';
import { describeCheckpoint, frozenConfiguration, listCheckpoints, openFrozenDisk } from './read-checkpoint.ts';
import { listReferencePoints, removeReferencePoint } from './reference-points.ts';
import { checkpoint, findVm, vmDefinition, vmDefinitions } from './rows.ts';
import { addSwitch, switchesOf } from './switches.ts';

export class SimulatedHost implements Host {
  readonly uri: string;
  /** Absolute path of the host's folder. */
  readonly directory: string;
  /** Changed ranges a page of {@link queryChanges}. */
  pageSize: number = PAGE_SIZE;
  readonly #ctx: HostContext;

  /** Use openSimulatedHost() or createSimulatedHost(). */
  constructor(ctx: HostContext) {
    this.#ctx = ctx;
    this.directory = ctx.root;
    this.uri = `sim:${ctx.root}`;
  }

  async listVms(): Promise<VmSummary[]> {
    const summaries: VmSummary[] = [];
    for (const definition of vmDefinitions(this.#ctx.view)) {
      const { id, name, state, generation, disks } = await describeVm(this.#ctx, definition);
      const size = disks.reduce((sum, disk) => sum + disk.size, 0);
      summaries.push({ id, name, state, generation, disks: disks.length, size });
    }
    return summaries;
  }

  async getVm(nameOrId: string): Promise<VmDescription> {
    return await describeVm(this.#ctx, findVm(this.#ctx.view, nameOrId));
  }

  createRecoveryCheckpoint(vmId: string, request: CheckpointRequest): Promise<RecoveryCheckpoint> {
    return locked(this.#ctx, async () => {
      const id = await createCheckpoint(this.#ctx, vmId, request);
      return describeCheckpoint(this.#ctx.root, this.#ctx.state, checkpoint(this.#ctx.state, id));
    });
  }

  async listRecoveryCheckpoints(vmId: string): Promise<RecoveryCheckpoint[]> {
    const { view, root } = this.#ctx;
    return view.transaction(() => {
      vmDefinition(view, vmId);
      return listCheckpoints(root, view, vmId);
    });
  }

  openDisk(of: RecoveryCheckpoint, diskIndex: number): Promise<BlockDevice> {
    return locked(this.#ctx, () => openFrozenDisk(this.#ctx, of.id, diskIndex));
  }

  queryChanges(of: RecoveryCheckpoint, diskIndex: number, rctId: string): AsyncIterable<ChangedRange[]> {
    return queryChanges(this.#ctx, of.id, diskIndex, rctId, this.pageSize);
  }

  copyConfiguration(of: RecoveryCheckpoint): Promise<ConfigurationFile[]> {
    return frozenConfiguration(this.#ctx, of.id);
  }

  convertToReferencePoint(checkpointId: string): Promise<ReferencePoint> {
    return locked(this.#ctx, () => convertCheckpoint(this.#ctx, checkpointId));
  }

  removeCheckpoint(checkpointId: string): Promise<void> {
    return locked(this.#ctx, async () => removeCheckpoint(this.#ctx, checkpointId));
  }

  async listReferencePoints(vmId: string): Promise<ReferencePoint[]> {
    vmDefinition(this.#ctx.view, vmId);
    return listReferencePoints(this.#ctx.view, vmId);
  }

  removeReferencePoint(referencePointId: string): Promise<void> {
    return locked(this.#ctx, async () => removeReferencePoint(this.#ctx.state, referencePointId));
  }

  async mergeState(vmId: string): Promise<{ diskIndex: number; state: 'merging' | 'failed' }[]> {
    return mergeState(this.#ctx, vmId);
  }

  async readiness(vmId: string): Promise<Readiness> {
    vmDefinition(this.#ctx.view, vmId);
    return { ready: true, method: 'native', changes: 'simulated', why: 'The host is simulated.', findings: [] };
  }

  /** Names of its virtual switches. */
  listSwitches(): string[] {
    return switchesOf(this.#ctx.view).map(({ name }) => name);
  }

  /** Adds a virtual switch, as an administrator of a host would. */
  addSwitch(name: string): Promise<void> {
    return locked(this.#ctx, async () => addSwitch(this.#ctx.state, name));
  }

  planVm(request: PlanRequest): Promise<PlannedVm> {
    return planVm(this.#ctx, request);
  }

  async close(): Promise<void> {
    this.#ctx.lock.close();
    this.#ctx.state.close();
    this.#ctx.view.close();
  }

  // What follows only a simulated host has.

  /** A new VM from copies of disk images; it is off. See {@link createVm} for errors. */
  createVm(options: CreateVmOptions): Promise<CreatedVm> {
    return createVm(this.#ctx, options);
  }

  /** Writes as the guest does, tracked by RCT, durable when it returns; in any state of the VM. */
  guestWrites(
    vmId: string,
    diskIndex: number,
    writes: Iterable<GuestWrite> | AsyncIterable<GuestWrite>,
  ): Promise<GuestWritesResult> {
    return guestWrites(this.#ctx, vmId, diskIndex, writes);
  }

  /** Random writes anywhere on the disk; the same seed gives the same writes. */
  async guestRandomWrites(vmId: string, diskIndex: number, random: RandomWrites): Promise<GuestWritesResult> {
    const { disks } = await describeVm(this.#ctx, vmDefinition(this.#ctx.view, vmId));
    const disk = disks[diskIndex];
    // Without the disk, the write itself says so.
    const writes = disk ? randomWrites(random, disk.size, disk) : [{ offset: 0, data: Buffer.alloc(1) }];
    return await guestWrites(this.#ctx, vmId, diskIndex, writes);
  }

  /** @returns warnings */
  addDisk(vmId: string, source: DiskSource): Promise<string[]> {
    return changes.addDisk(this.#ctx, vmId, source);
  }

  /** @returns warnings */
  replaceDisk(vmId: string, diskIndex: number, source: DiskSource): Promise<string[]> {
    return changes.replaceDisk(this.#ctx, vmId, diskIndex, source);
  }

  removeDisk(vmId: string, diskIndex: number): Promise<void> {
    return changes.removeDisk(this.#ctx, vmId, diskIndex);
  }

  /** @param size bytes */
  resizeDisk(vmId: string, diskIndex: number, size: number): Promise<void> {
    return changes.resizeDisk(this.#ctx, vmId, diskIndex, size);
  }

  setVmState(vmId: string, state: VmDescription['state']): Promise<void> {
    return changes.setVmState(this.#ctx, vmId, state);
  }

  /** Changes the definition: name, memory, notes, lastAppliedCheckpoint, … */
  configureVm(vmId: string, change: Partial<Omit<VmDescription, 'id' | 'disks' | 'generation'>>): Promise<void> {
    return changes.configureVm(this.#ctx, vmId, change);
  }

  removeVm(vmId: string): Promise<void> {
    return changes.removeVm(this.#ctx, vmId);
  }

  setFault(fault: Fault): Promise<void> {
    return locked(this.#ctx, async () => setFault(this.#ctx.state, fault));
  }

  /** Clears the faults that match; all of them without a filter. */
  clearFaults(filter?: { name?: string; vmId?: string; disk?: number }): Promise<void> {
    return locked(this.#ctx, async () => clearFaults(this.#ctx.state, filter));
  }

  async listFaults(): Promise<Fault[]> {
    return listFaults(this.#ctx.view);
  }
}
