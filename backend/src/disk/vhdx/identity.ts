/**
 * Changing what a VHDX says of itself: its parent, its disk id, the identity of its content. Parents are not opened.
 */
import { type FileOpener, openFile } from '../../support/file.ts';
import { writeGuid } from '../../support/guid.ts';
import { unsupported } from '../errors.ts';
import type { ParentInfo } from '../info.ts';
import { inspectDisk } from '../open.ts';
import { describeParentPath } from '../parent.ts';
import { replaceItem, replaceParent } from './edit-metadata.ts';
import { ITEM_DISK_ID } from './format/constants.ts';
import { VhdxImage } from './image.ts';
import { VhdxInPlaceWriter } from './in-place.ts';
import { openLayout, type VhdxLayout } from './layout.ts';

interface Options {
  opener?: FileOpener;
}

/** Opens a VHDX without its parents, has it changed, and closes it. The DataWriteGuid stays. */
async function edit(
  path: string,
  opener: FileOpener = openFile,
  change: (layout: VhdxLayout, writer: VhdxInPlaceWriter) => Promise<void>,
): Promise<void> {
  const layout = await openLayout(await opener(path, 'write'), 'write');
  try {
    await change(layout, new VhdxInPlaceWriter(new VhdxImage(layout), { keepDataWriteGuid: true }));
  } finally {
    await layout.file.close();
  }
}

/**
 * Hangs a differencing VHDX below another parent: its present identity and place are recorded. Content is not looked
 * at. Durable when it returns; cut short it leaves the old parent or the new.
 * @throws FILE_NOT_FOUND, DISK_UNSUPPORTED
 */
export async function setVhdxParent(childPath: string, parentPath: string, options: Options = {}): Promise<void> {
  const parent = await inspectDisk(parentPath, options);
  if (parent.dataWriteGuid === null) {
    throw unsupported(parentPath, 'only a VHDX can be the parent of a differencing VHDX');
  }
  const place = describeParentPath(childPath, parentPath);
  await replaceParentOf(childPath, { linkage: [parent.dataWriteGuid], ...place }, options.opener);
}

/** Writes what a differencing VHDX says of its parent. @throws DISK_UNSUPPORTED when it has none */
export async function replaceParentOf(path: string, parent: ParentInfo, opener?: FileOpener): Promise<void> {
  await edit(path, opener, async (layout, writer) => {
    if (layout.metadata.locator === null) throw unsupported(path, 'it is no differencing disk');
    await writer.announce();
    await replaceParent(layout, parent);
  });
}

/** Gives a VHDX's content an identity. Durable when it returns. */
export async function setVhdxDataWriteGuid(path: string, guid: string, options: Options = {}): Promise<void> {
  await edit(path, options.opener, (_layout, writer) => writer.setDataWriteGuid(guid));
}

/** Gives a VHDX another disk id (page 83), so that it is another disk to the guest. Durable when it returns. */
export async function setVhdxDiskId(path: string, diskId: string, options: Options = {}): Promise<void> {
  await edit(path, options.opener, async (layout, writer) => {
    await writer.announce();
    const bytes = Buffer.alloc(16);
    writeGuid(bytes, 0, diskId);
    await replaceItem(layout, ITEM_DISK_ID, bytes);
  });
}
