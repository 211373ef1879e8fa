/** What a new VHD will look like, decided and checked before anything is written. */
import { alignUp, isPowerOfTwo } from '../../support/bytes.ts';
import { HvError } from '../../support/errors.ts';
import { NIL_GUID, newGuid } from '../../support/guid.ts';
import { badGeometry } from '../errors.ts';
import {
  DEFAULT_BLOCK_SIZE,
  DYNAMIC_HEADER_SIZE,
  DYNAMIC_HEADER_VERSION,
  FOOTER_SIZE,
  FOOTER_VERSION,
  GIB,
  KIB,
  LOCATOR_COUNT,
  MAX_AZURE_SIZE,
  MAX_BLOCK_SIZE,
  MAX_DISK_SIZE,
  MIN_BLOCK_SIZE,
  SECTOR,
  TABLE_ENTRY_SIZE,
  TYPE_DYNAMIC,
  TYPE_FIXED,
  UNALLOCATED,
} from './format/constants.ts';
import type { DynamicHeader } from './format/dynamic-header.ts';
import type { VhdFooter } from './format/footer.ts';
import { geometryOf } from './geometry.ts';
import { bitmapSizeOf } from './layout.ts';

export interface NewVhdOptions {
  /** Virtual size, bytes; rounded up to whole sectors of 512 bytes. */
  size: number;
  type: 'fixed' | 'dynamic';
  /** Dynamic disks: bytes, a power of two from 4 KiB to 256 MiB; default 2 MiB, all that every program reads. */
  blockSize?: number;
  /** Fixed disks: up to what Azure takes, which is more than Windows attaches. */
  azure?: boolean;
  /** Default a new one. */
  uniqueId?: string;
}

export interface DynamicPlan {
  header: DynamicHeader;
  blockSize: number;
  blockCount: number;
  bitmapSize: number;
  tableOffset: number;
  /** Bytes, whole sectors. */
  tableSize: number;
  /** File offset of the first block's bitmap. */
  firstBlock: number;
  /** Bytes from one block's bitmap to the next. */
  stride: number;
}

export interface VhdPlan {
  /** Virtual size, bytes. */
  size: number;
  footer: VhdFooter;
  /** Null for fixed disks. */
  dynamic: DynamicPlan | null;
}

/**
 * By the creator programs decide how to read the size: for most names qemu takes the geometry's product, which is
 * smaller. For Windows' own, and few others, it takes the size as Windows itself does.
 */
const CREATOR = 'win';
const CREATOR_VERSION = 0x000a_0000;
const CREATOR_HOST = 'Wi2k';
/** Content of blocks starts at multiples of this, as in Windows' own: a guest's 4 KiB stay whole on 4 KiB disks. */
const CONTENT_ALIGNMENT = 4 * KIB;

/** @throws NOT_SUPPORTED for a disk above 2040 GiB (4095 GiB for Azure), USAGE for an impossible size or block size */
export function planVhd(options: NewVhdOptions): VhdPlan {
  const size = alignUp(options.size, SECTOR);
  if (!Number.isSafeInteger(options.size) || size <= 0) {
    throw badGeometry(`a disk of ${options.size} bytes`, { size: options.size });
  }
  const limit = options.azure && options.type === 'fixed' ? MAX_AZURE_SIZE : MAX_DISK_SIZE;
  if (size > limit) {
    const whose = limit === MAX_AZURE_SIZE ? 'A VHD for Azure' : 'A VHD';
    const what = `${whose} holds at most ${limit / GIB} GiB (${limit} bytes); this disk has ${size} bytes.`;
    throw new HvError('NOT_SUPPORTED', what, {
      advice: 'Use VHDX, which holds up to 64 TiB.',
      data: { size, limit },
    });
  }
  const dynamic = options.type === 'dynamic' ? planDynamic(size, options.blockSize ?? DEFAULT_BLOCK_SIZE) : null;
  const footer: VhdFooter = {
    version: FOOTER_VERSION,
    headerOffset: dynamic === null ? null : FOOTER_SIZE,
    createdAt: Date.now(),
    creator: CREATOR,
    creatorVersion: CREATOR_VERSION,
    creatorHost: CREATOR_HOST,
    originalSize: size,
    currentSize: size,
    geometry: geometryOf(size),
    type: dynamic === null ? TYPE_FIXED : TYPE_DYNAMIC,
    uniqueId: options.uniqueId ?? newGuid(),
    savedState: false,
  };
  return { size, footer, dynamic };
}

function planDynamic(size: number, blockSize: number): DynamicPlan {
  if (!isPowerOfTwo(blockSize) || blockSize < MIN_BLOCK_SIZE || blockSize > MAX_BLOCK_SIZE) {
    throw badGeometry(`a VHD with blocks of ${blockSize} bytes`, { blockSize });
  }
  const blockCount = Math.ceil(size / blockSize);
  const bitmapSize = bitmapSizeOf(blockSize);
  const tableOffset = FOOTER_SIZE + DYNAMIC_HEADER_SIZE;
  const tableSize = alignUp(blockCount * TABLE_ENTRY_SIZE, SECTOR);
  const layouts = [CONTENT_ALIGNMENT, SECTOR].map((alignment) => ({
    firstBlock: alignUp(tableOffset + tableSize + bitmapSize, alignment) - bitmapSize,
    stride: alignUp(bitmapSize + blockSize, alignment),
  }));
  // The table holds 32 bits of sector number: the largest disks fit it only when nothing is spent on alignment.
  const layout = layouts.find(
    ({ firstBlock, stride }) => firstBlock + (blockCount - 1) * stride < UNALLOCATED * SECTOR,
  );
  if (layout === undefined) {
    throw badGeometry(`a VHD of ${size} bytes in blocks of ${blockSize} bytes`, { size, blockSize });
  }
  const header: DynamicHeader = {
    tableOffset,
    version: DYNAMIC_HEADER_VERSION,
    tableEntries: blockCount,
    blockSize,
    parentId: NIL_GUID,
    parentTime: 0,
    parentName: Buffer.alloc(0),
    locators: Array.from({ length: LOCATOR_COUNT }, () => ({ platform: '\0\0\0\0', length: 0, offset: 0 })),
  };
  return { header, blockSize, blockCount, bitmapSize, tableOffset, tableSize, ...layout };
}
