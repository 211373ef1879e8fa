/** Streaming writer of a differencing VHDX (AVHDX): what is written is this disk's, what is not stays the parent's. */
import { isZero } from '../../support/bytes.ts';
import type { ImageWriter } from '../device.ts';
import { NewFile } from '../new-file.ts';
import { blockParts, RunOrder } from '../runs.ts';
import { BatStream } from './bat-stream.ts';
import { type CreateDifferencingOptions, planDifferencing } from './create.ts';
import {
  BITMAP_PRESENT,
  PAYLOAD_FULLY_PRESENT,
  PAYLOAD_PARTIALLY_PRESENT,
  PAYLOAD_ZERO,
  SECTOR_BITMAP_BLOCK_SIZE,
} from './format/constants.ts';
import { bitmapIndex, bitmapSlice } from './geometry.ts';
import { setBits } from './sector-bitmap.ts';
import { type VhdxPlan, writeSkeleton } from './skeleton.ts';

/**
 * Starts a differencing VHDX over an existing one. Runs ascend and are whole sectors; zeros that are written hide what
 * the parent has there. Constant memory: one sector bitmap block.
 * @throws FILE_EXISTS, FILE_NOT_FOUND, DISK_UNSUPPORTED when the parent is no VHDX
 */
export async function createDifferencingVhdxWriter(
  path: string,
  parentPath: string,
  options: CreateDifferencingOptions = {},
): Promise<ImageWriter> {
  const plan = await planDifferencing(path, parentPath, options);
  const target = await NewFile.create(path, options.opener);
  try {
    await writeSkeleton(target.file, plan);
    return new DifferencingStreamWriter(target, plan);
  } catch (error) {
    await target.abort();
    throw error;
  }
}

class DifferencingStreamWriter implements ImageWriter {
  readonly #target: NewFile;
  readonly #plan: VhdxPlan;
  readonly #bat: BatStream;
  /** The sector bitmap of #chunk, and whether any block needs it. */
  readonly #bits = Buffer.alloc(SECTOR_BITMAP_BLOCK_SIZE);
  #chunk = -1;
  #bitsNeeded = false;
  /** The block that is being written: its place, if it has one, and how many of its sectors are present. */
  #block = -1;
  #place: number | null = null;
  #present = 0;
  #end: number;
  readonly #order: RunOrder;

  constructor(target: NewFile, plan: VhdxPlan) {
    this.#target = target;
    this.#plan = plan;
    this.#bat = new BatStream(target.file, plan);
    this.#end = plan.firstBlock;
    this.#order = new RunOrder(target.path, plan.geometry.size, plan.geometry.sectorSize);
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    this.#order.accept(offset, data.length);
    for (const { block, within, part } of blockParts(offset, data, this.#plan.geometry.blockSize)) {
      if (block !== this.#block) await this.#turnTo(block);
      await this.#writePart(within, part);
    }
  }

  async #writePart(within: number, part: Uint8Array): Promise<void> {
    const { geometry } = this.#plan;
    const first = bitmapSlice(geometry, this.#block).offset * 8 + within / geometry.sectorSize;
    const count = part.length / geometry.sectorSize;
    setBits(this.#bits, 0, first, first + count);
    this.#present += count;
    if (isZero(part)) return;
    this.#place ??= this.#take(geometry.blockSize);
    await this.#target.writeSparse(this.#place + within, part);
  }

  #take(length: number): number {
    const place = this.#end;
    this.#end += length;
    return place;
  }

  async #turnTo(block: number): Promise<void> {
    await this.#finishBlock();
    const chunk = Math.floor(block / this.#plan.geometry.chunkRatio);
    if (chunk !== this.#chunk) await this.#finishChunk();
    this.#chunk = chunk;
    this.#block = block;
    this.#place = null;
    this.#present = 0;
  }

  /** Wholly written zeros need no place; anything else that was written does. */
  async #finishBlock(): Promise<void> {
    if (this.#block < 0) return;
    const { size, blockSize, sectorSize } = this.#plan.geometry;
    const sectors = Math.min(blockSize, size - this.#block * blockSize) / sectorSize;
    const full = this.#present === sectors;
    if (full && this.#place === null) {
      await this.#bat.set(this.#block, PAYLOAD_ZERO, 0);
      return;
    }
    if (!full) this.#bitsNeeded = true;
    this.#place ??= this.#take(blockSize);
    await this.#bat.set(this.#block, full ? PAYLOAD_FULLY_PRESENT : PAYLOAD_PARTIALLY_PRESENT, this.#place);
  }

  async #finishChunk(): Promise<void> {
    if (this.#bitsNeeded) {
      const place = this.#take(SECTOR_BITMAP_BLOCK_SIZE);
      await this.#target.write(place, this.#bits);
      await this.#bat.setIndex(bitmapIndex(this.#plan.geometry, this.#chunk), BITMAP_PRESENT, place);
    }
    this.#bitsNeeded = false;
    this.#bits.fill(0);
  }

  async finish(): Promise<void> {
    await this.#finishBlock();
    await this.#finishChunk();
    await this.#bat.finish();
    await this.#target.file.truncate(this.#end);
    await this.#target.publish();
  }

  abort(): Promise<void> {
    return this.#target.abort();
  }
}
