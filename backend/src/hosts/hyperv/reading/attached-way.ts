/** Frozen disks that the helper attaches, for files that we cannot read ourselves. */
import type { ChangedRange } from '../../../disk/device.ts';
import type { HostDisk, Reading } from '../../port.ts';
import type { Helper } from '../helper/helper.ts';
import { AttachedDisk } from './attached-disk.ts';
import { trackedChanges } from './changes.ts';
import { type FrozenPart, type ReadingWay, type Since, stillThere } from './reading-way.ts';

export class AttachedWay implements ReadingWay {
  readonly #helper: Helper;

  constructor(helper: Helper) {
    this.#helper = helper;
  }

  open(disk: FrozenPart, reading: Reading): Promise<HostDisk> {
    return AttachedDisk.open({ helper: this.#helper, path: disk.path, reading, stillThere: stillThere(disk) });
  }

  changes(disk: FrozenPart, { rctId }: Since): AsyncIterable<ChangedRange[]> {
    return trackedChanges(this.#helper, disk, rctId);
  }

  async end(): Promise<null> {
    return null;
  }
}
