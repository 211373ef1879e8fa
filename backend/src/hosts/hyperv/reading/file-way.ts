/** Frozen disks read from their files: of this machine, or over the administrative shares of another. */
import type { ChangedRange } from '../../../disk/device.ts';
import type { HostDisk, Reading } from '../../port.ts';
import type { Helper } from '../helper/helper.ts';
import { reachable } from '../paths.ts';
import { trackedChanges } from './changes.ts';
import { openFrozenFile } from './frozen-disk.ts';
import { type FrozenPart, type ReadingWay, type Since, stillThere } from './reading-way.ts';

export class FileWay implements ReadingWay {
  readonly #helper: Helper;
  readonly #server: string | undefined;

  constructor(helper: Helper, server: string | undefined) {
    this.#helper = helper;
    this.#server = server;
  }

  open(disk: FrozenPart, reading: Reading): Promise<HostDisk> {
    return openFrozenFile(reachable(disk.path, this.#server), stillThere(disk), reading);
  }

  changes(disk: FrozenPart, { rctId }: Since): AsyncIterable<ChangedRange[]> {
    return trackedChanges(this.#helper, disk, rctId);
  }

  async end(): Promise<null> {
    return null;
  }
}
