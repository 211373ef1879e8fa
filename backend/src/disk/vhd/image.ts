/** A VHD file as ranges: what of the disk lies where in the file. Reads no payload, opens no parent. */
import type { RandomAccessFile } from '../../support/file.ts';
import { corrupt } from '../errors.ts';
import type { DiskInfo } from '../info.ts';
import { DEFAULT_RANGE_LIMIT, type DiskImage, type Range, RangeList } from '../range.ts';
import { BlockBitmaps } from './bitmaps.ts';
import { BlockTable } from './block-table.ts';
import { SECTOR, UNALLOCATED } from './format/constants.ts';
import { type DynamicLayout, openVhdLayout, type VhdLayout } from './layout.ts';
import { findOverlaps } from './overlaps.ts';

/** Overlapping blocks are refused one by one up to this many; a disk with more is refused altogether. */
const MAX_OVERLAPS = 1 << 16;

/**
 * Opens a fixed, dynamic or differencing VHD; differencing ones without their parent. Takes `file` over: closed with
 * the image, or when this fails.
 * @throws DISK_CORRUPT, DISK_UNSUPPORTED, DISK_FORMAT_UNKNOWN when it is no VHD
 */
export async function openVhdImage(file: RandomAccessFile): Promise<VhdImage> {
  return new VhdImage(await openVhdLayout(file));
}

interface Blocks {
  dynamic: DynamicLayout;
  table: BlockTable;
  bitmaps: BlockBitmaps;
  /** Blocks that share bytes with another; found when first needed. */
  overlaps?: Promise<Map<number, number>>;
}

export class VhdImage implements DiskImage {
  readonly layout: VhdLayout;
  readonly info: DiskInfo;
  readonly #blocks: Blocks | null;

  constructor(layout: VhdLayout) {
    this.layout = layout;
    const { file, dynamic, footer } = layout;
    this.#blocks = dynamic && {
      dynamic,
      table: new BlockTable(layout, dynamic),
      bitmaps: new BlockBitmaps(file, dynamic),
    };
    this.info = {
      path: file.path,
      format: 'vhd',
      kind: layout.kind,
      size: layout.size,
      fileSize: layout.fileSize,
      blockSize: dynamic?.blockSize ?? null,
      logicalSectorSize: SECTOR,
      physicalSectorSize: SECTOR,
      creator: `${footer.creator} ${footer.creatorVersion >>> 16}.${footer.creatorVersion & 0xffff}`.trim(),
      diskId: footer.uniqueId,
      dataWriteGuid: null,
      fileWriteGuid: null,
      parent: dynamic?.parent ?? null,
      log: 'none',
      ...(layout.notes.length > 0 ? { notes: layout.notes } : {}),
    };
  }

  get file(): RandomAccessFile {
    return this.layout.file;
  }

  async resolve(offset: number, length: number, limit = DEFAULT_RANGE_LIMIT): Promise<Range[]> {
    const list = new RangeList();
    if (this.#blocks === null) {
      list.data(offset, length, offset);
      return list.ranges;
    }
    const { dynamic, table } = this.#blocks;
    const overlaps = await this.#overlaps(this.#blocks);
    const { blockSize } = dynamic;
    const end = offset + length;
    for (let at = offset; at < end && list.count < limit; ) {
      const { page, nextBlock } = await table.pageOf(Math.floor(at / blockSize));
      const pageEnd = Math.min(end, nextBlock * blockSize);
      while (at < pageEnd && list.count < limit) {
        const block = Math.floor(at / blockSize);
        const stop = Math.min(pageEnd, (block + 1) * blockSize);
        const place = table.placeIn(page, block);
        if (place === null) list.absent(this.#absent, at, stop - at);
        else {
          if (overlaps.has(block)) throw this.#overlapError(block, overlaps.get(block)!, table);
          await this.#resolveBlock(this.#blocks, list, limit, block * blockSize, place, at, stop);
        }
        const last = list.ranges.at(-1)!;
        at = last.offset + last.length;
      }
    }
    return list.ranges;
  }

  /** What a sector is that this file does not hold. */
  get #absent(): 'zero' | 'parent' {
    return this.layout.kind === 'differencing' ? 'parent' : 'zero';
  }

  /** Ranges of [from, to), which lies in one block, or a beginning of it when there are many. */
  async #resolveBlock(
    { dynamic, bitmaps }: Blocks,
    list: RangeList,
    limit: number,
    start: number,
    place: number,
    from: number,
    to: number,
  ): Promise<void> {
    const first = Math.floor((from - start) / SECTOR);
    const last = Math.ceil((to - start) / SECTOR);
    for (const run of await bitmaps.runs(place, first, last)) {
      const at = Math.max(from, start + run.from * SECTOR);
      const end = Math.min(to, start + run.to * SECTOR);
      if (run.present) list.data(at, end - at, place + dynamic.bitmapSize + at - start);
      else list.absent(this.#absent, at, end - at);
      if (list.count >= limit) return;
    }
  }

  #overlaps(blocks: Blocks): Promise<Map<number, number>> {
    blocks.overlaps ??= findOverlaps(this.layout, blocks.dynamic, blocks.table, MAX_OVERLAPS).then((found) => {
      if (found.complete) return found.blocks;
      const what = 'too many blocks overlap each other, or the block table is too large to check';
      throw corrupt(this.file.path, what, blocks.dynamic.tableOffset);
    });
    return blocks.overlaps;
  }

  #overlapError(block: number, other: number, table: BlockTable): Error {
    const what = `block ${block} overlaps block ${other} in the file`;
    return corrupt(this.file.path, what, table.entryOffset(block), { block, other });
  }

  /** Bytes of the file that hold content: allocated blocks. Reads the whole table. */
  async allocatedBytes(): Promise<number> {
    if (this.#blocks === null) return this.layout.size;
    const { dynamic, table } = this.#blocks;
    let blocks = 0;
    for (let block = 0; block < dynamic.blockCount; ) {
      const { page, nextBlock } = await table.pageOf(block);
      for (; block < nextBlock; block++) if (table.sectorIn(page, block) !== UNALLOCATED) blocks++;
    }
    return blocks * dynamic.blockSize;
  }

  close(): Promise<void> {
    return this.file.close();
  }
}
