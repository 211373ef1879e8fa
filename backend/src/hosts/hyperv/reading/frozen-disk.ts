/**
 * A frozen disk, read from its file (and parents) while the checkpoint stands. What was read counts only if the
 * checkpoint still stood afterwards: its end lets the host merge into the files that are being read. So closing asks,
 * and fails if not.
 */
import type { BlockDevice, Extent } from '../../../disk/device.ts';
import { openDisk } from '../../../disk/index.ts';
import type { HostDisk, Reading } from '../../port.ts';

export class FrozenDisk implements HostDisk {
  readonly reading: Reading;
  readonly #disk: BlockDevice;
  readonly #stillThere: () => Promise<void>;
  #closed = false;

  /** @param stillThere throws when the checkpoint has ended */
  static async open(file: string, stillThere: () => Promise<void>, reading: Reading): Promise<FrozenDisk> {
    return new FrozenDisk(await openDisk(file), stillThere, reading);
  }

  private constructor(disk: BlockDevice, stillThere: () => Promise<void>, reading: Reading) {
    this.reading = reading;
    this.#disk = disk;
    this.#stillThere = stillThere;
  }

  get size(): number {
    return this.#disk.size;
  }

  get logicalSectorSize(): number {
    return this.#disk.logicalSectorSize;
  }

  get physicalSectorSize(): number {
    return this.#disk.physicalSectorSize;
  }

  read(offset: number, target: Uint8Array): Promise<void> {
    return this.#disk.read(offset, target);
  }

  extents(offset?: number, length?: number): AsyncIterable<Extent> {
    return this.#disk.extents(offset, length);
  }

  /** @throws CHECKPOINT_NOT_FOUND when the checkpoint has ended meanwhile: nothing of what was read may be used */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#disk.close();
    await this.#stillThere();
  }
}
