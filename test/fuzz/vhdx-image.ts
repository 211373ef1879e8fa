/** VHDX files put together by hand, the same every time, with a map of what in them means what. */

import type { ParentInfo } from '../../backend/src/disk/info.ts';
import { writeBatEntry } from '../../backend/src/disk/vhdx/format/bat-entry.ts';
import {
  BAT_REGION,
  ITEM_DISK_ID,
  ITEM_DISK_SIZE,
  ITEM_FILE_PARAMETERS,
  ITEM_LOGICAL_SECTOR,
  ITEM_PARENT_LOCATOR,
  ITEM_PHYSICAL_SECTOR,
  METADATA_REGION,
} from '../../backend/src/disk/vhdx/format/constants.ts';
import { renderFileIdentifier, renderHeader } from '../../backend/src/disk/vhdx/format/header.ts';
import { parentToLocator, renderLocator } from '../../backend/src/disk/vhdx/format/locator.ts';
import { renderMetadataTable } from '../../backend/src/disk/vhdx/format/metadata-table.ts';
import { renderRegionTable } from '../../backend/src/disk/vhdx/format/region-table.ts';
import { setBits } from '../../backend/src/disk/vhdx/sector-bitmap.ts';
import { NIL_GUID, writeGuid } from '../../backend/src/support/guid.ts';

export const KIB = 1024;
export const MIB = 2 ** 20;
export const PLACES = { log: MIB, metadata: 2 * MIB, bat: 3 * MIB };
/** Where the items lie: offsets in the file. */
export const ITEMS = PLACES.metadata + 64 * KIB;
export const LOG_GUID = '0f0f0f0f-1111-4222-8333-444444444444';
export const DATA_WRITE_GUID = '0d0d0d0d-1111-4222-8333-444444444444';

type State = 'here' | 'mixed' | 'zero';

interface BlockSpec {
  index: number;
  state: State;
  /** Megabyte of the file. */
  place?: number;
  data?: Buffer;
  /** Of mixed blocks: runs of sectors that are in this file. */
  present?: [from: number, to: number][];
}

export interface ImageSpec {
  size: number;
  sectorSize: 512 | 4096;
  /** Files end here, megabytes. */
  end: number;
  blocks: BlockSpec[];
  /** Megabyte of the sector bitmap block, where there are mixed blocks. */
  bitmap?: number;
  parent?: ParentInfo;
  fixed?: boolean;
  /** The log is marked as in use. */
  dirty?: boolean;
}

/** Sectors of 512 or 4096 bytes: blocks of 1 MiB. */
export const BLOCK = MIB;
const chunkRatio = (sectorSize: number): number => (2 ** 23 * sectorSize) / BLOCK;
/** File offset of a block's BAT entry; all blocks are in the first chunk. */
export const entryAt = (block: number): number => PLACES.bat + 8 * block;
/** File offset of the first sector bitmap block's BAT entry. */
export const bitmapEntryAt = (sectorSize: number): number => PLACES.bat + 8 * chunkRatio(sectorSize);

export function buildVhdx(spec: ImageSpec): Buffer {
  const file = Buffer.alloc(spec.end * MIB);
  renderFileIdentifier('fuzz').copy(file);
  const header = {
    fileWriteGuid: '0a0a0a0a-1111-4222-8333-444444444444',
    dataWriteGuid: DATA_WRITE_GUID,
    logGuid: spec.dirty ? LOG_GUID : NIL_GUID,
    logVersion: 0,
    version: 1,
    logLength: MIB,
    logOffset: PLACES.log,
  };
  renderHeader({ ...header, sequenceNumber: 7n }).copy(file, 64 * KIB);
  // The other one names no log: only the sequence number makes it stale.
  renderHeader({ ...header, logGuid: NIL_GUID, sequenceNumber: 6n }).copy(file, 128 * KIB);
  const regions = renderRegionTable([
    { id: BAT_REGION, offset: PLACES.bat, length: MIB, required: true },
    { id: METADATA_REGION, offset: PLACES.metadata, length: MIB, required: true },
  ]);
  for (const at of [192, 256]) regions.copy(file, at * KIB);
  writeMetadata(file, spec);
  for (const { index, state, place = 0, data, present = [] } of spec.blocks) {
    const number = state === 'here' ? 6 : state === 'mixed' ? 7 : 2;
    writeBatEntry(file, entryAt(index), number, place * MIB);
    data?.copy(file, place * MIB);
    const slice = (spec.bitmap ?? 0) * MIB + (index * BLOCK) / spec.sectorSize / 8;
    for (const [from, to] of present) setBits(file, slice, from, to);
  }
  if (spec.bitmap !== undefined) writeBatEntry(file, bitmapEntryAt(spec.sectorSize), 6, spec.bitmap * MIB);
  return file;
}

function writeMetadata(file: Buffer, spec: ImageSpec): void {
  const locator = spec.parent ? renderLocator(parentToLocator(spec.parent)) : null;
  const flags = { isUser: false, isRequired: true };
  const item = (id: string, offset: number, length: number, isVirtualDisk: boolean) => ({
    id,
    offset: 64 * KIB + offset,
    length,
    isVirtualDisk,
    ...flags,
  });
  renderMetadataTable([
    item(ITEM_FILE_PARAMETERS, 0, 8, false),
    item(ITEM_DISK_SIZE, 8, 8, true),
    item(ITEM_LOGICAL_SECTOR, 16, 4, true),
    item(ITEM_PHYSICAL_SECTOR, 20, 4, true),
    item(ITEM_DISK_ID, 24, 16, true),
    ...(locator ? [item(ITEM_PARENT_LOCATOR, 40, locator.length, false)] : []),
  ]).copy(file, PLACES.metadata);
  file.writeUInt32LE(BLOCK, ITEMS);
  file.writeUInt32LE(locator ? 2 : spec.fixed ? 1 : 0, ITEMS + 4);
  file.writeBigUInt64LE(BigInt(spec.size), ITEMS + 8);
  file.writeUInt32LE(spec.sectorSize, ITEMS + 16);
  file.writeUInt32LE(4096, ITEMS + 20);
  writeGuid(file, ITEMS + 24, '0b0b0b0b-1111-4222-8333-444444444444');
  locator?.copy(file, ITEMS + 40);
}

/** What the disk reads as. @param parent content below, for differencing disks */
export function contentOf(spec: ImageSpec, parent?: Buffer): Buffer {
  const content = Buffer.alloc(spec.size);
  parent?.copy(content);
  for (const { index, state, data, present = [] } of spec.blocks) {
    const start = index * BLOCK;
    const end = Math.min(start + BLOCK, spec.size);
    if (state !== 'mixed') content.fill(0, start, end);
    if (state === 'here') data!.copy(content, start, 0, end - start);
    for (const [from, to] of present) {
      const [first, last] = [from * spec.sectorSize, Math.min(to * spec.sectorSize, end - start)];
      data!.copy(content, start + first, first, last);
    }
  }
  return content;
}
