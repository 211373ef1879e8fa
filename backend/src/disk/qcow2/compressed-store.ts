/** Stores clusters compressed where that pays, several being compressed at once, written in the order they came. */
import type { RandomAccessFile } from '../../support/file.ts';
import type { ClusterCodec } from './cluster-codec.ts';
import type { GuestCluster } from './cluster-input.ts';
import { COMPRESSED, COMPRESSED_SECTOR, COPIED } from './format/constants.ts';
import type { Qcow2Geometry } from './geometry.ts';
import type { HostSpace } from './host-space.ts';
import type { Mapping } from './mapping.ts';
import type { ClusterStore } from './plain-store.ts';

/** Clusters under way; the pool that compresses has four threads by default. */
const PARALLEL = 8;
/** Bytes gathered before they are written. */
const GATHER = 1 << 20;
/** Compressed clusters are slow to read and cannot be read in part: less saved than a sixteenth is not worth it. */
const WORTH = 15 / 16;

interface Job {
  number: number;
  data: Buffer;
  packed: Promise<Buffer>;
}

export class CompressedStore implements ClusterStore {
  readonly #file: RandomAccessFile;
  readonly #geometry: Qcow2Geometry;
  readonly #space: HostSpace;
  readonly #mapping: Mapping;
  readonly #codec: ClusterCodec;
  readonly #jobs: Job[] = [];
  /** Compressed data is packed without gaps: the host cluster with room at its end, and where that begins. */
  #tail: { cluster: number; used: number } | null = null;
  /** Bytes that are to be written at #gatheredAt. */
  readonly #gathered = Buffer.allocUnsafeSlow(GATHER);
  #gatheredAt = 0;
  #gatheredLength = 0;

  constructor(
    file: RandomAccessFile,
    geometry: Qcow2Geometry,
    space: HostSpace,
    mapping: Mapping,
    codec: ClusterCodec,
  ) {
    this.#file = file;
    this.#geometry = geometry;
    this.#space = space;
    this.#mapping = mapping;
    this.#codec = codec;
  }

  async store({ number, data }: GuestCluster): Promise<void> {
    // The caller's memory is its own again when write() returns; compressing goes on beyond.
    const copy = Buffer.from(data);
    const packed = this.#codec.compress(copy);
    packed.catch(() => undefined);
    this.#jobs.push({ number, data: copy, packed });
    if (this.#jobs.length >= PARALLEL) await this.#settle(this.#jobs.shift()!);
  }

  async #settle({ number, data, packed }: Job): Promise<void> {
    const bytes = await packed;
    if (bytes.length > this.#geometry.clusterSize * WORTH) await this.#storePlain(number, data);
    else await this.#storeCompressed(number, bytes);
  }

  async #storePlain(number: number, data: Buffer): Promise<void> {
    const offset = this.#space.allocate() * this.#geometry.clusterSize;
    await this.#mapping.set(number, BigInt(offset) | COPIED);
    await this.#file.writeFully(offset, data);
    await this.#space.flush();
  }

  async #storeCompressed(number: number, bytes: Buffer): Promise<void> {
    const offset = this.#place(bytes.length);
    const last = offset + bytes.length - 1;
    const sectors = Math.floor(last / COMPRESSED_SECTOR) - Math.floor(offset / COMPRESSED_SECTOR);
    // "Compressed Clusters Descriptor": the number of further sectors above x = 62 - (cluster bits - 8) bits of offset.
    const shift = BigInt(70 - this.#geometry.clusterBits);
    await this.#mapping.set(number, COMPRESSED | (BigInt(sectors) << shift) | BigInt(offset));
    await this.#gather(offset, bytes);
    await this.#space.flush();
  }

  /** Finds room for `length` bytes, less than a cluster, and counts what they refer to. @returns file offset */
  #place(length: number): number {
    const { clusterSize } = this.#geometry;
    const tail = this.#tail;
    if (tail !== null && this.#space.canRefer(tail.cluster)) {
      const offset = tail.cluster * clusterSize + tail.used;
      const rest = tail.used + length - clusterSize;
      if (rest <= 0) {
        this.#space.refer(tail.cluster);
        this.#tail = rest === 0 ? null : { cluster: tail.cluster, used: tail.used + length };
        return offset;
      }
      if (this.#space.isFollowedByFree(tail.cluster)) {
        this.#space.refer(tail.cluster);
        this.#tail = { cluster: this.#space.allocate(), used: rest };
        return offset;
      }
    }
    const cluster = this.#space.allocate();
    this.#tail = { cluster, used: length };
    return cluster * clusterSize;
  }

  async #gather(offset: number, bytes: Buffer): Promise<void> {
    const follows = offset === this.#gatheredAt + this.#gatheredLength;
    if (!follows || this.#gatheredLength + bytes.length > GATHER) {
      await this.#writeGathered();
      this.#gatheredAt = offset;
    }
    if (bytes.length > GATHER) {
      await this.#file.writeFully(offset, bytes);
      this.#gatheredAt = offset + bytes.length;
      return;
    }
    this.#gathered.set(bytes, this.#gatheredLength);
    this.#gatheredLength += bytes.length;
  }

  async #writeGathered(): Promise<void> {
    const length = this.#gatheredLength;
    this.#gatheredLength = 0;
    if (length > 0) await this.#file.writeFully(this.#gatheredAt, this.#gathered.subarray(0, length));
  }

  async drain(): Promise<void> {}

  async finish(): Promise<void> {
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) await this.#settle(job);
    await this.#writeGathered();
    await this.#space.flush();
  }
}
