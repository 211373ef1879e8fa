/** An opened VHD: footer, dynamic header and the place of the table, read and checked. Reads no table yet. */
import { isPowerOfTwo } from '../../support/bytes.ts';
import { hex } from '../../support/errors.ts';
import type { RandomAccessFile } from '../../support/file.ts';
import { corrupt, unsupported } from '../errors.ts';
import type { ParentInfo } from '../info.ts';
import { chooseFooter, type Footers, type FoundFooter, readFooters } from './footers.ts';
import {
  DYNAMIC_HEADER_SIZE,
  FOOTER_SIZE,
  MAX_BLOCK_SIZE,
  MIN_BLOCK_SIZE,
  SECTOR,
  TABLE_ENTRY_SIZE,
  TYPE_DIFFERENCING,
  TYPE_FIXED,
} from './format/constants.ts';
import { type DynamicHeader, isKnownHeaderVersion, parseDynamicHeader } from './format/dynamic-header.ts';
import type { VhdFooter } from './format/footer.ts';
import { readParentInfo } from './parent.ts';

/** Part of the file that a block may not overlap. */
interface Structure {
  name: string;
  offset: number;
  length: number;
}

/** What dynamic and differencing disks have. Sizes and offsets in bytes. */
export interface DynamicLayout {
  header: DynamicHeader;
  headerChecksumValid: boolean;
  tableOffset: number;
  blockSize: number;
  /** Blocks of the disk; the table may have more entries. */
  blockCount: number;
  /** Bitmap before each block, whole sectors. */
  bitmapSize: number;
  structures: Structure[];
  /** Differencing disks only. */
  parent: ParentInfo | null;
}

export interface VhdLayout {
  file: RandomAccessFile;
  /** Bytes. */
  fileSize: number;
  footer: VhdFooter;
  footers: Footers;
  kind: 'fixed' | 'dynamic' | 'differencing';
  /** Virtual size, bytes: the footer's current size, whatever the geometry says. */
  size: number;
  /** Null for fixed disks. */
  dynamic: DynamicLayout | null;
  /** Oddities that reading works around. */
  notes: string[];
}

/** Whole sectors that hold a bit for each sector of a block. */
export const bitmapSizeOf = (blockSize: number): number => Math.ceil(blockSize / SECTOR / 8 / SECTOR) * SECTOR;

/**
 * Takes `file` over: closed when this fails.
 * @throws DISK_CORRUPT, DISK_UNSUPPORTED, DISK_FORMAT_UNKNOWN
 */
export async function openVhdLayout(file: RandomAccessFile): Promise<VhdLayout> {
  try {
    const fileSize = await file.size();
    const notes: string[] = [];
    const footers = await readFooters(file, fileSize);
    const found = chooseFooter(file, fileSize, footers, notes);
    const { footer } = found;
    const size = footer.currentSize;
    if (footer.savedState) notes.push('The disk belongs to a saved state.');
    const common = { file, fileSize, footer, footers, size, notes };
    if (footer.type === TYPE_FIXED) return { ...common, kind: 'fixed', dynamic: null };
    const differencing = footer.type === TYPE_DIFFERENCING;
    const dynamic = await readDynamic(file, fileSize, found, differencing, notes);
    return { ...common, kind: differencing ? 'differencing' : 'dynamic', dynamic };
  } catch (error) {
    await file.close().catch(() => undefined);
    throw error;
  }
}

async function readDynamic(
  file: RandomAccessFile,
  fileSize: number,
  found: FoundFooter,
  differencing: boolean,
  notes: string[],
): Promise<DynamicLayout> {
  const headerOffset = found.footer.headerOffset!;
  const bytes = Buffer.alloc(DYNAMIC_HEADER_SIZE);
  await file.readFully(headerOffset, bytes);
  const parsed = parseDynamicHeader(bytes);
  if (parsed === null) throw corrupt(file.path, 'there is no dynamic header', headerOffset);
  const { header, checksumValid } = parsed;
  if (!checksumValid)
    notes.push('The checksum of the dynamic header is wrong; its contents fit the file and were used.');
  const blockCount = Math.ceil(found.footer.currentSize / header.blockSize);
  checkHeader(file.path, fileSize, header, headerOffset, blockCount);
  return {
    header,
    headerChecksumValid: checksumValid,
    tableOffset: header.tableOffset,
    blockSize: header.blockSize,
    blockCount,
    bitmapSize: bitmapSizeOf(header.blockSize),
    structures: [
      { name: "footer's copy", offset: 0, length: FOOTER_SIZE },
      { name: 'dynamic header', offset: headerOffset, length: DYNAMIC_HEADER_SIZE },
      { name: 'block table', offset: header.tableOffset, length: blockCount * TABLE_ENTRY_SIZE },
      ...(found.offset > 0 ? [{ name: 'footer', offset: found.offset, length: found.length }] : []),
    ],
    parent: differencing ? await readParentInfo(file, fileSize, header, notes) : null,
  };
}

function checkHeader(path: string, fileSize: number, header: DynamicHeader, at: number, blockCount: number): void {
  const { blockSize, tableOffset, tableEntries } = header;
  if (!isKnownHeaderVersion(header)) {
    throw unsupported(path, `version ${hex(header.version)} of the dynamic header is not known`);
  }
  if (!isPowerOfTwo(blockSize) || blockSize < MIN_BLOCK_SIZE || blockSize > MAX_BLOCK_SIZE) {
    throw corrupt(path, `the block size is ${hex(blockSize)}`, at + 32, { blockSize });
  }
  if (tableEntries < blockCount) {
    throw corrupt(path, `the block table has ${tableEntries} entries for ${blockCount} blocks`, at + 28);
  }
  const tableEnd = tableOffset + blockCount * TABLE_ENTRY_SIZE;
  const overlapsHeader = tableOffset < at + DYNAMIC_HEADER_SIZE && tableEnd > at;
  if (tableOffset % SECTOR !== 0 || tableOffset < FOOTER_SIZE || tableEnd > fileSize || overlapsHeader) {
    throw corrupt(path, 'the block table has an impossible place', at + 16, { tableOffset, tableEnd, fileSize });
  }
}
