/** Which guest cluster lies where ("Cluster mapping"): L2 tables are written as they fill, the L1 table at the end. */
import type { RandomAccessFile } from '../../support/file.ts';
import { COPIED, ENTRY_SIZE } from './format/constants.ts';
import type { Qcow2Geometry } from './geometry.ts';
import type { HostSpace } from './host-space.ts';

/** L1 entries rendered at once. */
const L1_STEP = 8192;

export class Mapping {
  readonly #file: RandomAccessFile;
  readonly #geometry: Qcow2Geometry;
  readonly #space: HostSpace;
  /** File offset of each L2 table; 0: not there, its clusters are zeros. */
  readonly #l1: Float64Array;
  readonly #l2: Buffer;
  /** Index in L1 of the table that is being filled. */
  #index = -1;

  constructor(file: RandomAccessFile, geometry: Qcow2Geometry, space: HostSpace) {
    this.#file = file;
    this.#geometry = geometry;
    this.#space = space;
    this.#l1 = new Float64Array(geometry.l1Size);
    this.#l2 = Buffer.alloc(geometry.clusterSize);
  }

  get l1Bytes(): number {
    return this.#l1.length * ENTRY_SIZE;
  }

  /**
   * @param cluster guest cluster, larger than the one before.
   * @returns a promise only when a table had to be written
   */
  set(cluster: number, entry: bigint): Promise<void> | undefined {
    const index = Math.floor(cluster / this.#geometry.l2Entries);
    const written = index === this.#index ? undefined : this.#turn(index);
    const at = (cluster % this.#geometry.l2Entries) * ENTRY_SIZE;
    if (written === undefined) {
      this.#l2.writeBigUInt64BE(entry, at);
      return undefined;
    }
    return written.then(() => {
      this.#l2.writeBigUInt64BE(entry, at);
    });
  }

  async #turn(index: number): Promise<void> {
    await this.finish();
    this.#index = index;
  }

  /** Writes the table that is being filled. */
  async finish(): Promise<void> {
    if (this.#index < 0) return;
    const offset = this.#space.allocate() * this.#geometry.clusterSize;
    await this.#file.writeFully(offset, this.#l2);
    this.#l1[this.#index] = offset;
    this.#l2.fill(0);
    this.#index = -1;
  }

  /** Writes the L1 table but zeros. @param offset with l1Bytes of room, zeros so far */
  async writeL1(offset: number): Promise<void> {
    for (let first = 0; first < this.#l1.length; first += L1_STEP) {
      const entries = this.#l1.subarray(first, first + L1_STEP);
      if (entries.every((l2) => l2 === 0)) continue;
      const bytes = Buffer.alloc(entries.length * ENTRY_SIZE);
      entries.forEach((l2, index) => {
        if (l2 !== 0) bytes.writeBigUInt64BE(BigInt(l2) | COPIED, index * ENTRY_SIZE);
      });
      await this.#file.writeFully(offset + first * ENTRY_SIZE, bytes);
    }
  }
}
