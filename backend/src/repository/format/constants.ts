/** Numbers of the repository format; each stands in docs/format.md under the section given. Lengths are bytes. */

/** §1 */
export const RESERVE_NAME = 'hvbackup-reserve';
export const RESERVE_LENGTH = 8 * 1024 * 1024;

/** §2.1 */
export const CONFIG_NAME = 'hvbackup-repository.json';
/** The newest version that is known; every one from 1 is read and written. */
export const FORMAT_VERSION = 2;
/** The version of new repositories. */
export const CREATED_VERSION: 1 | 2 = 2;
/** §4. Bytes; version 1 has no pages. */
export const PAGE_SIZE = 16 * 1024;

/** §4. Default picked by measurement, see docs/lab/performance.md. */
export const DEFAULT_BLOCK_SIZE = 256 * 1024;
export const MIN_BLOCK_SIZE = 64 * 1024;
export const MAX_BLOCK_SIZE = 4 * 1024 * 1024;

/** §4: children of a node. */
export const FAN_OUT = 256;
export const ID_LENGTH = 32;
export const NODE_HEADER_LENGTH = 36;
export const MAX_NODE_LENGTH = NODE_HEADER_LENGTH + FAN_OUT * ID_LENGTH;
/** 256^6 blocks of 64 KiB are 2^64 bytes: more than any size that fits. */
export const MAX_HEIGHT = 6;

/** §2.3 */
export const PACK_HEADER_LENGTH = 96;
export const RECORD_HEADER_LENGTH = 96;
export const TOC_ENTRY_LENGTH = 48;
export const DELTA_ENTRY_LENGTH = 36;
export const PACK_TRAILER_LENGTH = 64;
/** A pack is closed when it has reached this. */
export const PACK_TARGET_LENGTH = 32 * 1024 * 1024;
export const MAX_PACK_LENGTH = 1024 * 1024 * 1024;

export const RecordKind = { block: 1, delta: 2, node: 3 } as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];
export const Encoding = { stored: 0, zstd: 1 } as const;
export type Encoding = (typeof Encoding)[keyof typeof Encoding];
export const PackClass = { blocks: 0, nodes: 1 } as const;
export type PackClass = (typeof PackClass)[keyof typeof PackClass];

/** §3 */
export type ZstdSetting = 'fast' | 'default' | 'strong';
/** What of a level's own parameters is changed; chosen by measurement, see docs/lab/performance.md. */
export interface ZstdParameters {
  level: number;
  windowLog?: number;
  hashLog?: number;
  chainLog?: number;
  searchLog?: number;
  minMatch?: number;
}
export const ZSTD: Readonly<Record<ZstdSetting, ZstdParameters>> = {
  fast: { level: 1 },
  default: { level: 2, hashLog: 15, chainLog: 15 },
  strong: { level: 5, windowLog: 22, hashLog: 20, searchLog: 5 },
};

/** §6 */
export const SESSION_LIFETIME_MS = 24 * 3600 * 1000;
/** How far clocks of two machines may differ. */
export const CLOCK_TOLERANCE_MS = 3600 * 1000;
/** Packs with a smaller share of live bytes are rewritten by prune. */
export const REWRITE_BELOW = 0.8;
