/**
 * The host port: all that operations may ask of a hypervisor. Two adapters, `simulated` and `hyperv`, pass the same
 * contract suite. An adapter knows nothing of repositories.
 */
import type { BlockDevice, ChangedRange } from '../disk/device.ts';
import type { Readiness, ReadingMethod } from '../schema/readiness.ts';
import type { Consistency, VmDescription } from '../schema/vm.ts';
import type { SwitchMapping } from './switches.ts';

export interface VmSummary {
  id: string;
  name: string;
  state: VmDescription['state'];
  generation: 1 | 2;
  /** Number of virtual disks and their virtual sizes summed, bytes. */
  disks: number;
  size: number;
}

/** A disk as it is frozen by a recovery checkpoint. */
export interface CheckpointDisk {
  index: number;
  /** The disk's own identity, see VmDisk.id. */
  id: string;
  path: string;
  size: number;
  /** Change tracking state at the freeze; null when the disk is not tracked. */
  rctId: string | null;
  /** Set when the disk cannot be part of a checkpoint (pass-through, …): it is skipped and reported. */
  skipped?: string;
}

export interface RecoveryCheckpoint {
  id: string;
  vmId: string;
  /** The label given at creation; another product's otherwise. */
  label: string;
  createdAt: string;
  consistency: Consistency;
  disks: CheckpointDisk[];
  /** The VM's configuration at the freeze. */
  vm: VmDescription;
}

export interface ReferencePoint {
  id: string;
  vmId: string;
  /** Empty where the host does not keep it. */
  createdAt: string;
  consistency: Consistency;
  /** One entry a disk that had tracking. */
  disks: { diskId: string; rctId: string }[];
}

/** How a disk was read, where there is a choice. */
export interface Reading {
  method: ReadingMethod;
  /** Why in this way. */
  why: string;
}

/** A frozen disk as a host opens it. */
export interface HostDisk extends BlockDevice {
  /** Absent where there is one way only. */
  readonly reading?: Reading;
  /**
   * Ascending, disjoint ranges that are at hand; reading elsewhere gives the right bytes too, and costs the host much
   * more. Absent or null: everything is.
   */
  readonly present?: readonly ChangedRange[] | null;
}

export interface ConfigurationFile {
  /** File name as Hyper-V gives it, for instance `<GUID>.vmcx`. */
  name: string;
  kind: 'vmcx' | 'vmrs' | 'vmgs' | 'other';
  size: number;
  read(): Promise<Uint8Array>;
}

export interface CheckpointRequest {
  consistency: Consistency;
  /** When application consistency cannot be reached: take a crash-consistent one instead of failing. */
  allowCrashConsistent: boolean;
  /** Shown as the checkpoint's name, so that ours can be recognized; unique per job. */
  label: string;
  guestBackup?: 'full' | 'copy';
  /** Gives up making it, where the host lets that be done; otherwise it is made, and the caller removes it. */
  signal?: AbortSignal;
}

export interface PlanRequest {
  /** What the VM shall look like. Disk paths in it are those of the source and are not used. */
  vm: VmDescription;
  /** Name on the host; default vm.name. */
  name?: string;
  /** Give a new id instead of vm.id. */
  newId: boolean;
  /** Replace an existing VM of the same id. Never while it runs. It stays whole until realise(). */
  replace: boolean;
  /** `vm`: configuration files are imported; `data`: the VM is defined anew from the description. */
  kind: 'vm' | 'data';
  /** Needed for kind `vm`. */
  configuration?: { name: string; kind: ConfigurationFile['kind']; data: Uint8Array }[];
  /** Virtual switches of this host that network adapters are connected to; what is not mapped stays disconnected. */
  switches?: SwitchMapping[];
}

/** A VM that is being built and cannot be started yet. */
export interface PlannedVm {
  /** The id it will have. */
  readonly id: string;
  readonly name: string;
  /** Where the caller writes disk `index` as a complete VHDX before realise(). Absolute path; the folder exists. */
  diskPath(index: number): string;
  /** Things that were done otherwise than asked; for the result object. Known after realise(). */
  readonly warnings: string[];
  /** Attaches the disks and makes the VM visible, all or nothing; with `replace` the old one goes only now. */
  realise(): Promise<VmDescription>;
  /** Removes everything of the plan. Idempotent. */
  discard(): Promise<void>;
}

export interface Host {
  /** `sim:DIR`, `hyperv:` or `hyperv:SERVER`; absolute, so that it can be recorded. */
  readonly uri: string;
  listVms(): Promise<VmSummary[]>;
  /**
   * @param nameOrId exact name (case-insensitive) or id
   * @throws VM_NOT_FOUND (data.known: names), VM_AMBIGUOUS (data.ids)
   */
  getVm(nameOrId: string): Promise<VmDescription>;

  /**
   * Freezes all disks of the VM at one moment. Guest writes go on elsewhere.
   * @throws CONSISTENCY_NOT_POSSIBLE when not allowed to fall back, CHECKPOINT_FAILED, HOST_LOST
   */
  createRecoveryCheckpoint(vmId: string, request: CheckpointRequest): Promise<RecoveryCheckpoint>;
  /** All recovery checkpoints of the VM, ours and others'. */
  listRecoveryCheckpoints(vmId: string): Promise<RecoveryCheckpoint[]>;
  /**
   * The frozen content. The caller closes it before convert or remove.
   * @param signal gives up what the host must do first (an export), also when a read asks for it later: CANCELLED
   */
  openDisk(checkpoint: RecoveryCheckpoint, diskIndex: number, signal?: AbortSignal): Promise<HostDisk>;
  /**
   * What changed between `rctId` (sealed at an earlier checkpoint) and this checkpoint: ascending ranges, a superset
   * is allowed, page after page until the end of the disk.
   * @param referencePointId the reference point that the earlier checkpoint became, where it is known
   * @throws TRACKING_* when the answer would not be complete: take a full of this disk
   */
  queryChanges(
    checkpoint: RecoveryCheckpoint,
    diskIndex: number,
    rctId: string,
    referencePointId?: string,
    signal?: AbortSignal,
  ): AsyncIterable<ChangedRange[]>;
  /** The configuration files as frozen. */
  copyConfiguration(checkpoint: RecoveryCheckpoint, signal?: AbortSignal): Promise<ConfigurationFile[]>;
  /** Ends the checkpoint (its differencing disks merge back) and leaves a reference point with its RCT ids. */
  convertToReferencePoint(checkpointId: string): Promise<ReferencePoint>;
  /** Ends the checkpoint without a reference point. Not an error when it is gone. */
  removeCheckpoint(checkpointId: string): Promise<void>;
  listReferencePoints(vmId: string): Promise<ReferencePoint[]>;
  /** Not an error when it is gone. */
  removeReferencePoint(referencePointId: string): Promise<void>;
  /** Whether differencing disks are still merging, per disk index; empty when none. */
  mergeState(vmId: string): Promise<{ diskIndex: number; state: 'merging' | 'failed' }[]>;

  /**
   * What the host did otherwise than expected since it was asked last: sentences for a result. Absent: never anything.
   */
  takeNotes?(): string[];

  /** How a backup of the VM would read it, and what stands in the way; nothing on the VM changes. */
  readiness(vmId: string): Promise<Readiness>;

  /** Starts building a VM. @throws VM_EXISTS, VM_RUNNING, SWITCH_NOT_FOUND, SWITCH_AMBIGUOUS, DISK_FULL */
  planVm(request: PlanRequest): Promise<PlannedVm>;
  close(): Promise<void>;
}
