/** What a way to read a host's frozen disks is: one file each beside this one; `ways.ts` decides which is taken. */
import type { ChangedRange } from '../../../disk/device.ts';
import type { HostDisk, Reading, RecoveryCheckpoint, ReferencePoint } from '../../port.ts';
import type { SetSnapshot } from '../vms/vhd-sets.ts';
import type { Snapshot } from '../wmi.ts';

/** A disk of a checkpoint, and where the host has it. */
export interface FrozenPart {
  checkpoint: RecoveryCheckpoint;
  index: number;
  /** As the host names it. */
  path: string;
  /** Virtual size, bytes. */
  size: number;
  /** Of a disk that is a VHD set: what the checkpoint froze of it. */
  set?: SetSnapshot;
  /** The checkpoint as it is now. @throws CHECKPOINT_NOT_FOUND */
  snapshot(): Promise<Snapshot>;
}

/** Where changes begin: what is known of the disk's last backup. */
export interface Since {
  rctId: string;
  /** The reference point that its checkpoint became, where it is known. */
  referencePointId: string | undefined;
  /** Reference points of the VM as they are now. */
  points(): Promise<ReferencePoint[]>;
}

export interface ReadingWay {
  /**
   * Opens a frozen disk. Its close() fails when the checkpoint has ended meanwhile.
   * @param reading said in results: why in this way
   * @param signal gives up what the host must do first
   */
  open(disk: FrozenPart, reading: Reading, signal?: AbortSignal): Promise<HostDisk>;
  /** What changed on a disk, page after page. @throws TRACKING_* take a full of this disk */
  changes(disk: FrozenPart, since: Since, reading: Reading, signal?: AbortSignal): AsyncIterable<ChangedRange[]>;
  /** Gives back what reading a checkpoint took. @returns null when that was nothing, else sentences for the result */
  end(checkpointId: string): Promise<string[] | null>;
}

/** Throws when the checkpoint has ended: nothing of what was read may be used then. */
export const stillThere =
  ({ snapshot }: FrozenPart) =>
  async (): Promise<void> =>
    void (await snapshot());
