/**
 * The block device: what every disk format, chain, restore point and checkpoint looks like from above (docs/disks.md).
 * Offsets and lengths are bytes of the virtual disk. This file is the one part of `disk` that other ports may import.
 */

/** A run of the device. `zero` runs read as zeros and need not be read. */
export interface Extent {
  offset: number;
  length: number;
  kind: 'data' | 'zero';
}

/** What a device is without its sectors: bytes that can be read in any place. */
export interface ByteSource {
  /** Virtual size in bytes; at most 2^53-1. */
  readonly size: number;
  /**
   * Fills `target` completely with the content at `offset`. Any alignment.
   * @throws HvError DISK_OUT_OF_RANGE when the range leaves the device, DISK_CORRUPT or IO_ERROR with the file offset.
   */
  read(offset: number, target: Uint8Array): Promise<void>;
  /**
   * Ascending, gapless, coalesced runs that cover [offset, offset+length) exactly. `data` promises nothing about
   * being non-zero; `zero` is certain. Defaults: the whole device.
   */
  extents(offset?: number, length?: number): AsyncIterable<Extent>;
  close(): Promise<void>;
}

/** `size` is a multiple of logicalSectorSize except for odd raw images. */
export interface BlockDevice extends ByteSource {
  /** Bytes: 512 or 4096. */
  readonly logicalSectorSize: number;
  /** Bytes: 512 or 4096. */
  readonly physicalSectorSize: number;
}

export interface WritableBlockDevice extends BlockDevice {
  /** Writes all of `data` at `offset`; durable only after flush(). Any alignment. */
  write(offset: number, data: Uint8Array): Promise<void>;
  /** Makes everything written so far durable (fsync), in an order that keeps the file valid if it is cut short. */
  flush(): Promise<void>;
}

/**
 * Streaming writer of a new image. Data arrives in ascending, non-overlapping runs; what is never written is zeros.
 * Nothing is visible under the final name before finish(); abort() (or a crash) leaves nothing under it.
 */
export interface ImageWriter {
  /**
   * Whether write() may be called again before it has resolved; runs count in the order in which they were handed in.
   */
  readonly overlapping?: boolean;
  write(offset: number, data: Uint8Array): Promise<void>;
  /** Completes, flushes and renames to the final name. */
  finish(): Promise<void>;
  /** Removes what was written. Safe after a failed finish(); idempotent. */
  abort(): Promise<void>;
}

/** An inclusive-exclusive changed range of a disk, in bytes. */
export interface ChangedRange {
  offset: number;
  length: number;
}
