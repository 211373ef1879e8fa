/** Snapshots within a VHD set, read from their files: the one way that is known to read one. */
import type { ChangedRange } from '../../../disk/device.ts';
import type { HostDisk, Reading } from '../../port.ts';
import type { Helper } from '../helper/helper.ts';
import { reachable } from '../paths.ts';
import { queryChanges } from './changes.ts';
import { openFrozenFile } from './frozen-disk.ts';
import { type FrozenPart, type ReadingWay, type Since, stillThere } from './reading-way.ts';

export class SetWay implements ReadingWay {
  readonly #helper: Helper;
  readonly #server: string | undefined;

  constructor(helper: Helper, server: string | undefined) {
    this.#helper = helper;
    this.#server = server;
  }

  /** @param disk with its `set` */
  open(disk: FrozenPart, reading: Reading): Promise<HostDisk> {
    return openFrozenFile(reachable(disk.set!.path, this.#server), stillThere(disk), reading);
  }

  /** virtdisk.dll is asked about files; what changed up to a snapshot within a set is documented for WMI alone. */
  changes({ path, size, set }: FrozenPart, { rctId }: Since): AsyncIterable<ChangedRange[]> {
    return queryChanges(this.#helper, { path, rctId, size, method: 'wmi', snapshotId: set!.snapshotId });
  }

  async end(): Promise<null> {
    return null;
  }
}
