/** Replacing one metadata item of an existing VHDX so that a cut at any moment leaves the old value or the new. */

import { unsupported } from '../errors.ts';
import type { ParentInfo } from '../info.ts';
import { ITEM_PARENT_LOCATOR, METADATA_TABLE_SIZE } from './format/constants.ts';
import { parentToLocator, renderLocator } from './format/locator.ts';
import { type MetadataEntry, metadataEntryOffset, renderMetadataEntry } from './format/metadata-table.ts';
import type { VhdxLayout } from './layout.ts';

/**
 * The new value is durable at a free place of the region before the item's table entry, which lies within one sector,
 * points to it. The caller has announced the change in the headers.
 */
export async function replaceItem(layout: VhdxLayout, id: string, data: Buffer): Promise<void> {
  const { file, regions, metadata } = layout;
  const index = metadata.entries.findIndex((entry) => entry.id === id && !entry.isUser);
  const offset = findSpace(layout, data.length);
  await file.writeFully(regions.metadata.offset + offset, data);
  await file.sync();
  const entry = { ...metadata.entries[index]!, offset, length: data.length };
  await file.writeFully(regions.metadata.offset + metadataEntryOffset(index), renderMetadataEntry(entry));
  await file.sync();
  metadata.entries[index] = entry;
}

/** The lowest gap between the items that is large enough. */
function findSpace(layout: VhdxLayout, length: number): number {
  const used = layout.metadata.entries.filter((entry) => entry.length > 0).sort(byOffset);
  let free = METADATA_TABLE_SIZE;
  for (const entry of used) {
    if (entry.offset - free >= length) break;
    free = Math.max(free, entry.offset + entry.length);
  }
  if (free + length > layout.regions.metadata.length)
    throw unsupported(layout.file.path, 'its metadata region is full');
  return free;
}

const byOffset = (a: MetadataEntry, b: MetadataEntry): number => a.offset - b.offset;

/** Writes what a differencing disk says of its parent. */
export async function replaceParent(layout: VhdxLayout, parent: ParentInfo): Promise<void> {
  const locator = parentToLocator(parent);
  await replaceItem(layout, ITEM_PARENT_LOCATOR, renderLocator(locator));
  layout.metadata.locator = locator;
}
