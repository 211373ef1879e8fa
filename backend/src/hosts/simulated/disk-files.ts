/**
 * What the host does with its disk files, in terms of the disk layer. The host's state decides which file is whose
 * parent.
 */
import type { BlockDevice, WritableBlockDevice } from '../../disk/device.ts';
import {
  createDifferencingVhdx,
  inspectDisk,
  mergeIntoParent,
  openDisk,
  resizeVhdx,
  setVhdxDiskId,
  setVhdxParent,
} from '../../disk/index.ts';
import { openUncached } from '../../support/direct-reads.ts';
import { HvError, isHvError } from '../../support/errors.ts';

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
  const info = await inspectDisk(path).catch((error: unknown) => {
    throw isHvError(error, 'DISK_FORMAT_UNKNOWN') ? noVhdx(path) : error;
  });
  const { format, diskId, size, logicalSectorSize, physicalSectorSize, blockSize, dataWriteGuid } = info;
  if (format !== 'vhdx' || diskId === null || dataWriteGuid === null) throw noVhdx(path);
  return { id: diskId, size, logicalSectorSize, physicalSectorSize, blockSize: blockSize ?? undefined, dataWriteGuid };
}

const noVhdx = (path: string): HvError =>
  new HvError('DISK_CORRUPT', `The disk of a VM is no VHDX file any more: ${path}`, {
    advice: 'Restore the disk from a backup.',
    data: { path },
  });

/** @param chain absolute paths, base first */
export function openFrozenChain(chain: string[]): Promise<BlockDevice> {
  const [top, ...parents] = chain.toReversed();
  return openDisk(top!, { parent: parents.length > 0 ? parents : null, opener: openUncached });
}

/**
 * Opens the top of a chain to write as the guest. Its DataWriteGuid is `guid` when this returns, durably: the caller
 * has noted it before.
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

/**
 * Copies what `child` holds into `parent`, which has `guid` as its DataWriteGuid in the end. Can be cut short and done
 * again; the chain reads the same all the time.
 */
export async function mergeChild(child: string, parent: string, guid: string): Promise<void> {
  await mergeIntoParent(child, { parent, dataWriteGuid: guid });
}

/** Writes into a differencing disk that `parent`, as it is now, is its parent. */
export const changeParent = (child: string, parent: string): Promise<void> => setVhdxParent(child, parent);

/** Makes a disk larger; its DataWriteGuid stays. @throws NOT_SUPPORTED for a smaller size */
export const growDisk = (path: string, size: number): Promise<void> =>
  resizeVhdx(path, size, { keepDataWriteGuid: true });

/** Gives a disk file this virtual disk id (page 83). Durable when it returns. */
export async function setDiskId(path: string, id: string): Promise<void> {
  if ((await inspectDisk(path)).diskId !== id) await setVhdxDiskId(path, id);
}
