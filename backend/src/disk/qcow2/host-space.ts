/**
 * Hands out host clusters in ascending order and counts the references to them ("Host cluster management"). Each block
 * of reference counts lies in the first cluster of those it describes, so that only one of them is open at a time.
 */
import { alignUp } from '../../support/bytes.ts';
import type { RandomAccessFile } from '../../support/file.ts';
import { ENTRY_SIZE, MAX_REFCOUNT, REFCOUNT_SIZE } from './format/constants.ts';
import type { Qcow2Geometry } from './geometry.ts';

/** Where the tables went that seal() placed. File offsets, bytes. */
export interface SealedSpace {
  l1Offset: number;
  refcountTableOffset: number;
  refcountTableClusters: number;
}

export class HostSpace {
  readonly #file: RandomAccessFile;
  readonly #clusterSize: number;
  readonly #perBlock: number;
  /** Number of the next free cluster. */
  #next = 0;
  #counts: Buffer;
  /** Place of every block of counts so far, by cluster number; the last one is open. */
  readonly #blocks: number[] = [];
  /** Blocks that are complete but not written yet. */
  #full: { offset: number; counts: Buffer }[] = [];

  constructor(file: RandomAccessFile, { clusterSize, refcountsPerBlock }: Qcow2Geometry) {
    this.#file = file;
    this.#clusterSize = clusterSize;
    this.#perBlock = refcountsPerBlock;
    this.#counts = Buffer.alloc(clusterSize);
    // The header.
    this.#take();
    this.#openBlock();
  }

  /** Number of a free cluster, now referred to once. flush() must follow before long. */
  allocate(): number {
    if (this.#next % this.#perBlock === 0) {
      this.#full.push({ offset: this.#blocks.at(-1)! * this.#clusterSize, counts: this.#counts });
      this.#counts = Buffer.alloc(this.#clusterSize);
      this.#openBlock();
    }
    return this.#take();
  }

  #openBlock(): void {
    this.#blocks.push(this.#take());
  }

  #take(): number {
    this.#counts.writeUInt16BE(1, (this.#next % this.#perBlock) * REFCOUNT_SIZE);
    return this.#next++;
  }

  /** Whether one more reference to `cluster` can be counted. */
  canRefer(cluster: number): boolean {
    const isOpen = Math.floor(cluster / this.#perBlock) === this.#blocks.length - 1;
    return isOpen && this.#counts.readUInt16BE((cluster % this.#perBlock) * REFCOUNT_SIZE) < MAX_REFCOUNT;
  }

  /** Counts one more reference. @param cluster one that canRefer() */
  refer(cluster: number): void {
    const at = (cluster % this.#perBlock) * REFCOUNT_SIZE;
    this.#counts.writeUInt16BE(this.#counts.readUInt16BE(at) + 1, at);
  }

  /** Whether allocate() will give the cluster after `cluster`. */
  isFollowedByFree(cluster: number): boolean {
    return this.#next === cluster + 1 && this.#next % this.#perBlock !== 0;
  }

  /** Writes the blocks of counts that are complete. */
  async flush(): Promise<void> {
    for (const { offset, counts } of this.#full) await this.#file.writeFully(offset, counts);
    this.#full = [];
  }

  /**
   * Places the L1 table, the table of reference counts and the blocks still missing, one after the other at the end,
   * and writes the latter two. Nothing can be allocated afterwards.
   * @param l1Bytes room for the L1 table
   */
  async seal(l1Bytes: number): Promise<SealedSpace> {
    await this.flush();
    const first = this.#next;
    const l1Clusters = Math.ceil(l1Bytes / this.#clusterSize);
    const open = this.#blocks.length - 1;
    let blocks = this.#blocks.length;
    let tableClusters = 1;
    let end: number;
    // What is placed must itself be counted: until that needs nothing more.
    for (;;) {
      end = first + l1Clusters + tableClusters + (blocks - this.#blocks.length);
      const needed = Math.ceil(end / this.#perBlock);
      const neededTable = Math.ceil((Math.max(needed, blocks) * ENTRY_SIZE) / this.#clusterSize);
      if (needed <= blocks && neededTable <= tableClusters) break;
      blocks = Math.max(needed, blocks);
      tableClusters = Math.max(neededTable, tableClusters);
    }
    const table = first + l1Clusters;
    for (let index = this.#blocks.length; index < blocks; index++) {
      this.#blocks.push(table + tableClusters + index - open - 1);
    }
    for (let index = open; index < blocks; index++) await this.#writeBlock(index, index === open, first, end);
    await this.#writeTable(table, tableClusters);
    await this.#file.truncate(end * this.#clusterSize);
    return {
      l1Offset: first * this.#clusterSize,
      refcountTableOffset: table * this.#clusterSize,
      refcountTableClusters: tableClusters,
    };
  }

  /** Writes a block of counts in which the clusters [first, end) are referred to once. */
  async #writeBlock(index: number, isOpen: boolean, first: number, end: number): Promise<void> {
    const counts = isOpen ? this.#counts : Buffer.alloc(this.#clusterSize);
    const start = index * this.#perBlock;
    for (let cluster = Math.max(first, start); cluster < Math.min(end, start + this.#perBlock); cluster++) {
      counts.writeUInt16BE(1, (cluster - start) * REFCOUNT_SIZE);
    }
    await this.#file.writeFully(this.#blocks[index]! * this.#clusterSize, counts);
  }

  async #writeTable(cluster: number, clusters: number): Promise<void> {
    const bytes = Buffer.alloc(alignUp(this.#blocks.length * ENTRY_SIZE, this.#clusterSize));
    this.#blocks.forEach((block, index) => {
      bytes.writeBigUInt64BE(BigInt(block) * BigInt(this.#clusterSize), index * ENTRY_SIZE);
    });
    await this.#file.writeFully(cluster * this.#clusterSize, bytes.subarray(0, clusters * this.#clusterSize));
  }
}
