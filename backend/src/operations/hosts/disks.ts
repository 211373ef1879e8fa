/** Looking at a disk image file. */
import { resolve } from 'node:path';
import { checkChain, checkDisk, type DiskInfo, inspectDisk } from '../../disk/index.ts';
import type { DiskCheckParams, DiskCheckResult, DiskInfoParams, DiskInfoResult } from '../../schema/disk.ts';
import { openUncached } from '../../support/direct-reads.ts';
import { isHvError } from '../../support/errors.ts';
import type { OperationContext } from '../../support/progress.ts';

/** Reads headers and the allocation table, whatever the size of the image. Parents are named, not opened. */
export async function diskInfo(params: DiskInfoParams, _context: OperationContext): Promise<DiskInfoResult> {
  const info = await inspectDisk(resolve(params.file), { allocated: true, opener: openUncached });
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
    notes: notes(info),
  };
}

/**
 * Lists everything that is wrong with the structure of an image, and with the parents that a differencing one needs.
 * Content is not compared with anything.
 */
export async function diskCheck(params: DiskCheckParams, _context: OperationContext): Promise<DiskCheckResult> {
  const file = resolve(params.file);
  const own = await checkDisk(file);
  // Of an image that is damaged itself it is unknown what it was made over.
  const parents = params.parents?.map((parent) => resolve(parent));
  const { chain, problems } = own.length > 0 ? { chain: [], problems: own } : await checkChain(file, parents);
  const format = await formatOf(file);
  return { file, format, ok: problems.length === 0, problems, ...(chain.length > 0 ? { chain } : {}) };
}

/** An image that is too damaged to be described still has a format. */
async function formatOf(file: string): Promise<DiskInfo['format']> {
  try {
    return (await inspectDisk(file)).format;
  } catch (error) {
    if (isHvError(error, 'DISK_CORRUPT', 'DISK_UNSUPPORTED', 'DISK_FORMAT_UNKNOWN'))
      return /\.a?vhd$/i.test(file) ? 'vhd' : 'vhdx';
    throw error;
  }
}

function parentPaths({ parent }: DiskInfo): string[] | undefined {
  if (parent === null) return undefined;
  return [parent.relativePath, parent.volumePath, parent.absolutePath].filter((path) => path !== undefined);
}

function notes(info: DiskInfo): string[] | undefined {
  const found = [...(info.notes ?? [])];
  if (info.log === 'dirty') found.push('The log holds changes; they are replayed in memory when the disk is read.');
  return found.length > 0 ? found : undefined;
}
