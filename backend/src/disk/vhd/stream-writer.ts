/** Streaming writers of VHD files: one pass, constant memory, blocks in the order of the disk. */
import { isZero } from '../../support/bytes.ts';
import type { FileOpener } from '../../support/file.ts';
import type { ImageWriter } from '../device.ts';
import { NewFile } from '../new-file.ts';
import { blockParts, RunOrder } from '../runs.ts';
import { FOOTER_SIZE, SECTOR } from './format/constants.ts';
import { renderDynamicHeader } from './format/dynamic-header.ts';
import { renderFooter } from './format/footer.ts';
import { type DynamicPlan, type NewVhdOptions, planVhd, type VhdPlan } from './plan.ts';
import { TableStream } from './table-stream.ts';

export interface VhdWriterOptions extends NewVhdOptions {
  opener?: FileOpener;
}

/**
 * Starts a fixed or dynamic VHD. Zeros take no space where the file system has holes; blocks of nothing but zeros are
 * not allocated in a dynamic one. A fixed one gets its whole length at once, so that a file system that cannot hold it
 * says so first.
 * @throws NOT_SUPPORTED above 2040 GiB, USAGE for impossible sizes, FILE_EXISTS, FILE_TOO_LARGE, DISK_FULL,
 *   ACCESS_DENIED
 */
export async function createVhdWriter(path: string, options: VhdWriterOptions): Promise<ImageWriter> {
  const plan = planVhd(options);
  const target = await NewFile.create(path, options.opener);
  try {
    if (plan.dynamic !== null) return new DynamicWriter(target, plan, plan.dynamic, options.size);
    await target.file.truncate(plan.size + FOOTER_SIZE);
    return new FixedWriter(target, plan, options.size);
  } catch (error) {
    await target.abort();
    throw error;
  }
}

/** What both kinds have: runs must ascend and stay within the disk. */
abstract class VhdStreamWriter implements ImageWriter {
  protected readonly target: NewFile;
  protected readonly plan: VhdPlan;
  readonly #order: RunOrder;

  /** @param size bytes, as asked for: the last sector is filled up with zeros */
  constructor(target: NewFile, plan: VhdPlan, size: number) {
    this.target = target;
    this.plan = plan;
    this.#order = new RunOrder(target.path, size);
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    this.#order.accept(offset, data.length);
    await this.put(offset, data);
  }

  protected abstract put(offset: number, data: Uint8Array): Promise<void>;
  protected abstract complete(): Promise<void>;

  async finish(): Promise<void> {
    await this.complete();
    await this.target.publish();
  }

  abort(): Promise<void> {
    return this.target.abort();
  }
}

class FixedWriter extends VhdStreamWriter {
  protected put(offset: number, data: Uint8Array): Promise<void> {
    return this.target.writeSparse(offset, data);
  }

  protected complete(): Promise<void> {
    return this.target.file.writeFully(this.plan.size, renderFooter(this.plan.footer));
  }
}

class DynamicWriter extends VhdStreamWriter {
  readonly #dynamic: DynamicPlan;
  readonly #table: TableStream;
  readonly #bitmap: Buffer;
  /** Block that was allocated last, and the file offset of its content. */
  #block = -1;
  #content = 0;
  /** Place for the next block's bitmap. */
  #free: number;
  /** End of the last block. */
  #end: number;

  constructor(target: NewFile, plan: VhdPlan, dynamic: DynamicPlan, size: number) {
    super(target, plan, size);
    this.#dynamic = dynamic;
    this.#table = new TableStream(target.file, dynamic);
    // All sectors are there, also those that stay zeros: some programs do not look at bitmaps, others do.
    this.#bitmap = Buffer.alloc(dynamic.bitmapSize, 0xff);
    this.#free = dynamic.firstBlock;
    this.#end = dynamic.tableOffset + dynamic.tableSize;
  }

  protected async put(offset: number, data: Uint8Array): Promise<void> {
    for (const { block, within, part } of blockParts(offset, data, this.#dynamic.blockSize)) {
      if (isZero(part)) continue;
      if (block !== this.#block) await this.#allocate(block);
      await this.target.writeSparse(this.#content + within, part);
    }
  }

  async #allocate(block: number): Promise<void> {
    const place = this.#free;
    await this.#table.set(block, place / SECTOR);
    await this.target.file.writeFully(place, this.#bitmap);
    this.#block = block;
    this.#content = place + this.#dynamic.bitmapSize;
    this.#end = this.#content + this.#dynamic.blockSize;
    this.#free += this.#dynamic.stride;
  }

  protected async complete(): Promise<void> {
    const { file } = this.target;
    const footer = renderFooter(this.plan.footer);
    await this.#table.finish();
    await file.writeFully(0, footer);
    await file.writeFully(FOOTER_SIZE, renderDynamicHeader(this.#dynamic.header));
    await file.writeFully(this.#end, footer);
  }
}
