/** Constants of the qcow2 format (QEMU, docs/interop/qcow2). Numbers are big-endian; sizes and offsets in bytes. */
export const MAGIC = 0x5146_49fb;
export const VERSION = 3;
/** Version 3 with the compression type, filled up to a multiple of 8. */
export const HEADER_LENGTH = 112;

/** Incompatible feature: the compression type field holds something other than deflate. */
export const INCOMPATIBLE_COMPRESSION_TYPE = 1n << 3n;
export const COMPRESSION_DEFLATE = 0;
export const COMPRESSION_ZSTD = 1;

/** A reference count has 16 bits. */
export const REFCOUNT_ORDER = 4;
export const REFCOUNT_SIZE = 2;
export const MAX_REFCOUNT = 0xffff;

/** L1, L2 and reference count table entries. */
export const ENTRY_SIZE = 8;
/** L1 and L2: what is pointed to has a reference count of exactly one. */
export const COPIED = 1n << 63n;
export const COMPRESSED = 1n << 62n;
/** What the length of compressed data counts in. */
export const COMPRESSED_SECTOR = 512;

export const DEFAULT_CLUSTER_SIZE = 65_536;
export const MIN_CLUSTER_SIZE = 512;
/** Limits of qemu's implementation, which is what will open the image. */
export const MAX_CLUSTER_SIZE = 2 * 1024 * 1024;
export const MAX_L1_SIZE = 32 * 1024 * 1024;
export const MAX_REFCOUNT_TABLE_SIZE = 8 * 1024 * 1024;
