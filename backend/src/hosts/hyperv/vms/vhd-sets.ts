/**
 * VHD sets: disks that several VMs share. A checkpoint names the snapshot within the set
 * (Msvm_StorageAllocationSettingData.SnapshotId); its file, parents and RCT id are returned by
 * GetVHDSnapshotInformation. So far from the documentation alone: where anything is missing, the disk is left out of
 * the restore point, and the result says why.
 */
import { HvError, isHvError } from '../../../support/errors.ts';
import { parseGuid } from '../../../support/guid.ts';
import type { Helper } from '../helper/helper.ts';
import { VhdSetAnswer, type WmiComponent } from '../wmi.ts';
import { type PlacedDisk, placedDisks } from './describe-disks.ts';

/** A disk's state in a set that a checkpoint froze. */
export interface SetSnapshot {
  snapshotId: string;
  /** File that holds it, with its parents: a differencing VHDX like any other. */
  path: string;
  /** Null where the set has no change tracking. */
  rctId: string | null;
}

/** Why a set cannot be read. */
export interface SetProblem {
  problem: string;
}

export const isVhdSet = (path: string): boolean => /\.vhds$/i.test(path);

/** Snapshots of the sets of a checkpoint, by path of the set. */
export async function setSnapshots(
  helper: Helper,
  components: WmiComponent[],
): Promise<Map<string, SetSnapshot | SetProblem>> {
  const found = new Map<string, SetSnapshot | SetProblem>();
  for (const disk of placedDisks(components)) {
    if (isVhdSet(disk.path)) found.set(disk.path, await lookUp(helper, disk));
  }
  return found;
}

async function lookUp(helper: Helper, { path, component }: PlacedDisk): Promise<SetSnapshot | SetProblem> {
  const snapshotId = parseGuid(component.snapshotId ?? '');
  if (snapshotId === null) {
    return {
      problem: 'it is a VHD set, and the checkpoint has no snapshot of it (Hyper-V makes one for VMs in a group)',
    };
  }
  try {
    const { snapshots } = await askSet(helper, path, [snapshotId]);
    const snapshot = snapshots.find((entry) => parseGuid(entry.id) === snapshotId);
    if (!snapshot?.path)
      return { problem: `it is a VHD set, and the host names no file of its snapshot ${snapshotId}` };
    return { snapshotId, path: snapshot.path, rctId: snapshot.rctId || null };
  } catch (error) {
    if (!isHvError(error) || error.code === 'HOST_LOST' || error.data.died) throw error;
    return { problem: `it is a VHD set that cannot be looked into: ${error.message}` };
  }
}

/** @param snapshotIds all when absent */
export async function askSet(helper: Helper, path: string, snapshotIds?: string[]) {
  return VhdSetAnswer.parse(await helper.request('vhdSet', { path, snapshotIds }, { repeat: true }));
}

/** The snapshot of one set. @throws NOT_SUPPORTED with what is in the way */
export async function setSnapshot(helper: Helper, disk: PlacedDisk): Promise<SetSnapshot> {
  const found = await lookUp(helper, disk);
  if ('path' in found) return found;
  throw new HvError('NOT_SUPPORTED', `The disk ${disk.path} cannot be read: ${found.problem}.`, {
    advice: 'Back it up from within the guest.',
    data: { path: disk.path },
  });
}
