/** Growing a VHDX in place. */
import { alignUp, writeU64LE, zeros } from '../../support/bytes.ts';
import { HvError } from '../../support/errors.ts';
import { type FileOpener, openFile } from '../../support/file.ts';
import { badGeometry } from '../errors.ts';
import { replaceItem } from './edit-metadata.ts';
import {
  ALIGNMENT,
  ITEM_DISK_SIZE,
  MAX_DISK_SIZE,
  MIB,
  REGION_TABLE_OFFSETS,
  REGION_TABLE_SIZE,
} from './format/constants.ts';
import { parseRegionTable, renderRegionTable } from './format/region-table.ts';
import { batBytes, type Geometry, geometryOf } from './geometry.ts';
import { VhdxImage } from './image.ts';
import { type InPlaceOptions, VhdxInPlaceWriter } from './in-place.ts';
import { openLayout, type VhdxLayout } from './layout.ts';

/**
 * Makes a VHDX larger; what is new reads as zeros. A cut at any moment leaves the old size or the new.
 * @param newSize bytes, rounded up to a whole sector; the present size or more
 * @throws NOT_SUPPORTED for a smaller size (a guest's partitions would be cut), USAGE beyond 64 TiB
 */
export async function resizeVhdx(
  path: string,
  newSize: number,
  options: InPlaceOptions & { opener?: FileOpener } = {},
): Promise<void> {
  const layout = await openLayout(await (options.opener ?? openFile)(path, 'write'), 'write');
  try {
    const { metadata } = layout;
    const size = alignUp(newSize, metadata.logicalSectorSize);
    if (size < metadata.size) {
      throw new HvError('NOT_SUPPORTED', `A virtual disk cannot be made smaller: ${path}`, {
        advice: 'Shrink it with Resize-VHD on Hyper-V, which knows what the partitions leave free.',
        data: { path, size: metadata.size, newSize: size },
      });
    }
    if (!Number.isSafeInteger(size) || size > MAX_DISK_SIZE)
      throw badGeometry('a VHDX holds up to 64 TiB', { newSize });
    if (size > metadata.size) await grow(layout, size, options);
  } finally {
    await layout.file.close();
  }
}

async function grow(layout: VhdxLayout, size: number, options: InPlaceOptions): Promise<void> {
  const image = new VhdxImage(layout);
  await new VhdxInPlaceWriter(image, options).announce();
  await clearBehindEnd(image, size);
  const { blockSize, sectorSize } = layout.geometry;
  const geometry = geometryOf(size, blockSize, sectorSize, layout.metadata.locator !== null);
  if (batBytes(geometry) > layout.regions.bat.length) await moveBat(layout, geometry);
  else
    await zeroRange(
      layout,
      layout.regions.bat.offset + batBytes(layout.geometry),
      batBytes(geometry) - batBytes(layout.geometry),
    );
  await layout.file.sync();
  // Only now does anything new count.
  const bytes = Buffer.alloc(8);
  writeU64LE(bytes, size, 0);
  await replaceItem(layout, ITEM_DISK_SIZE, bytes);
}

/** What the last block holds behind the end of the disk was never visible and may be anything. */
async function clearBehindEnd(image: VhdxImage, newSize: number): Promise<void> {
  const { layout } = image;
  const { size, blockSize, blockCount } = layout.geometry;
  const within = size - (blockCount - 1) * blockSize;
  if (within === blockSize || newSize === size) return;
  const { content, fileOffset } = await image.table.payload(blockCount - 1);
  if (content !== 'here' && content !== 'mixed') return;
  const end = Math.min(fileOffset + blockSize, layout.fileSize);
  await zeroRange(layout, fileOffset + within, end - fileOffset - within);
  if (end < fileOffset + blockSize) {
    layout.fileSize = fileOffset + blockSize;
    await layout.file.truncate(layout.fileSize);
  }
}

async function zeroRange(layout: VhdxLayout, offset: number, length: number): Promise<void> {
  for (let at = 0; at < length; at += MIB) await layout.file.writeFully(offset + at, zeros(Math.min(MIB, length - at)));
}

/** A larger BAT at the end of the file, durable before either region table points to it. */
async function moveBat(layout: VhdxLayout, geometry: Geometry): Promise<void> {
  const { file, regions } = layout;
  const offset = alignUp(layout.fileSize, ALIGNMENT);
  const length = alignUp(batBytes(geometry), ALIGNMENT);
  await file.truncate(offset + length);
  layout.fileSize = offset + length;
  const used = batBytes(layout.geometry);
  for (let at = 0; at < used; at += MIB) {
    const part = Buffer.alloc(Math.min(MIB, used - at));
    await file.readFully(regions.bat.offset + at, part);
    await file.writeFully(offset + at, part);
  }
  await file.sync();
  const bat = { ...regions.bat, offset, length };
  const all = regions.all.map((region) => (region === regions.bat ? bat : region));
  const table = renderRegionTable(all);
  // The table in use last: until it is replaced whole, the other is whole.
  for (const at of await tablesUnusedFirst(layout)) {
    await file.writeFully(at, table);
    await file.sync();
  }
  layout.regions = { ...regions, bat, all };
}

async function tablesUnusedFirst(layout: VhdxLayout): Promise<number[]> {
  const [first, second] = REGION_TABLE_OFFSETS;
  const bytes = Buffer.alloc(REGION_TABLE_SIZE);
  await layout.file.readFully(first, bytes);
  return parseRegionTable(bytes) === null ? [first, second] : [second, first];
}
