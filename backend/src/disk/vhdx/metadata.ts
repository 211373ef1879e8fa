/** The metadata items that describe disk and file ([MS-VHDX] 2.6), read and checked. */
import { isPowerOfTwo, readU64LE } from '../../support/bytes.ts';
import { hex } from '../../support/errors.ts';
import type { RandomAccessFile } from '../../support/file.ts';
import { readGuid } from '../../support/guid.ts';
import { corrupt, unsupported } from '../errors.ts';
import {
  ITEM_CHS,
  ITEM_DISK_ID,
  ITEM_DISK_SIZE,
  ITEM_FILE_PARAMETERS,
  ITEM_INCOMPLETE,
  ITEM_LOGICAL_SECTOR,
  ITEM_PARENT_LOCATOR,
  ITEM_PHYSICAL_SECTOR,
  ITEM_PMEM_LABEL,
  MAX_BLOCK_SIZE,
  MAX_DISK_SIZE,
  MAX_METADATA_ITEM,
  METADATA_TABLE_SIZE,
  MIN_BLOCK_SIZE,
} from './format/constants.ts';
import { type ParentLocator, parseLocator } from './format/locator.ts';
import { type MetadataEntry, parseMetadataTable } from './format/metadata-table.ts';
import type { Region } from './format/region-table.ts';

const KNOWN = new Set([
  ITEM_FILE_PARAMETERS,
  ITEM_DISK_SIZE,
  ITEM_DISK_ID,
  ITEM_LOGICAL_SECTOR,
  ITEM_PHYSICAL_SECTOR,
  ITEM_PARENT_LOCATOR,
  ITEM_CHS,
  ITEM_PMEM_LABEL,
]);
const LEAVE_BLOCKS_ALLOCATED = 1;
const HAS_PARENT = 2;

export interface VhdxMetadata {
  /** Virtual size, bytes. */
  size: number;
  /** Bytes. */
  blockSize: number;
  logicalSectorSize: 512 | 4096;
  physicalSectorSize: 512 | 4096;
  /** Page 83 id. */
  diskId: string;
  /** A fixed disk: blocks are never given back. */
  leaveBlocksAllocated: boolean;
  /** Present exactly for differencing disks. */
  locator: ParentLocator | null;
  /** The table as read, for changes in place. */
  entries: MetadataEntry[];
}

/** @throws DISK_CORRUPT, DISK_UNSUPPORTED for an unknown item that is marked required */
export async function readMetadata(file: RandomAccessFile, region: Region): Promise<VhdxMetadata> {
  const table = Buffer.alloc(METADATA_TABLE_SIZE);
  await file.readFully(region.offset, table);
  const entries = parseMetadataTable(table);
  if (entries === null) throw corrupt(file.path, 'the metadata table is not valid', region.offset);
  const items = new ItemReader(file, region, entries);
  items.checkAll();

  const size = readU64LE(await items.read(ITEM_DISK_SIZE, 8), 0);
  const parameters = await items.read(ITEM_FILE_PARAMETERS, 8);
  const blockSize = parameters.readUInt32LE(0);
  const flags = parameters.readUInt32LE(4);
  const logical = (await items.read(ITEM_LOGICAL_SECTOR, 4)).readUInt32LE(0);
  const physical = (await items.read(ITEM_PHYSICAL_SECTOR, 4)).readUInt32LE(0);
  const require = (fine: boolean, item: string, what: string): void => {
    if (!fine) throw corrupt(file.path, what, items.offsetOf(item));
  };
  require(isPowerOfTwo(blockSize) &&
    blockSize >= MIN_BLOCK_SIZE &&
    blockSize <= MAX_BLOCK_SIZE, ITEM_FILE_PARAMETERS, `the block size is ${hex(blockSize)}`);
  require(logical === 512 || logical === 4096, ITEM_LOGICAL_SECTOR, `the logical sector size is ${logical}`);
  require(physical === 512 || physical === 4096, ITEM_PHYSICAL_SECTOR, `the physical sector size is ${physical}`);
  require(size > 0 && size <= MAX_DISK_SIZE && size % logical === 0, ITEM_DISK_SIZE, `the disk size is ${hex(size)}`);

  const hasParent = (flags & HAS_PARENT) !== 0;
  return {
    size,
    blockSize,
    logicalSectorSize: logical as 512 | 4096,
    physicalSectorSize: physical as 512 | 4096,
    diskId: readGuid(await items.read(ITEM_DISK_ID, 16)),
    leaveBlocksAllocated: !hasParent && (flags & LEAVE_BLOCKS_ALLOCATED) !== 0,
    locator: hasParent ? await readLocator(file, items) : null,
    entries,
  };
}

async function readLocator(file: RandomAccessFile, items: ItemReader): Promise<ParentLocator> {
  const locator = parseLocator(await items.read(ITEM_PARENT_LOCATOR));
  if (locator === null)
    throw corrupt(file.path, 'the parent locator is not valid', items.offsetOf(ITEM_PARENT_LOCATOR));
  return locator;
}

class ItemReader {
  readonly #file: RandomAccessFile;
  readonly #region: Region;
  readonly #entries: MetadataEntry[];

  constructor(file: RandomAccessFile, region: Region, entries: MetadataEntry[]) {
    this.#file = file;
    this.#region = region;
    this.#entries = entries;
  }

  checkAll(): void {
    for (const { id, offset, length, isUser, isRequired } of this.#entries) {
      if (isRequired && !isUser && !KNOWN.has(id)) {
        const what =
          id === ITEM_INCOMPLETE ? 'its creation was never completed' : `it requires the unknown metadata item ${id}`;
        throw unsupported(this.#file.path, what, { item: id });
      }
      const empty = length === 0;
      const inside = offset >= METADATA_TABLE_SIZE && offset + length <= this.#region.length;
      if (length > MAX_METADATA_ITEM || (!empty && !inside)) {
        throw corrupt(this.#file.path, `metadata item ${id} has an impossible place`, this.#region.offset, {
          offset,
          length,
        });
      }
    }
  }

  /** File offset of an item, for error messages. */
  offsetOf(id: string): number {
    return this.#region.offset + (this.#entries.find((entry) => entry.id === id && !entry.isUser)?.offset ?? 0);
  }

  /** @param length bytes it must have; any when not given */
  async read(id: string, length?: number): Promise<Buffer> {
    const found = this.#entries.filter((entry) => entry.id === id && !entry.isUser);
    const [entry] = found;
    if (entry === undefined || found.length > 1 || (length !== undefined && entry.length !== length)) {
      const what = found.length === 1 ? `has a wrong length (${entry?.length})` : `is there ${found.length} times`;
      throw corrupt(this.#file.path, `metadata item ${id} ${what}`, this.#region.offset, { item: id });
    }
    const bytes = Buffer.alloc(entry.length);
    await this.#file.readFully(this.#region.offset + entry.offset, bytes);
    return bytes;
  }
}
