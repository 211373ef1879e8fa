/** What every new VHDX begins with: identifier, headers, empty log, regions, metadata, and where blocks start. */
import { alignUp, isPowerOfTwo, writeU64LE } from '../../support/bytes.ts';
import type { RandomAccessFile } from '../../support/file.ts';
import { NIL_GUID, newGuid, writeGuid } from '../../support/guid.ts';
import { badGeometry } from '../errors.ts';
import type { ParentInfo } from '../info.ts';
import {
  ALIGNMENT,
  BAT_REGION,
  DEFAULT_BLOCK_SIZE,
  DEFAULT_DIFFERENCING_BLOCK_SIZE,
  DEFAULT_LOG_SIZE,
  FORMAT_VERSION,
  HEADER_OFFSETS,
  HEADER_SECTION_SIZE,
  ITEM_DISK_ID,
  ITEM_DISK_SIZE,
  ITEM_FILE_PARAMETERS,
  ITEM_LOGICAL_SECTOR,
  ITEM_PARENT_LOCATOR,
  ITEM_PHYSICAL_SECTOR,
  LOG_VERSION,
  MAX_BLOCK_SIZE,
  MAX_DISK_SIZE,
  METADATA_REGION,
  METADATA_TABLE_SIZE,
  MIB,
  MIN_BLOCK_SIZE,
  REGION_TABLE_OFFSETS,
} from './format/constants.ts';
import { renderFileIdentifier, renderHeader, type VhdxHeader } from './format/header.ts';
import { parentToLocator, renderLocator } from './format/locator.ts';
import { type MetadataEntry, renderMetadataTable } from './format/metadata-table.ts';
import { renderRegionTable } from './format/region-table.ts';
import { batBytes, type Geometry, geometryOf } from './geometry.ts';

export interface NewVhdxOptions {
  /** Virtual size in bytes, up to 64 TiB; rounded up to a whole sector. */
  size: number;
  /** Bytes, a power of two from 1 MiB to 256 MiB. Default 32 MiB, as Hyper-V; 2 MiB for differencing disks. */
  blockSize?: number;
  /** Default 512. */
  logicalSectorSize?: number;
  /** Default 4096. */
  physicalSectorSize?: number;
  /** Page 83 id; default a new one. */
  diskId?: string;
  /** Default a new one. */
  dataWriteGuid?: string;
}

const CREATOR = 'HyperVBackup';
const METADATA_OFFSET = HEADER_SECTION_SIZE + DEFAULT_LOG_SIZE;
const METADATA_LENGTH = MIB;
const BAT_OFFSET = METADATA_OFFSET + METADATA_LENGTH;

export interface VhdxPlan {
  geometry: Geometry;
  logicalSectorSize: number;
  physicalSectorSize: number;
  diskId: string;
  dataWriteGuid: string;
  fixed: boolean;
  parent: ParentInfo | null;
  /** File offsets and lengths, bytes. */
  batOffset: number;
  batLength: number;
  /** Where the first block goes. */
  firstBlock: number;
}

/** @throws USAGE for sizes that cannot be */
export function planVhdx(options: NewVhdxOptions, kind: { fixed?: boolean; parent?: ParentInfo } = {}): VhdxPlan {
  const logicalSectorSize = options.logicalSectorSize ?? 512;
  const physicalSectorSize = options.physicalSectorSize ?? 4096;
  const blockSize = options.blockSize ?? (kind.parent ? DEFAULT_DIFFERENCING_BLOCK_SIZE : DEFAULT_BLOCK_SIZE);
  const check = (fine: boolean, what: string): void => {
    if (!fine) throw badGeometry(what, { ...options });
  };
  for (const sector of [logicalSectorSize, physicalSectorSize]) {
    check(sector === 512 || sector === 4096, `sectors have 512 or 4096 bytes, not ${sector}`);
  }
  check(
    isPowerOfTwo(blockSize) && blockSize >= MIN_BLOCK_SIZE && blockSize <= MAX_BLOCK_SIZE,
    `a block size is a power of two from 1 MiB to 256 MiB, not ${blockSize} bytes`,
  );
  const size = alignUp(options.size, logicalSectorSize);
  check(
    Number.isSafeInteger(options.size) && size > 0 && size <= MAX_DISK_SIZE,
    `a VHDX holds from 1 byte to 64 TiB, not ${options.size} bytes`,
  );
  const geometry = geometryOf(size, blockSize, logicalSectorSize, kind.parent !== undefined);
  const batLength = alignUp(batBytes(geometry), ALIGNMENT);
  return {
    geometry,
    logicalSectorSize,
    physicalSectorSize,
    diskId: options.diskId ?? newGuid(),
    dataWriteGuid: options.dataWriteGuid ?? newGuid(),
    fixed: kind.fixed ?? false,
    parent: kind.parent ?? null,
    batOffset: BAT_OFFSET,
    batLength,
    firstBlock: BAT_OFFSET + batLength,
  };
}

/** Writes everything but BAT entries and blocks into an empty file; its length becomes plan.firstBlock. */
export async function writeSkeleton(file: RandomAccessFile, plan: VhdxPlan): Promise<void> {
  await file.truncate(plan.firstBlock);
  await file.writeFully(0, renderFileIdentifier(CREATOR));
  const header: VhdxHeader = {
    sequenceNumber: 1n,
    fileWriteGuid: newGuid(),
    dataWriteGuid: plan.dataWriteGuid,
    logGuid: NIL_GUID,
    logVersion: LOG_VERSION,
    version: FORMAT_VERSION,
    logLength: DEFAULT_LOG_SIZE,
    logOffset: HEADER_SECTION_SIZE,
  };
  await file.writeFully(HEADER_OFFSETS[0], renderHeader(header));
  await file.writeFully(HEADER_OFFSETS[1], renderHeader({ ...header, sequenceNumber: 2n }));
  const regions = renderRegionTable([
    { id: BAT_REGION, offset: plan.batOffset, length: plan.batLength, required: true },
    { id: METADATA_REGION, offset: METADATA_OFFSET, length: METADATA_LENGTH, required: true },
  ]);
  for (const offset of REGION_TABLE_OFFSETS) await file.writeFully(offset, regions);
  await file.writeFully(METADATA_OFFSET, renderMetadata(plan));
}

/** Table and items, packed from the start of the metadata region. */
function renderMetadata(plan: VhdxPlan): Buffer {
  const items: { id: string; isVirtualDisk: boolean; data: Buffer }[] = [
    { id: ITEM_FILE_PARAMETERS, isVirtualDisk: false, data: fileParameters(plan) },
    { id: ITEM_DISK_SIZE, isVirtualDisk: true, data: u64(plan.geometry.size) },
    { id: ITEM_DISK_ID, isVirtualDisk: true, data: guid(plan.diskId) },
    { id: ITEM_LOGICAL_SECTOR, isVirtualDisk: true, data: u32(plan.logicalSectorSize) },
    { id: ITEM_PHYSICAL_SECTOR, isVirtualDisk: true, data: u32(plan.physicalSectorSize) },
  ];
  if (plan.parent !== null) {
    const data = renderLocator(parentToLocator(plan.parent));
    items.push({ id: ITEM_PARENT_LOCATOR, isVirtualDisk: false, data });
  }
  let offset = METADATA_TABLE_SIZE;
  const entries = items.map(({ id, isVirtualDisk, data }): MetadataEntry => {
    const entry = { id, offset, length: data.length, isUser: false, isVirtualDisk, isRequired: true };
    offset += data.length;
    return entry;
  });
  return Buffer.concat([renderMetadataTable(entries), ...items.map(({ data }) => data)]);
}

function fileParameters(plan: VhdxPlan): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(plan.geometry.blockSize, 0);
  bytes.writeUInt32LE((plan.fixed ? 1 : 0) | (plan.parent === null ? 0 : 2), 4);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  writeU64LE(bytes, value, 0);
  return bytes;
}

function guid(value: string): Buffer {
  const bytes = Buffer.alloc(16);
  writeGuid(bytes, 0, value);
  return bytes;
}
