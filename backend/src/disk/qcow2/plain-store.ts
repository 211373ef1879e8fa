/** Stores clusters as they are. Neighbours are written in one go, straight from the caller's memory. */
import type { RandomAccessFile } from '../../support/file.ts';
import type { GuestCluster } from './cluster-input.ts';
import { COPIED } from './format/constants.ts';
import type { Qcow2Geometry } from './geometry.ts';
import type { HostSpace } from './host-space.ts';
import type { Mapping } from './mapping.ts';

/** Where clusters go. */
export interface ClusterStore {
  /** May keep `data` until drain(), unless it is transient. @param cluster its number larger than the one before */
  store(cluster: GuestCluster): Promise<void>;
  /** Everything given so far no longer needs the caller's memory. */
  drain(): Promise<void>;
  /** Everything given so far is written. */
  finish(): Promise<void>;
}

export class PlainStore implements ClusterStore {
  readonly #file: RandomAccessFile;
  readonly #clusterSize: number;
  readonly #space: HostSpace;
  readonly #mapping: Mapping;
  /** What is to be written: neighbours in the file and in memory. */
  #run: { offset: number; data: Uint8Array } | null = null;

  constructor(file: RandomAccessFile, { clusterSize }: Qcow2Geometry, space: HostSpace, mapping: Mapping) {
    this.#file = file;
    this.#clusterSize = clusterSize;
    this.#space = space;
    this.#mapping = mapping;
  }

  async store({ number, data, transient }: GuestCluster): Promise<void> {
    const offset = this.#space.allocate() * this.#clusterSize;
    await this.#mapping.set(number, BigInt(offset) | COPIED);
    const run = this.#run;
    if (run !== null && run.offset + run.data.length === offset && isNext(run.data, data)) {
      run.data = new Uint8Array(data.buffer, run.data.byteOffset, run.data.length + data.length);
      return;
    }
    await this.#write();
    this.#run = { offset, data };
    if (transient) await this.#write();
  }

  async #write(): Promise<void> {
    const run = this.#run;
    this.#run = null;
    if (run !== null) await this.#file.writeFully(run.offset, run.data);
  }

  async drain(): Promise<void> {
    await this.#write();
    await this.#space.flush();
  }

  finish(): Promise<void> {
    return this.drain();
  }
}

/** Whether `next` begins in memory where `data` ends. */
const isNext = (data: Uint8Array, next: Uint8Array): boolean =>
  data.buffer === next.buffer && data.byteOffset + data.byteLength === next.byteOffset;
