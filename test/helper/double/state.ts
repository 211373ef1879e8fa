/**
 * What the double remembers beside the simulated host, in a file beside its folder: jobs, names of checkpoints, planned
 * VMs. So that it outlives the process, as VMMS outlives its clients. And the behaviours that tests switch.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

export interface Reference {
  className: string;
  keys: Record<string, string>;
}

export interface Job {
  id: string;
  method: string;
  /** States still to be passed through; the last one stays. */
  states: number[];
  errorCode: number;
  error: string;
  results: Reference[];
  /** What its method made, to be undone when the job is ended. */
  made?: string;
  cancellable?: boolean;
  /** The folder that its method writes to while it runs. */
  folder?: string;
  /** Looks that are left until the job goes away after its end; absent: it stays. */
  looksLeft?: number;
}

export interface PlannedSystem {
  id: string;
  settings: Record<string, unknown>;
  components: { className: string; properties: Record<string, unknown> }[];
  next: number;
}

export interface DoubleState {
  next: number;
  jobs: Job[];
  /** Checkpoint id → ElementName. */
  names: Record<string, string>;
  planned: PlannedSystem[];
  /** Disk id → RCT ids that were sealed for it, for the double of virtdisk.dll. */
  rctIds: Record<string, string[]>;
  /** Sessions from other machines: id → whether it has dropped. */
  sessions?: Record<string, boolean>;
  /** Connections to this host's shares: server → user. */
  shares?: Record<string, string>;
  /** Reference point → disk id → RCT id of the freeze it stands for. */
  sealed?: Record<string, Record<string, string>>;
  /** Every export that was begun. */
  exports?: { directory: string; base: string; excluded: number }[];
  /** Every call of a method, for tests that ask what was done. */
  calls: string[];
}

/**
 * Behaviours, each with its standing. What is assumed is run both ways.
 */
export interface Behaviour {
  /** Methods that return 0 instead of a job (documented: either). */
  synchronous?: string[];
  /** Method → what its job ends with (documented codes). */
  jobFails?: Record<string, { errorCode: number; error: string; count?: number }>;
  /** Method → return value (documented). */
  returns?: Record<string, number>;
  /** Methods whose job is gone when it is looked at a second time (documented: after about 5 minutes). */
  vanishes?: string[];
  /** Jobs without an association to their result (assumed not to happen). */
  unassociated?: boolean;
  /** Msvm_VssComponent: the guest has no backup integration service (documented). */
  noVss?: boolean;
  /** The host takes VirtualSystemIdentifier of a definition (assumed). Default true. */
  keepsId?: boolean;
  /** GetVirtualDiskChanges refuses a length equal to the size (documented); default is to take it (observed). */
  refusesWholeLength?: boolean;
  /** Bytes that GetVirtualDiskChanges processes at most in one call (documented: may be less than asked). */
  processedMost?: number;
  /** GetVirtualDiskChanges processes nothing (a defect: must be an error). */
  processesNothing?: boolean;
  /** Reference points whose arrays differ in length (assumed not to happen). */
  unequalArrays?: boolean;
  /** Extra disks as the VM has them: pass-through. */
  passThrough?: boolean;
  /**
   * What exported disks look like (all assumed): `flat`, one file a disk; `chain`, the files of its chain as they are
   * (a full); `copies`, flat with identities and names of their own.
   */
  exportLayout?: 'flat' | 'chain' | 'copies';
  /**
   * What a differential export gives: a differencing disk (default, observed as "differential VHD"), or a disk that
   * needs no parent (assumed).
   */
  differentialGives?: 'difference' | 'whole';
  /**
   * A differential export goes back to the reference point's own RCT ids (assumed not), not to what its checkpoint
   * froze (default).
   */
  differentialFromIds?: boolean;
  /** The job of a differential export fails (documented: any job may). */
  refusesDifferential?: string;
  /** After an export the host does not resume merging (observed for CopyVmStorage false; assumed for true). */
  exportStopsMerging?: boolean;
  /** A job that fails leaves half an export behind (assumed). */
  exportBreaksOff?: string;
  /** Methods that never answer. */
  hangs?: string[];
  /** `METHOD:before`, `METHOD:after`, or `METHOD:look` (at its job): the helper process is killed there, once. */
  kill?: string;
  /** All calls are refused (rights). */
  accessDenied?: boolean;
  /**
   * The disk with this index shows itself as a VHD set, shared between VMs (documented; which names its files have:
   * assumed).
   */
  vhdSet?: number;
  /** Checkpoints have a snapshot of the set (assumed: only those of groups do). Default true. */
  vhdSetSnapshots?: boolean;
  /** The set cannot be looked into (documented codes). */
  vhdSetFails?: number;
  /** Snapshots without an RCT id ("if any": documented). */
  vhdSetUntracked?: boolean;
  /** The group that all VMs are in (documented). */
  group?: string;
  /** Reference points and checkpoints that are one of a group's, by id; or all (documented). */
  collected?: string[] | 'all';
  /** The host has no classes for groups (before Windows Server 2016: documented). */
  noGroups?: boolean;
  /** Accounts that may open a session, with their passwords; absent: any may, also without credentials. */
  accounts?: Record<string, string>;
  /**
   * The session drops (seen in the field; that it fails with 0x8033…: assumed), once: at an operation, or
   * `METHOD:before`, `METHOD:after`.
   */
  drops?: string;
  /** Windows' code that a connection to the shares gives (documented). */
  sharesRefuse?: number;
  /**
   * What a job of the method does when it is to end. It runs long. `ends`: it undoes what it did; `leaves`: what it
   * made stays (of an export: a part), and is associated with it; `hides`: stays unassociated (the last two: assumed
   * possible); `refuses`; `finishes` first; `never`: not Cancellable (documented).
   */
  cancel?: { method: string; way: 'ends' | 'leaves' | 'hides' | 'refuses' | 'finishes' | 'never' };
  /** Configuration version to report. */
  version?: string;
}

const read = <T>(file: string, empty: T): T => {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch {
    return empty;
  }
};

const stateFile = (directory: string): string => `${directory}.wmi.json`;
const behaviourFile = (directory: string): string => `${directory}.behaviour.json`;

/**
 * What the file holds as far as this process knows, by folder: most requests change nothing, and it grows with every
 * job.
 */
const known = new Map<string, string>();

export function readState(directory: string): DoubleState {
  const state = read(stateFile(directory), { next: 1, jobs: [], names: {}, planned: [], rctIds: {}, calls: [] });
  // Other processes write to it too: only what was read for this request counts.
  known.set(directory, JSON.stringify(state));
  return state;
}

export function writeState(directory: string, state: DoubleState): void {
  const text = JSON.stringify(state);
  if (known.get(directory) === text && existsSync(stateFile(directory))) return;
  known.set(directory, text);
  writeFileSync(`${stateFile(directory)}.new`, text);
  renameSync(`${stateFile(directory)}.new`, stateFile(directory));
}

export const readBehaviour = (directory: string): Behaviour => read(behaviourFile(directory), {});
export const setBehaviour = (directory: string, behaviour: Behaviour): void =>
  writeFileSync(behaviourFile(directory), JSON.stringify(behaviour));
