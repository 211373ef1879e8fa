/** The header in the first cluster ("Header"). */
import { writeU64BE } from '../../../support/bytes.ts';
import { HEADER_LENGTH, INCOMPATIBLE_COMPRESSION_TYPE, MAGIC, REFCOUNT_ORDER, VERSION } from './constants.ts';

export interface Qcow2Header {
  clusterBits: number;
  /** Virtual size, bytes. */
  size: number;
  /** Entries. */
  l1Size: number;
  /** File offsets, bytes, whole clusters. */
  l1Offset: number;
  refcountTableOffset: number;
  refcountTableClusters: number;
  /** COMPRESSION_DEFLATE or COMPRESSION_ZSTD. */
  compressionType: number;
}

/** Header and the end mark of the (empty) list of extensions. */
export function renderHeader(header: Qcow2Header): Buffer {
  const bytes = Buffer.alloc(HEADER_LENGTH + 8);
  bytes.writeUInt32BE(MAGIC, 0);
  bytes.writeUInt32BE(VERSION, 4);
  bytes.writeUInt32BE(header.clusterBits, 20);
  writeU64BE(bytes, header.size, 24);
  bytes.writeUInt32BE(header.l1Size, 36);
  writeU64BE(bytes, header.l1Offset, 40);
  writeU64BE(bytes, header.refcountTableOffset, 48);
  bytes.writeUInt32BE(header.refcountTableClusters, 56);
  bytes.writeBigUInt64BE(header.compressionType === 0 ? 0n : INCOMPATIBLE_COMPRESSION_TYPE, 72);
  bytes.writeUInt32BE(REFCOUNT_ORDER, 96);
  bytes.writeUInt32BE(HEADER_LENGTH, 100);
  bytes[104] = header.compressionType;
  return bytes;
}
