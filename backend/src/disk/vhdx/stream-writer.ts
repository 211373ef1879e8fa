/** Streaming writer of a dynamic or fixed VHDX: one pass, constant memory, blocks in the order of the disk. */

import { isZero } from '../../support/bytes.ts';
import { allDone } from '../../support/concurrency.ts';
import type { FileOpener } from '../../support/file.ts';
import type { ImageWriter } from '../device.ts';
import { NewFile } from '../new-file.ts';
import { blockParts, RunOrder } from '../runs.ts';
import { allocateAll, BatStream } from './bat-stream.ts';
import { PAYLOAD_FULLY_PRESENT } from './format/constants.ts';
import { type NewVhdxOptions, planVhdx, type VhdxPlan, writeSkeleton } from './skeleton.ts';

export interface VhdxWriterOptions extends NewVhdxOptions {
  /** Every block has its place from the start. Default: dynamic, blocks of nothing but zeros have none. */
  fixed?: boolean;
  opener?: FileOpener;
}

/**
 * Starts a VHDX. The result opens in Hyper-V without replay: log empty, both headers valid, everything aligned as the
 * format asks for. The length of a fixed disk is claimed at once, so that a file system that cannot hold it says so
 * first.
 * @throws FILE_EXISTS, USAGE for impossible sizes, DISK_FULL, ACCESS_DENIED
 */
export async function createVhdxWriter(path: string, options: VhdxWriterOptions): Promise<ImageWriter> {
  const plan = planVhdx(options, { fixed: options.fixed });
  const target = await NewFile.create(path, options.opener);
  try {
    await writeSkeleton(target.file, plan);
    if (plan.fixed) await allocateAll(target.file, plan);
    return new VhdxStreamWriter(target, plan);
  } catch (error) {
    await target.abort();
    throw error;
  }
}

class VhdxStreamWriter implements ImageWriter {
  readonly overlapping = true;
  readonly #target: NewFile;
  readonly #plan: VhdxPlan;
  readonly #bat: BatStream;
  /** Next free place, and the block that was allocated last with its place. */
  #end: number;
  #block = -1;
  #place = 0;
  /** Blocks get their places one after the other, in the order of the disk. */
  #placing: Promise<unknown> = Promise.resolve();
  readonly #order: RunOrder;

  constructor(target: NewFile, plan: VhdxPlan) {
    this.#target = target;
    this.#plan = plan;
    this.#bat = new BatStream(target.file, plan);
    this.#end = plan.firstBlock;
    this.#order = new RunOrder(target.path, plan.geometry.size);
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    this.#order.accept(offset, data.length);
    const writes: Promise<void>[] = [];
    const placed = this.#placing.then(async () => {
      for (const { block, within, part } of blockParts(offset, data, this.#plan.geometry.blockSize)) {
        if (isZero(part)) continue;
        if (block !== this.#block) await this.#allocate(block);
        const write = this.#target.writeSparse(this.#place + within, part);
        // Reported below: while the next block gets its place nothing else listens for it.
        write.catch(() => undefined);
        writes.push(write);
      }
    });
    this.#placing = placed;
    await placed.finally(() => allDone(writes));
  }

  async #allocate(block: number): Promise<void> {
    this.#block = block;
    const { blockSize } = this.#plan.geometry;
    if (this.#plan.fixed) {
      this.#place = this.#plan.firstBlock + block * blockSize;
      return;
    }
    this.#place = this.#end;
    this.#end += blockSize;
    await this.#bat.set(block, PAYLOAD_FULLY_PRESENT, this.#place);
  }

  async finish(): Promise<void> {
    if (!this.#plan.fixed) {
      await this.#bat.finish();
      // Every block is there in full, also where it ends in zeros that were not written.
      await this.#target.file.truncate(this.#end);
    }
    await this.#target.publish();
  }

  abort(): Promise<void> {
    return this.#target.abort();
  }
}
