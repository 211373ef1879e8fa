/** A VHDX, with its parents below it, as a block device that can be written. */
import { alignDown, alignUp } from '../../support/bytes.ts';
import { Mutex } from '../../support/mutex.ts';
import { ChainDevice } from '../chain.ts';
import type { WritableBlockDevice } from '../device.ts';
import type { DiskImage } from '../range.ts';
import type { VhdxImage } from './image.ts';
import { type InPlaceOptions, VhdxInPlaceWriter } from './in-place.ts';

export class WritableVhdx extends ChainDevice implements WritableBlockDevice {
  readonly #writer: VhdxInPlaceWriter;
  readonly #turns = new Mutex();

  /** @param parents read only, nearest first */
  constructor(top: VhdxImage, parents: readonly DiskImage[], options: InPlaceOptions = {}) {
    super([top, ...parents]);
    this.#writer = new VhdxInPlaceWriter(top, options);
  }

  write(offset: number, data: Uint8Array): Promise<void> {
    return this.#turns.run(async () => {
      this.checkRange(offset, data.length);
      if (this.#writer.wholeSectors) await this.#writeSectors(offset, data);
      else await this.#writer.write(offset, data);
    });
  }

  /** Zeros [offset, offset+length); takes no space where the disk reads as zeros already. */
  writeZeros(offset: number, length: number): Promise<void> {
    return this.#turns.run(async () => {
      this.checkRange(offset, length);
      const sector = this.#writer.wholeSectors ? this.logicalSectorSize : 1;
      const from = Math.min(alignUp(offset, sector), offset + length);
      const to = Math.max(from, alignDown(offset + length, sector));
      await this.#writeSectors(offset, Buffer.alloc(from - offset));
      await this.#writer.writeZeros(from, to - from);
      await this.#writeSectors(to, Buffer.alloc(offset + length - to));
    });
  }

  /** A differencing disk knows whole sectors only: what is missing at either end comes from the chain. */
  async #writeSectors(offset: number, data: Uint8Array): Promise<void> {
    if (data.length === 0) return;
    const from = alignDown(offset, this.logicalSectorSize);
    const to = alignUp(offset + data.length, this.logicalSectorSize);
    if (from === offset && to === offset + data.length) return this.#writer.write(offset, data);
    const whole = Buffer.alloc(to - from);
    await this.read(from, whole.subarray(0, this.logicalSectorSize));
    await this.read(to - this.logicalSectorSize, whole.subarray(whole.length - this.logicalSectorSize));
    whole.set(data, offset - from);
    return this.#writer.write(from, whole);
  }

  flush(): Promise<void> {
    return this.#turns.run(() => this.#writer.flush());
  }

  /**
   * Gives the content this identity, durably, in both headers; later writes leave it alone. What children name as their
   * parent's linkage, and what shows a change tracker that the disk changed behind its back.
   */
  setDataWriteGuid(guid: string): Promise<void> {
    return this.#turns.run(async () => {
      await this.#writer.flush();
      await this.#writer.setDataWriteGuid(guid);
    });
  }

  /** Flushes and closes. */
  override async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await super.close();
    }
  }
}
