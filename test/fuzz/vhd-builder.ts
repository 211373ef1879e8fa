/** VHD files put together by hand, the way any program may have laid them out: for what no writer of ours makes. */
import {
  DYNAMIC_HEADER_SIZE,
  FOOTER_SIZE,
  SECTOR,
  TYPE_DIFFERENCING,
  TYPE_DYNAMIC,
  TYPE_FIXED,
} from '../../backend/src/disk/vhd/format/constants.ts';
import { renderDynamicHeader } from '../../backend/src/disk/vhd/format/dynamic-header.ts';
import { renderFooter, type VhdFooter } from '../../backend/src/disk/vhd/format/footer.ts';
import { geometryOf } from '../../backend/src/disk/vhd/geometry.ts';
import { NIL_GUID } from '../../backend/src/support/guid.ts';

export const ID = '11111111-2222-3333-4444-555555555555';

export interface BuiltParent {
  id: string;
  /** As the dynamic header stores it: UTF-16BE. */
  name?: string;
  locators?: { platform: string; bytes: Buffer }[];
}

export interface BuiltVhd {
  size: number;
  blockSize?: number;
  /** Blocks in the order they shall have in the file. `present`: sectors whose bits are set; default all. */
  blocks?: { index: number; data: Buffer; present?: (sector: number) => boolean }[];
  parent?: BuiltParent;
  footer?: Partial<VhdFooter>;
  /** Entries the table has more than needed. */
  spareEntries?: number;
}

export function footerOf(size: number, type: number, change: Partial<VhdFooter> = {}): VhdFooter {
  return {
    version: 0x0001_0000,
    headerOffset: type === TYPE_FIXED ? null : FOOTER_SIZE,
    createdAt: Date.UTC(2020, 0, 1),
    creator: 'test',
    creatorVersion: 0x0001_0002,
    creatorHost: 'Wi2k',
    originalSize: size,
    currentSize: size,
    geometry: geometryOf(size),
    type,
    uniqueId: ID,
    savedState: false,
    ...change,
  };
}

export const buildFixed = (content: Buffer, change: Partial<VhdFooter> = {}): Buffer =>
  Buffer.concat([content, renderFooter(footerOf(content.length, TYPE_FIXED, change))]);

/** Dynamic, or differencing with a parent. */
export function buildDynamic(image: BuiltVhd): Buffer {
  const { size, blockSize = 4096 * SECTOR, blocks = [], parent } = image;
  const footer = renderFooter(footerOf(size, parent ? TYPE_DIFFERENCING : TYPE_DYNAMIC, image.footer));
  const entries = Math.ceil(size / blockSize) + (image.spareEntries ?? 0);
  const table = Buffer.alloc(Math.ceil((entries * 4) / SECTOR) * SECTOR, 0xff);
  const tableOffset = FOOTER_SIZE + DYNAMIC_HEADER_SIZE;
  let end = tableOffset + table.length;
  const parts: Buffer[] = [];
  const place = (bytes: Buffer): number => {
    const padded = Buffer.alloc(Math.ceil(bytes.length / SECTOR) * SECTOR);
    bytes.copy(padded);
    parts.push(padded);
    end += padded.length;
    return end - padded.length;
  };
  const locators = (parent?.locators ?? []).map(({ platform, bytes }) => ({
    platform,
    length: bytes.length,
    offset: place(bytes),
  }));
  for (const { index, data, present = () => true } of blocks) {
    table.writeUInt32BE(place(bitmapOf(blockSize, present)) / SECTOR, index * 4);
    const padded = Buffer.alloc(blockSize);
    data.copy(padded);
    place(padded);
  }
  const header = renderDynamicHeader({
    tableOffset,
    version: 0x0001_0000,
    tableEntries: entries,
    blockSize,
    parentId: parent?.id ?? NIL_GUID,
    parentTime: Date.UTC(2020, 0, 1),
    parentName: Buffer.from(parent?.name ?? '', 'utf16le').swap16(),
    locators,
  });
  return Buffer.concat([footer, header, table, ...parts, footer]);
}

function bitmapOf(blockSize: number, present: (sector: number) => boolean): Buffer {
  const sectors = blockSize / SECTOR;
  const bitmap = Buffer.alloc(Math.ceil(sectors / 8 / SECTOR) * SECTOR);
  for (let sector = 0; sector < sectors; sector++) {
    if (present(sector)) bitmap[sector >>> 3]! |= 0x80 >>> (sector & 7);
  }
  return bitmap;
}
