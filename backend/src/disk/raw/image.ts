/** A raw image: the file is the disk. Sizes that are no whole sectors are filled up with zeros. */
import { alignUp } from '../../support/bytes.ts';
import type { RandomAccessFile } from '../../support/file.ts';
import type { DiskInfo } from '../info.ts';
import { type DiskImage, type Range, RangeList } from '../range.ts';

const RAW_SECTOR_SIZE = 512;

export class RawImage implements DiskImage {
  readonly file: RandomAccessFile;
  readonly info: DiskInfo;

  constructor(file: RandomAccessFile, fileSize: number) {
    this.file = file;
    this.info = {
      path: file.path,
      format: 'raw',
      kind: 'raw',
      size: alignUp(fileSize, RAW_SECTOR_SIZE),
      fileSize,
      blockSize: null,
      logicalSectorSize: RAW_SECTOR_SIZE,
      physicalSectorSize: RAW_SECTOR_SIZE,
      creator: '',
      diskId: null,
      dataWriteGuid: null,
      fileWriteGuid: null,
      parent: null,
      log: 'none',
    };
  }

  async resolve(offset: number, length: number): Promise<Range[]> {
    const list = new RangeList();
    const stored = Math.max(0, Math.min(length, this.info.fileSize - offset));
    if (stored > 0) list.data(offset, stored, offset);
    if (length > stored) list.absent('zero', offset + stored, length - stored);
    return list.ranges;
  }

  async allocatedBytes(): Promise<number> {
    return this.info.fileSize;
  }

  close(): Promise<void> {
    return this.file.close();
  }
}
