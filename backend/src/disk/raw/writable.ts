/** A raw image that can be written. */
import { isZero, zeros } from '../../support/bytes.ts';
import { HvError } from '../../support/errors.ts';
import { ChainDevice } from '../chain.ts';
import type { WritableBlockDevice } from '../device.ts';
import type { RawImage } from './image.ts';

const STEP = 1 << 20;

export class WritableRaw extends ChainDevice implements WritableBlockDevice {
  readonly #image: RawImage;

  constructor(image: RawImage) {
    super([image]);
    this.#image = image;
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    this.checkRange(offset, data.length);
    // A last sector that the file holds only in part keeps its size: what the disk adds to it are zeros.
    const stored = Math.max(0, Math.min(data.length, this.#image.info.fileSize - offset));
    if (!isZero(data.subarray(stored))) {
      throw new HvError('DISK_OUT_OF_RANGE', `The file ends within the last sector of the disk: ${this.info.path}`, {
        advice: 'Extend the file to a whole number of sectors first.',
      });
    }
    await this.#image.file.writeFully(offset, data.subarray(0, stored));
  }

  async writeZeros(offset: number, length: number): Promise<void> {
    this.checkRange(offset, length);
    for (let at = 0; at < length; at += STEP) await this.write(offset + at, zeros(Math.min(STEP, length - at)));
  }

  flush(): Promise<void> {
    return this.#image.file.sync();
  }

  async setDataWriteGuid(): Promise<void> {
    throw new HvError('NOT_SUPPORTED', `A raw image has no DataWriteGuid: ${this.info.path}`);
  }

  override async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await super.close();
    }
  }
}
