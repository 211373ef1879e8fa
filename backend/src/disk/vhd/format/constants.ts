/**
 * Every constant of the VHD format (Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0, 2006).
 * Numbers in the file are big-endian. Sizes and offsets in bytes.
 */
export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

/** What bitmaps, footers and every offset in the table count in, whatever the disk's own sectors are. */
export const SECTOR = 512;

export const FOOTER_SIZE = 512;
/** Virtual PC before 2004 wrote its footers one byte short. */
export const SHORT_FOOTER_SIZE = 511;
export const FOOTER_COOKIE = 'conectix';
export const FOOTER_VERSION = 0x0001_0000;
/** "Features": this bit is always set. */
export const FEATURE_RESERVED = 2;

export const TYPE_FIXED = 2;
export const TYPE_DYNAMIC = 3;
export const TYPE_DIFFERENCING = 4;

export const DYNAMIC_HEADER_SIZE = 1024;
export const DYNAMIC_HEADER_COOKIE = 'cxsparse';
export const DYNAMIC_HEADER_VERSION = 0x0001_0000;

export const LOCATOR_COUNT = 8;
/** Longest locator read: a Windows path has at most 32,767 UTF-16 units. */
export const MAX_LOCATOR_LENGTH = 64 * KIB;

/** Block allocation table: a sector number each, or UNALLOCATED. */
export const TABLE_ENTRY_SIZE = 4;
export const UNALLOCATED = 0xffff_ffff;

/** What Hyper-V, Virtual PC and qemu choose. */
export const DEFAULT_BLOCK_SIZE = 2 * MIB;
export const MIN_BLOCK_SIZE = 4 * KIB;
export const MAX_BLOCK_SIZE = 256 * MIB;

/** Largest disk of the format: above it Windows refuses to create or attach one. */
export const MAX_DISK_SIZE = 2040 * GIB;
/** Largest fixed VHD that Azure takes (its documentation, "Prepare a VHD"); the format itself has a 64-bit size. */
export const MAX_AZURE_SIZE = 4095 * GIB;
/** A fixed disk has no table that would bound it; larger than any hypervisor's disk is damage. */
export const MAX_FIXED_SIZE = 64 * 1024 * GIB;

/** Dates count seconds from 2000-01-01 00:00 UTC; this is that moment in ms since 1970. */
export const EPOCH_MS = Date.UTC(2000, 0, 1);
