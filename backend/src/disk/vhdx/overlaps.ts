/** Blocks that share a place in the file: harmless to read, disastrous to write. */
import { corrupt } from '../errors.ts';
import { MIB, SECTOR_BITMAP_BLOCK_SIZE } from './format/constants.ts';
import type { VhdxImage } from './image.ts';

/** Tables up to this many entries (4 TiB in blocks of 32 MiB) are looked through whenever a disk is opened to write. */
const ALWAYS_CHECKED_ENTRIES = 1 << 17;
const BITS_PER_PART = 1 << 20;

/**
 * Which megabytes of a file are taken: a bit each, in parts, so that a sparse file of any length costs what it uses.
 */
class PlaceMap {
  readonly #parts = new Map<number, Uint8Array>();

  /** @returns whether all of the range was free; it is taken then or in part */
  claim(offset: number, length: number): boolean {
    let free = true;
    const end = Math.ceil((offset + length) / MIB);
    for (let place = Math.floor(offset / MIB); place < end; place++) {
      const number = Math.floor(place / BITS_PER_PART);
      let part = this.#parts.get(number);
      if (part === undefined) {
        part = new Uint8Array(BITS_PER_PART / 8);
        this.#parts.set(number, part);
      }
      const bit = place % BITS_PER_PART;
      if (part[bit >>> 3]! & (1 << (bit & 7))) free = false;
      part[bit >>> 3]! |= 1 << (bit & 7);
    }
    return free;
  }
}

/**
 * Payload and sector bitmap blocks that overlap another one. Entries that are damaged in themselves are skipped.
 * Memory: one bit a megabyte of file.
 */
export async function* findOverlaps(image: VhdxImage): AsyncGenerator<{ what: string; fileOffset: number }> {
  const { geometry, metadata } = image.layout;
  const places = new PlaceMap();
  for (let block = 0; block < geometry.blockCount; ) {
    const { page, nextBlock } = await image.table.pageOf(block);
    const end = Math.min(nextBlock, geometry.blockCount);
    for (; !page.zero && block < end; block++) {
      const entry = image.table.placeIn(page, block);
      if (
        entry !== null &&
        !places.claim(entry, Math.min(geometry.blockSize, geometry.size - block * geometry.blockSize))
      ) {
        yield { what: `block ${block}`, fileOffset: entry };
      }
    }
    block = end;
  }
  if (metadata.locator === null) return;
  const chunks = Math.ceil(geometry.blockCount / geometry.chunkRatio);
  for (let chunk = 0; chunk < chunks; chunk++) {
    const fileOffset = await image.table.bitmap(chunk).catch(() => null);
    if (fileOffset !== null && !places.claim(fileOffset, SECTOR_BITMAP_BLOCK_SIZE)) {
      yield { what: `the sector bitmap of chunk ${chunk}`, fileOffset };
    }
  }
}

/** Before the first write. Very large tables are left to the check command. @throws DISK_CORRUPT */
export async function refuseOverlaps(image: VhdxImage): Promise<void> {
  if (image.layout.geometry.batEntries > ALWAYS_CHECKED_ENTRIES) return;
  for await (const { what, fileOffset } of findOverlaps(image)) {
    throw corrupt(image.file.path, `${what} overlaps another one`, fileOffset);
  }
}
