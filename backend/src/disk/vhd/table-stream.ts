/** Writes the block table of a new file in ascending order of blocks, a page at a time, whatever its size. */
import type { RandomAccessFile } from '../../support/file.ts';
import { PAGE_SIZE } from '../page-cache.ts';
import { TABLE_ENTRY_SIZE } from './format/constants.ts';
import type { DynamicPlan } from './plan.ts';

/** Every byte of an entry that is not allocated. */
const FILLER = 0xff;

export class TableStream {
  readonly #file: RandomAccessFile;
  readonly #plan: DynamicPlan;
  readonly #page = Buffer.alloc(PAGE_SIZE, FILLER);
  /** Page that is being filled; all before it are written. */
  #number = 0;

  constructor(file: RandomAccessFile, plan: DynamicPlan) {
    this.#file = file;
    this.#plan = plan;
  }

  /** @param block not smaller than the one before */
  async set(block: number, sector: number): Promise<void> {
    const at = block * TABLE_ENTRY_SIZE;
    const number = Math.floor(at / PAGE_SIZE);
    while (this.#number < number) await this.#writePage();
    this.#page.writeUInt32BE(sector, at % PAGE_SIZE);
  }

  /** Writes the rest: what was never set is not allocated. */
  async finish(): Promise<void> {
    while (this.#number * PAGE_SIZE < this.#plan.tableSize) await this.#writePage();
  }

  async #writePage(): Promise<void> {
    const at = this.#number * PAGE_SIZE;
    const length = Math.min(PAGE_SIZE, this.#plan.tableSize - at);
    await this.#file.writeFully(this.#plan.tableOffset + at, this.#page.subarray(0, length));
    this.#page.fill(FILLER);
    this.#number++;
  }
}
