/** A VHDX file as ranges: what of the disk lies where in the file. Reads no payload, opens no parent. */
import type { RandomAccessFile } from '../../support/file.ts';
import { corrupt, unsupported } from '../errors.ts';
import type { DiskInfo, ParentInfo } from '../info.ts';
import { DEFAULT_RANGE_LIMIT, type DiskImage, type Range, RangeList } from '../range.ts';
import { AllocationTable } from './allocation.ts';
import { VHDX_PARENT_LOCATOR } from './format/constants.ts';
import { locatorToParent } from './format/locator.ts';
import type { VhdxLayout } from './layout.ts';
import { SectorBitmaps } from './sector-bitmap.ts';

export class VhdxImage implements DiskImage {
  readonly layout: VhdxLayout;
  readonly table: AllocationTable;
  readonly bitmaps: SectorBitmaps;

  constructor(layout: VhdxLayout) {
    this.layout = layout;
    this.table = new AllocationTable(layout);
    this.bitmaps = new SectorBitmaps(layout, this.table);
  }

  get file(): RandomAccessFile {
    return this.layout.file;
  }

  get info(): DiskInfo {
    const { creator, headers, metadata, fileSize, logWasDirty, file } = this.layout;
    return {
      path: file.path,
      format: 'vhdx',
      kind: metadata.locator !== null ? 'differencing' : metadata.leaveBlocksAllocated ? 'fixed' : 'dynamic',
      size: metadata.size,
      fileSize,
      blockSize: metadata.blockSize,
      logicalSectorSize: metadata.logicalSectorSize,
      physicalSectorSize: metadata.physicalSectorSize,
      creator,
      diskId: metadata.diskId,
      dataWriteGuid: headers.header.dataWriteGuid,
      fileWriteGuid: headers.header.fileWriteGuid,
      parent: this.#parent(),
      log: logWasDirty ? 'dirty' : 'clean',
    };
  }

  #parent(): ParentInfo | null {
    const { locator } = this.layout.metadata;
    if (locator === null) return null;
    if (locator.type !== VHDX_PARENT_LOCATOR) {
      throw unsupported(this.file.path, `its parent locator is of the unknown type ${locator.type}`);
    }
    const parent = locatorToParent(locator);
    if (parent === null) throw corrupt(this.file.path, 'the parent locator names no parent');
    return parent;
  }

  async resolve(offset: number, length: number, limit = DEFAULT_RANGE_LIMIT): Promise<Range[]> {
    const { blockSize } = this.layout.geometry;
    const list = new RangeList();
    const end = offset + length;
    let at = offset;
    while (at < end && list.count < limit) {
      const { page, nextBlock } = await this.table.pageOf(Math.floor(at / blockSize));
      if (page.zero) {
        const next = Math.min(end, nextBlock * blockSize);
        list.absent(this.layout.metadata.locator === null ? 'zero' : 'parent', at, next - at);
        at = next;
        continue;
      }
      // Without awaiting within a page: tables of millions of entries are walked here.
      const pageEnd = Math.min(end, nextBlock * blockSize);
      while (at < pageEnd && list.count < limit) {
        const block = Math.floor(at / blockSize);
        const { content, fileOffset } = this.table.entryIn(page, block);
        const blockStart = block * blockSize;
        const stop = Math.min(pageEnd, blockStart + blockSize);
        if (content === 'here') list.data(at, stop - at, fileOffset + at - blockStart);
        else if (content === 'mixed') await this.#resolveMixed(list, block, fileOffset, at, stop);
        else list.absent(content, at, stop - at);
        at = stop;
      }
    }
    return list.ranges;
  }

  async #resolveMixed(list: RangeList, block: number, fileOffset: number, from: number, to: number): Promise<void> {
    const { blockSize, sectorSize } = this.layout.geometry;
    const start = block * blockSize;
    const first = Math.floor((from - start) / sectorSize);
    const last = Math.ceil((to - start) / sectorSize);
    for (const run of await this.bitmaps.runs(block, first, last)) {
      const at = Math.max(from, start + run.from * sectorSize);
      const end = Math.min(to, start + run.to * sectorSize);
      if (run.present) list.data(at, end - at, fileOffset + at - start);
      else list.absent('parent', at, end - at);
    }
  }

  /** Bytes of the file that hold content: payload blocks. Reads the whole table. */
  async allocatedBytes(): Promise<number> {
    const { blockCount, blockSize } = this.layout.geometry;
    let blocks = 0;
    for (let block = 0; block < blockCount; ) {
      const { page, nextBlock } = await this.table.pageOf(block);
      const end = Math.min(nextBlock, blockCount);
      for (; !page.zero && block < end; block++) {
        const { content } = this.table.entryIn(page, block);
        if (content === 'here' || content === 'mixed') blocks++;
      }
      block = end;
    }
    return blocks * blockSize;
  }

  close(): Promise<void> {
    return this.file.close();
  }
}
