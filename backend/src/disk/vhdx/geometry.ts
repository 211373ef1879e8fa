/** Sizes and counts that follow from block and sector size ([MS-VHDX] 2.5): blocks, chunks, places in the BAT. */
import { BAT_ENTRY_SIZE, SECTORS_PER_CHUNK } from './format/constants.ts';

export interface Geometry {
  /** Virtual size, bytes. */
  size: number;
  /** Bytes. */
  blockSize: number;
  /** Bytes; what a bit of the sector bitmap stands for. */
  sectorSize: number;
  sectorsPerBlock: number;
  /** Payload blocks per chunk: as many as one sector bitmap block describes. */
  chunkRatio: number;
  /** Payload blocks. */
  blockCount: number;
  /** Entries the BAT must have. */
  batEntries: number;
}

/** @param differencing whether sector bitmap entries are needed for the last chunk too */
export function geometryOf(size: number, blockSize: number, sectorSize: number, differencing: boolean): Geometry {
  const chunkRatio = (SECTORS_PER_CHUNK * sectorSize) / blockSize;
  const blockCount = Math.ceil(size / blockSize);
  const batEntries = differencing
    ? Math.ceil(blockCount / chunkRatio) * (chunkRatio + 1)
    : blockCount + Math.floor((blockCount - 1) / chunkRatio);
  return { size, blockSize, sectorSize, sectorsPerBlock: blockSize / sectorSize, chunkRatio, blockCount, batEntries };
}

/** BAT index of a payload block: after each chunk's payload entries comes one sector bitmap entry. */
export const payloadIndex = (geometry: Geometry, block: number): number =>
  block + Math.floor(block / geometry.chunkRatio);

/** BAT index of a chunk's sector bitmap block. */
export const bitmapIndex = (geometry: Geometry, chunk: number): number =>
  chunk * (geometry.chunkRatio + 1) + geometry.chunkRatio;

/** First payload block whose BAT index is at least `index`. */
export function blockFromIndex(geometry: Geometry, index: number): number {
  const group = geometry.chunkRatio + 1;
  const chunk = Math.floor(index / group);
  return chunk * geometry.chunkRatio + Math.min(index - chunk * group, geometry.chunkRatio);
}

/** Bytes of BAT that are used. */
export const batBytes = (geometry: Geometry): number => geometry.batEntries * BAT_ENTRY_SIZE;

/** Where a block's bits lie in its chunk's sector bitmap: byte offset and length. Always whole bytes. */
export function bitmapSlice(geometry: Geometry, block: number): { offset: number; length: number } {
  const length = geometry.sectorsPerBlock / 8;
  return { offset: (block % geometry.chunkRatio) * length, length };
}
