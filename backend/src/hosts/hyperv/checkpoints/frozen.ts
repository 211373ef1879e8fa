/** What a recovery checkpoint froze, as it lies on the host now: the end of a checkpoint below may have moved it. */
import { HvError } from '../../../support/errors.ts';
import { parseGuid } from '../../../support/guid.ts';
import type { RecoveryCheckpoint } from '../../port.ts';
import { checkpointNotFound, noSuchDisk } from '../errors.ts';
import type { Helper } from '../helper/helper.ts';
import type { Readings } from '../reading/readings.ts';
import { placedDisks, placeOf } from '../vms/describe-disks.ts';
import { isVhdSet, type SetSnapshot, setSnapshot, setSnapshots } from '../vms/vhd-sets.ts';
import type { Vms } from '../vms/vms.ts';
import { type Snapshot, SnapshotListing, type SystemAnswer } from '../wmi.ts';
import { type CheckpointFacts, diskPaths } from './checkpoint.ts';

/** A frozen disk: its file, or the VHD set and the snapshot in it. */
export interface FrozenPlace {
  path: string;
  size: number;
  set?: SetSnapshot;
}

export class Frozen {
  readonly #helper: Helper;
  readonly #vms: Vms;
  readonly #readings: Readings;

  constructor(helper: Helper, vms: Vms, readings: Readings) {
    this.#helper = helper;
    this.#vms = vms;
    this.#readings = readings;
  }

  /** All checkpoints of a VM: recovery checkpoints, and `others`, which users made. */
  async listing(vmId: string): Promise<SnapshotListing> {
    return SnapshotListing.parse(await this.#helper.request('listSnapshots', { vmId }, { repeat: true }));
  }

  /** @throws CHECKPOINT_NOT_FOUND */
  async snapshot(id: string): Promise<Snapshot> {
    if (parseGuid(id) === null) throw checkpointNotFound(id);
    const answer = SnapshotListing.parse(
      await this.#helper.request('listSnapshots', { snapshotId: id }, { repeat: true }),
    );
    const [snapshot] = answer.snapshots;
    if (!snapshot) throw checkpointNotFound(id);
    return snapshot;
  }

  /** @param strict a frozen disk that cannot be described is an error, not a disk of no size @throws DISK_CORRUPT */
  async facts(snapshot: Snapshot, vm: SystemAnswer, strict: boolean): Promise<CheckpointFacts> {
    const frozen = diskPaths(snapshot.components);
    const facts = await this.#vms.facts([...new Set([...frozen, ...diskPaths(vm.components)])]);
    for (const path of strict ? frozen : []) {
      const failure = facts.get(path)?.error;
      // A set is left out, with the reason.
      if (!failure || isVhdSet(path)) continue;
      throw new HvError(
        'DISK_CORRUPT',
        `A disk of VM "${vm.settings.elementName}" cannot be read: ${failure.message}`,
        {
          advice: 'Check the disk file on the host; restore it from a backup if it is damaged.',
          data: { path },
        },
      );
    }
    const sets = await setSnapshots(this.#helper, snapshot.components);
    return { facts, rctIds: await this.#readings.rctIds(frozen.filter((path) => !isVhdSet(path))), sets };
  }

  /** @throws CHECKPOINT_NOT_FOUND, VM_DISK_NOT_FOUND; NOT_SUPPORTED for a VHD set that it did not freeze */
  async disk(checkpoint: RecoveryCheckpoint, diskIndex: number): Promise<FrozenPlace> {
    const snapshot = await this.snapshot(checkpoint.id);
    const disk = checkpoint.vm.disks.find((entry) => entry.index === diskIndex);
    const place = disk && placedDisks(snapshot.components).find((entry) => placeOf(entry) === placeOf(disk));
    if (!disk || !place || place.passThrough) throw noSuchDisk(checkpoint.id, diskIndex);
    const set = isVhdSet(place.path) ? { set: await setSnapshot(this.#helper, place) } : {};
    return { path: place.path, size: disk.size, ...set };
  }
}
