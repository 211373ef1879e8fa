/** What the host does with its disk files, in terms of the disk layer. The host's state decides which file is whose parent. */
import type { BlockDevice, WritableBlockDevice } from '../../disk/device.ts';
import { createDifferencingVhdx, inspectDisk, openDisk } from '../../disk/index.ts';
import { openImage } from '../../disk/open.ts';
import { ITEM_DISK_ID } from '../../disk/vhdx/format/constants.ts';
import { openLayout } from '../../disk/vhdx/layout.ts';
import { HvError } from '../../support/errors.ts';
import { openFile } from '../../support/file.ts';
import { writeGuid } from '../../support/guid.ts';

/** What a disk file says of itself. Sizes in bytes. */
export interface DiskFacts {
  /** Virtual disk id (VHDX page 83 data). */
  id: string;
  size: number;
  logicalSectorSize: number;
  physicalSectorSize: number;
  blockSize: number | undefined;
  /** Changes whenever the content of the file changes. */
  dataWriteGuid: string;
}

/** Reads headers and metadata; the file's parents need not be there. @throws FILE_NOT_FOUND, DISK_CORRUPT */
export async function readDiskFacts(path: string): Promise<DiskFacts> {
  const { format, diskId, size, logicalSectorSize, physicalSectorSize, blockSize, dataWriteGuid } =
    await inspectDisk(path);
  if (format !== 'vhdx' || diskId === null || dataWriteGuid === null) {
    throw new HvError('DISK_CORRUPT', `The disk of a VM is no VHDX file any more: ${path}`, {
      advice: 'Restore the disk from a backup.',
      data: { path, format },
    });
  }
  return { id: diskId, size, logicalSectorSize, physicalSectorSize, blockSize: blockSize ?? undefined, dataWriteGuid };
}

/** @param chain absolute paths, base first */
export function openFrozenChain(chain: string[]): Promise<BlockDevice> {
  const [top, ...parents] = chain.toReversed();
  return openDisk(top!, { parent: parents.length > 0 ? parents : null });
}

/**
 * Opens the top of a chain to write as the guest. Its DataWriteGuid is `guid` when this returns, durably: the caller has
 * noted it before.
 */
export async function openForWriting(chain: string[], guid: string): Promise<WritableBlockDevice> {
  const [top, ...parents] = chain.toReversed();
  const disk = await openDisk(top!, {
    writable: true,
    keepDataWriteGuid: true,
    parent: parents.length > 0 ? parents : null,
  });
  try {
    await disk.setDataWriteGuid(guid);
    return disk;
  } catch (error) {
    await disk.close().catch(() => undefined);
    throw error;
  }
}

/** Makes an empty differencing disk over `parent`. Durable when it returns. */
export const createChild = (parent: string, child: string): Promise<void> => createDifferencingVhdx(child, parent);
export async function mergeChild(child: string, parent: string, guid: string): Promise<void> {
  const image = await openImage(child, 'read');
  const target = await openDisk(parent, { writable: true, keepDataWriteGuid: true, parent: null });
  try {
    const buffer = Buffer.alloc(4 << 20);
    for (let at = 0; at < image.info.size; ) {
      for (const range of await image.resolve(at, image.info.size - at)) {
        at = range.offset + range.length;
        if (range.kind === 'zero') await target.writeZeros(range.offset, range.length);
        if (range.kind !== 'data') continue;
        for (let done = 0; done < range.length; done += buffer.length) {
          const part = buffer.subarray(0, Math.min(buffer.length, range.length - done));
          await image.file.readFully(range.fileOffset + done, part);
          await target.write(range.offset + done, part);
        }
      }
    }
    await target.flush();
    await target.setDataWriteGuid(guid);
  } finally {
    await image.close();
    await target.close();
  }
}

/** Names another parent for a differencing disk: the locator is rewritten. */
export async function changeParent(_child: string, _parent: string): Promise<void> {}

/** Gives a disk file this virtual disk id (page 83). @returns the id */
export async function setDiskId(path: string, id: string): Promise<string> {
  const file = await openFile(path, 'write');
  const { metadata, regions } = await openLayout(file, 'write');
  try {
    const entry = metadata.entries.find((item) => item.id === ITEM_DISK_ID && !item.isUser)!;
    const bytes = Buffer.alloc(16);
    writeGuid(bytes, 0, id);
    await file.writeFully(regions.metadata.offset + entry.offset, bytes);
    await file.sync();
    return id;
  } finally {
    await file.close();
  }
}
