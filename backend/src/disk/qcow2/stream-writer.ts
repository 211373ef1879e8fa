/** Streaming writer of a qcow2 image: one pass, constant memory, clusters in the order of the disk. */
import type { FileOpener } from '../../support/file.ts';
import type { ImageWriter } from '../device.ts';
import { NewFile } from '../new-file.ts';
import { RunOrder } from '../runs.ts';
import { type ClusterCodec, zlibCodec, zstdCodec } from './cluster-codec.ts';
import { ClusterInput } from './cluster-input.ts';
import { CompressedStore } from './compressed-store.ts';
import { COMPRESSION_DEFLATE } from './format/constants.ts';
import { renderHeader } from './format/header.ts';
import { geometryOf, type Qcow2Geometry } from './geometry.ts';
import { HostSpace } from './host-space.ts';
import { Mapping } from './mapping.ts';
import { type ClusterStore, PlainStore } from './plain-store.ts';

export interface Qcow2WriterOptions {
  /** Virtual size, bytes; rounded up to whole sectors of 512 bytes. */
  size: number;
  /** Default none. zstd needs qemu 5.1 or later to be read; zlib is read by all, and slower. */
  compression?: 'none' | 'zstd' | 'zlib';
  /** Bytes, a power of two from 512 to 2 MiB; default 64 KiB. */
  clusterSize?: number;
  opener?: FileOpener;
}

const CODECS: Record<'zstd' | 'zlib', ClusterCodec> = { zstd: zstdCodec, zlib: zlibCodec };

/**
 * Starts a qcow2 image (version 3, without backing file). Clusters of nothing but zeros take no space.
 * @throws FILE_EXISTS, USAGE for an impossible size, NOT_SUPPORTED for a disk too large for the cluster size,
 *   DISK_FULL, ACCESS_DENIED
 */
export async function createQcow2Writer(path: string, options: Qcow2WriterOptions): Promise<ImageWriter> {
  const geometry = geometryOf(options.size, options.clusterSize);
  const { compression = 'none' } = options;
  const target = await NewFile.create(path, options.opener);
  return new Qcow2StreamWriter(target, geometry, options.size, compression === 'none' ? null : CODECS[compression]);
}

class Qcow2StreamWriter implements ImageWriter {
  readonly #target: NewFile;
  readonly #geometry: Qcow2Geometry;
  readonly #compressionType: number;
  readonly #space: HostSpace;
  readonly #mapping: Mapping;
  readonly #input: ClusterInput;
  readonly #store: ClusterStore;
  readonly #order: RunOrder;

  /** @param size bytes, as asked for: the last sector is filled up with zeros */
  constructor(target: NewFile, geometry: Qcow2Geometry, size: number, codec: ClusterCodec | null) {
    const { file } = target;
    this.#target = target;
    this.#geometry = geometry;
    this.#order = new RunOrder(target.path, size);
    this.#compressionType = codec?.type ?? COMPRESSION_DEFLATE;
    this.#space = new HostSpace(file, geometry);
    this.#mapping = new Mapping(file, geometry, this.#space);
    this.#input = new ClusterInput(geometry);
    this.#store =
      codec === null
        ? new PlainStore(file, geometry, this.#space, this.#mapping)
        : new CompressedStore(file, geometry, this.#space, this.#mapping, codec);
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    this.#order.accept(offset, data.length);
    for (const cluster of this.#input.add(offset, data)) await this.#store.store(cluster);
    await this.#store.drain();
  }

  async finish(): Promise<void> {
    for (const cluster of this.#input.finish()) await this.#store.store(cluster);
    await this.#store.finish();
    await this.#mapping.finish();
    const { file } = this.#target;
    const { l1Offset, ...refcounts } = await this.#space.seal(this.#mapping.l1Bytes);
    await this.#mapping.writeL1(l1Offset);
    const { clusterBits, size, l1Size } = this.#geometry;
    const compressionType = this.#compressionType;
    await file.writeFully(0, renderHeader({ clusterBits, size, l1Size, l1Offset, ...refcounts, compressionType }));
    await this.#target.publish();
  }

  abort(): Promise<void> {
    return this.#target.abort();
  }
}
