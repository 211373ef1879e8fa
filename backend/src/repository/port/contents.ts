/** Contents: addressed by blocks of the repository's block size, read in any place or in a stream. */
import type { ByteSource } from '../../disk/device.ts';
import type { Damage } from './damage.ts';

/** Names one stored content (a disk, a configuration file): the root of its hash tree. */
export interface ContentRef {
  /** Bytes. */
  size: number;
  /** Levels of the tree: 0 = root is a block id; null root = all zeros. */
  height: number;
  /** 64 hex digits, or null when everything is zero. */
  root: string | null;
}

/**
 * The bytes of a content, plus the fast sequential way through them. It may be a disk's or a file's and knows no
 * sectors: `operations/points/point-disk.ts` makes a restore point's disk a block device.
 */
export interface ContentReader extends ByteSource {
  readonly ref: ContentRef;
  /**
   * All non-zero block runs in ascending order, decoded and hash-checked ahead of the consumer by worker threads.
   * Each `data` is valid until the next iteration, or with `keep` until that many more were asked for.
   * @throws REPOSITORY_DAMAGED with object, offset and disk offset in its data; with `onDamage` it goes on instead
   */
  stream(options?: {
    signal?: AbortSignal;
    keep?: number;
    onDamage?: (damage: Damage, offset: number, length: number) => void;
  }): AsyncIterable<{
    offset: number;
    data: Buffer;
  }>;
}

/** Contents of restore points, read and compared. */
export interface Contents {
  openContent(ref: ContentRef): Promise<ContentReader>;
  /**
   * Ranges (bytes, block-aligned but for the end, ascending, coalesced) in which `content` differs from `base`. Reads
   * only what the two do not share.
   * @throws USAGE when their sizes differ, REPOSITORY_DAMAGED
   */
  differences(base: ContentRef, content: ContentRef): AsyncIterable<{ offset: number; length: number }>;
}
