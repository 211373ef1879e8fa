/** A chain of images as one block device: the top image first, each next one the parent of the one before. */

import { allDone } from '../support/concurrency.ts';
import type { BlockDevice, Extent } from './device.ts';
import { outOfRange } from './errors.ts';
import type { DiskInfo } from './info.ts';
import { DEFAULT_RANGE_LIMIT, type DiskImage } from './range.ts';

/** A range of the chain: where to read it, or that it is zeros. */
type ChainRange =
  | { kind: 'data'; offset: number; length: number; image: DiskImage; fileOffset: number }
  | { kind: 'zero'; offset: number; length: number };

export class ChainDevice implements BlockDevice {
  readonly layers: readonly DiskImage[];
  readonly logicalSectorSize: number;
  readonly physicalSectorSize: number;
  readonly #sizes: number[];

  /** @param layers top first, at least one; closed with this device */
  constructor(layers: readonly [DiskImage, ...DiskImage[]]) {
    this.layers = layers;
    const top = layers[0].info;
    this.logicalSectorSize = top.logicalSectorSize;
    this.physicalSectorSize = top.physicalSectorSize;
    this.#sizes = layers.map((layer) => layer.info.size);
  }

  get size(): number {
    return this.#sizes[0]!;
  }

  /** What the top image says of itself. */
  get info(): DiskInfo {
    return this.layers[0]!.info;
  }

  /** Infos of all images, top first. */
  get chain(): DiskInfo[] {
    return this.layers.map((layer) => layer.info);
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    this.checkRange(offset, target.length);
    const end = offset + target.length;
    for (let at = offset; at < end; ) {
      for (const range of await this.#resolve(0, at, end - at, DEFAULT_RANGE_LIMIT)) {
        const part = target.subarray(range.offset - offset, range.offset - offset + range.length);
        if (range.kind === 'data') await range.image.file.readFully(range.fileOffset, part);
        else part.fill(0);
        at = range.offset + range.length;
      }
    }
  }

  async *extents(offset = 0, length = this.size - offset): AsyncGenerator<Extent> {
    this.checkRange(offset, length);
    const end = offset + length;
    let open: Extent | undefined;
    for (let at = offset; at < end; ) {
      for (const range of await this.#resolve(0, at, end - at, DEFAULT_RANGE_LIMIT)) {
        at = range.offset + range.length;
        if (open?.kind === range.kind) open.length += range.length;
        else {
          if (open !== undefined) yield open;
          open = { offset: range.offset, length: range.length, kind: range.kind };
        }
      }
    }
    if (open !== undefined) yield open;
  }

  /** Ranges from `offset` on, of layer `depth` and what is below it; a beginning of the span when there are many. */
  async #resolve(depth: number, offset: number, length: number, limit: number): Promise<ChainRange[]> {
    const image = this.layers[depth]!;
    const result: ChainRange[] = [];
    for (const range of await image.resolve(offset, length, limit)) {
      if (range.kind === 'zero') result.push(range);
      else if (range.kind === 'data') result.push({ ...range, image });
      else if (!(await this.#resolveBelow(depth + 1, range.offset, range.length, limit, result))) break;
      if (result.length >= limit) break;
    }
    return result;
  }

  /** @returns whether all of the span was resolved */
  async #resolveBelow(
    depth: number,
    offset: number,
    length: number,
    limit: number,
    result: ChainRange[],
  ): Promise<boolean> {
    // A parent may be smaller than its child, or (for an image opened on its own) absent: zeros.
    const below = Math.max(0, Math.min(length, (this.#sizes[depth] ?? 0) - offset));
    if (below > 0) {
      const ranges = await this.#resolve(depth, offset, below, limit);
      for (const range of ranges) result.push(range);
      const last = ranges.at(-1)!;
      if (last.offset + last.length < offset + below) return false;
    }
    if (below < length) result.push({ kind: 'zero', offset: offset + below, length: length - below });
    return true;
  }

  /** @throws DISK_OUT_OF_RANGE */
  protected checkRange(offset: number, length: number): void {
    const fine = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
    if (!fine || offset + length > this.size) throw outOfRange(this.layers[0]!.file.path, offset, length, this.size);
  }

  /** Closes every image, even when one of them fails to. */
  async close(): Promise<void> {
    await allDone(this.layers.map((layer) => layer.close()));
  }
}
