/** Looking at a disk image file. */
import { resolve } from 'node:path';
import { type DiskInfo, inspectDisk, openDisk } from '../disk/index.ts';
import type { DiskCheckParams, DiskCheckResult, DiskInfoParams, DiskInfoResult } from '../schema/disk.ts';
import { HvError, isHvError } from '../support/errors.ts';
import type { OperationContext } from '../support/progress.ts';

/** Reads headers and the allocation table, whatever the size of the image. Parents are named, not opened. */
export async function diskInfo(params: DiskInfoParams, _context: OperationContext): Promise<DiskInfoResult> {
  const info = await inspectDisk(resolve(params.file), { allocated: true });
  return {
    file: resolve(info.path),
    format: info.format,
    type: info.kind === 'raw' ? 'fixed' : info.kind,
    size: info.size,
    fileSize: info.fileSize,
    allocatedBytes: info.allocatedBytes,
    logicalSectorSize: info.logicalSectorSize,
    physicalSectorSize: info.physicalSectorSize,
    blockSize: info.blockSize ?? undefined,
    id: info.diskId ?? undefined,
    creator: info.creator || undefined,
    logState: info.format === 'vhdx' ? (info.log === 'none' ? 'clean' : info.log) : 'none',
    parents: parentPaths(info),
    notes:
      info.log === 'dirty' ? ['The log holds changes; they are replayed in memory when the disk is read.'] : undefined,
  };
}

/** Walks the whole structure: whatever the reader refuses is a problem. Content is not compared with anything. */
export async function diskCheck(params: DiskCheckParams, context: OperationContext): Promise<DiskCheckResult> {
  const file = resolve(params.file);
  const { format } = await inspectDiskOrUnknown(file);
  const problems: DiskCheckResult['problems'] = [];
  try {
    const disk = await openDisk(file, { parent: null });
    try {
      for await (const extent of disk.extents()) {
        if (context.signal?.aborted) throw new HvError('CANCELLED', 'The operation was cancelled.');
        context.progress?.({ phase: 'check', doneBytes: extent.offset, totalBytes: disk.size });
      }
    } finally {
      await disk.close();
    }
  } catch (error) {
    if (!isHvError(error, 'DISK_CORRUPT', 'DISK_UNSUPPORTED')) throw error;
    const { offset } = error.data;
    problems.push({ message: error.message, ...(typeof offset === 'number' ? { offset } : {}) });
  }
  return { file, format, ok: problems.length === 0, problems };
}

/** A damaged image still has a format. */
async function inspectDiskOrUnknown(file: string): Promise<{ format: DiskInfo['format'] }> {
  try {
    return await inspectDisk(file);
  } catch (error) {
    if (isHvError(error, 'DISK_CORRUPT', 'DISK_UNSUPPORTED')) return { format: /\.vhd$/i.test(file) ? 'vhd' : 'vhdx' };
    throw error;
  }
}

function parentPaths({ parent }: DiskInfo): string[] | undefined {
  if (parent === null) return undefined;
  return [parent.relativePath, parent.volumePath, parent.absolutePath].filter((path) => path !== undefined);
}
