/**
 * Content as ranges. An image format says where bytes lie and never reads payload nor opens a parent: the chain above
 * does. Offsets are bytes of the virtual disk, file offsets bytes of the image's own file.
 */
import type { RandomAccessFile } from '../support/file.ts';
import type { DiskInfo } from './info.ts';

/**
 * - `data`: in this file, at `fileOffset`
 * - `zero`: zeros, certainly
 * - `parent`: not in this file; the parent decides (zeros where there is none or where it is shorter)
 */
export type Range =
  | { kind: 'data'; offset: number; length: number; fileOffset: number }
  | { kind: 'zero'; offset: number; length: number }
  | { kind: 'parent'; offset: number; length: number };

/** One image file of a chain. */
export interface DiskImage {
  readonly info: DiskInfo;
  /** Where `data` ranges are read: the file itself, or the file with its log replayed in memory. */
  readonly file: RandomAccessFile;
  /**
   * Ascending, gapless, coalesced ranges from `offset` on. They cover [offset, offset+length) or, when that would be
   * more than about `limit` ranges, a beginning of it (at least one range): ask again from where they end.
   * @throws DISK_CORRUPT with the file offset of the entry at fault
   */
  resolve(offset: number, length: number, limit?: number): Promise<Range[]>;
  /** Bytes of the file that hold content of the disk. Reads the whole allocation table. */
  allocatedBytes(): Promise<number>;
  close(): Promise<void>;
}

export const DEFAULT_RANGE_LIMIT = 4096;

/** Collects ranges and joins neighbours that are one. */
export class RangeList {
  readonly ranges: Range[] = [];

  /** Number of ranges so far. */
  get count(): number {
    return this.ranges.length;
  }

  data(offset: number, length: number, fileOffset: number): void {
    const last = this.ranges.at(-1);
    if (last?.kind === 'data' && last.fileOffset + last.length === fileOffset) last.length += length;
    else this.ranges.push({ kind: 'data', offset, length, fileOffset });
  }

  absent(kind: 'zero' | 'parent', offset: number, length: number): void {
    const last = this.ranges.at(-1);
    if (last?.kind === kind) last.length += length;
    else this.ranges.push({ kind, offset, length });
  }
}
