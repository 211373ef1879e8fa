/** Writes the BAT of a new file in ascending order of blocks, a page at a time, whatever its size. */
import type { RandomAccessFile } from '../../support/file.ts';
import { PAGE_SIZE } from '../page-cache.ts';
import { writeBatEntry } from './format/bat-entry.ts';
import { BAT_ENTRY_SIZE, PAYLOAD_FULLY_PRESENT } from './format/constants.ts';
import { payloadIndex } from './geometry.ts';
import type { VhdxPlan } from './skeleton.ts';

export class BatStream {
  readonly #file: RandomAccessFile;
  readonly #plan: VhdxPlan;
  readonly #page = Buffer.alloc(PAGE_SIZE);
  #number = -1;

  /** @param file with the BAT region as zeros */
  constructor(file: RandomAccessFile, plan: VhdxPlan) {
    this.#file = file;
    this.#plan = plan;
  }

  /** @param block not smaller than the one before. @returns a promise only when a page had to be written */
  set(block: number, state: number, fileOffset: number): Promise<void> | undefined {
    return this.setIndex(payloadIndex(this.#plan.geometry, block), state, fileOffset);
  }

  /** As set(), by the entry's place in the table. */
  setIndex(index: number, state: number, fileOffset: number): Promise<void> | undefined {
    const at = index * BAT_ENTRY_SIZE;
    const number = Math.floor(at / PAGE_SIZE);
    const written = number === this.#number ? undefined : this.#turn(number);
    if (written === undefined) {
      writeBatEntry(this.#page, at % PAGE_SIZE, state, fileOffset);
      return undefined;
    }
    return written.then(() => writeBatEntry(this.#page, at % PAGE_SIZE, state, fileOffset));
  }

  async #turn(number: number): Promise<void> {
    await this.finish();
    this.#page.fill(0);
    this.#number = number;
  }

  /** Writes what is left. */
  async finish(): Promise<void> {
    if (this.#number >= 0) await this.#file.writeFully(this.#plan.batOffset + this.#number * PAGE_SIZE, this.#page);
  }
}

/**
 * A fixed disk: every block has its place from the start, in the order of the disk, as a hole where that is possible.
 */
export async function allocateAll(file: RandomAccessFile, plan: VhdxPlan): Promise<void> {
  const { blockCount, blockSize } = plan.geometry;
  await file.truncate(plan.firstBlock + blockCount * blockSize);
  const bat = new BatStream(file, plan);
  for (let block = 0; block < blockCount; block++) {
    const written = bat.set(block, PAYLOAD_FULLY_PRESENT, plan.firstBlock + block * blockSize);
    if (written !== undefined) await written;
  }
  await bat.finish();
}
