/** What every streaming writer does with the runs it is given. */
import { outOfRange } from './errors.ts';

/** Holds a writer's callers to their promise: runs ascend, do not overlap and stay within the disk. */
export class RunOrder {
  readonly #path: string;
  readonly #size: number;
  readonly #unit: number;
  #next = 0;

  /** @param size bytes of the disk; @param unit bytes that runs must start at and be multiples of */
  constructor(path: string, size: number, unit = 1) {
    this.#path = path;
    this.#size = size;
    this.#unit = unit;
  }

  /** @throws DISK_OUT_OF_RANGE */
  accept(offset: number, length: number): void {
    const whole = offset % this.#unit === 0 && length % this.#unit === 0;
    if (!whole || offset < this.#next || offset + length > this.#size) {
      throw outOfRange(this.#path, offset, length, this.#size);
    }
    this.#next = offset + length;
  }
}

/** A run's part in one block. */
export interface BlockPart {
  block: number;
  /** Where in the block it starts, bytes. */
  within: number;
  part: Uint8Array;
}

/** Cuts a run at block borders. */
export function* blockParts(offset: number, data: Uint8Array, blockSize: number): Generator<BlockPart> {
  for (let at = 0; at < data.length; ) {
    const block = Math.floor((offset + at) / blockSize);
    const within = offset + at - block * blockSize;
    const part = data.subarray(at, at + Math.min(data.length - at, blockSize - within));
    yield { block, within, part };
    at += part.length;
  }
}
