/** Sizes and counts that follow from virtual size and cluster size, checked before anything is written. */
import { alignUp, isPowerOfTwo } from '../../support/bytes.ts';
import { HvError } from '../../support/errors.ts';
import { badGeometry } from '../errors.ts';
import {
  DEFAULT_CLUSTER_SIZE,
  ENTRY_SIZE,
  MAX_CLUSTER_SIZE,
  MAX_L1_SIZE,
  MAX_REFCOUNT_TABLE_SIZE,
  MIN_CLUSTER_SIZE,
  REFCOUNT_SIZE,
} from './format/constants.ts';

const SECTOR = 512;

export interface Qcow2Geometry {
  /** Virtual size, bytes, whole sectors. */
  size: number;
  /** Bytes. */
  clusterSize: number;
  clusterBits: number;
  /** Entries of an L2 table: guest clusters it maps. */
  l2Entries: number;
  /** Entries of the L1 table. */
  l1Size: number;
  /** Host clusters that a block of reference counts describes. */
  refcountsPerBlock: number;
}

/**
 * @param wanted bytes, rounded up to whole sectors of 512 bytes
 * @throws USAGE for an impossible cluster size, NOT_SUPPORTED for a disk that clusters of this size cannot map
 */
export function geometryOf(wanted: number, clusterSize = DEFAULT_CLUSTER_SIZE): Qcow2Geometry {
  if (!Number.isSafeInteger(wanted) || wanted <= 0) throw badGeometry(`a disk of ${wanted} bytes`, { size: wanted });
  if (!isPowerOfTwo(clusterSize) || clusterSize < MIN_CLUSTER_SIZE || clusterSize > MAX_CLUSTER_SIZE) {
    throw badGeometry(`a qcow2 image with clusters of ${clusterSize} bytes`, { clusterSize });
  }
  const size = alignUp(wanted, SECTOR);
  const l2Entries = clusterSize / ENTRY_SIZE;
  const l1Size = Math.ceil(size / clusterSize / l2Entries);
  const refcountsPerBlock = clusterSize / REFCOUNT_SIZE;
  // All of the disk stored plain, with every table it can need: an upper bound of what must be counted.
  const clusters =
    Math.ceil(size / clusterSize) + l1Size + (l1Size * ENTRY_SIZE + MAX_REFCOUNT_TABLE_SIZE) / clusterSize;
  const refcountTable = Math.ceil((clusters * 1.01) / refcountsPerBlock) * ENTRY_SIZE;
  if (l1Size * ENTRY_SIZE > MAX_L1_SIZE || refcountTable > MAX_REFCOUNT_TABLE_SIZE) {
    const what = `A qcow2 image with clusters of ${clusterSize} bytes cannot hold a disk of ${size} bytes.`;
    throw new HvError('NOT_SUPPORTED', what, { advice: 'Use larger clusters.', data: { size, clusterSize } });
  }
  return { size, clusterSize, clusterBits: Math.log2(clusterSize), l2Entries, l1Size, refcountsPerBlock };
}
