/** Creating empty VHDX files: dynamic, fixed, differencing. */
import type { FileOpener } from '../../support/file.ts';
import { unsupported } from '../errors.ts';
import type { ParentInfo } from '../info.ts';
import { NewFile } from '../new-file.ts';
import { inspectDisk } from '../open.ts';
import { describeParentPath } from '../parent.ts';
import { allocateAll } from './bat-stream.ts';
import { type NewVhdxOptions, planVhdx, type VhdxPlan, writeSkeleton } from './skeleton.ts';

export interface CreateVhdxOptions extends NewVhdxOptions {
  /** All blocks allocated from the start (as holes where the file system has them). */
  fixed?: boolean;
  /** Makes it a differencing disk of a parent that is described instead of looked at. */
  parent?: ParentInfo;
  opener?: FileOpener;
}

/**
 * Creates an empty VHDX; the name appears when the file is complete and durable.
 * @throws FILE_EXISTS, USAGE for impossible sizes, DISK_FULL
 */
export async function createVhdx(path: string, options: CreateVhdxOptions): Promise<void> {
  await createFrom(path, planVhdx(options, { fixed: options.fixed, parent: options.parent }), options.opener);
}

async function createFrom(path: string, plan: VhdxPlan, opener?: FileOpener): Promise<void> {
  const target = await NewFile.create(path, opener);
  try {
    await writeSkeleton(target.file, plan);
    if (plan.fixed) await allocateAll(target.file, plan);
    await target.publish();
  } catch (error) {
    await target.abort();
    throw error;
  }
}

export interface CreateDifferencingOptions {
  /** Bytes; default 2 MiB, as Hyper-V. */
  blockSize?: number;
  /** Virtual size in bytes, not smaller than the parent's; default the parent's. */
  size?: number;
  /** Default the parent's: to the guest it stays the same disk. */
  diskId?: string;
  dataWriteGuid?: string;
  opener?: FileOpener;
}

/**
 * Creates an empty differencing disk (AVHDX) over a VHDX, which must not change from now on. Cheap for any size.
 * @throws FILE_EXISTS, FILE_NOT_FOUND, DISK_UNSUPPORTED when the parent is no VHDX
 */
export async function createDifferencingVhdx(
  path: string,
  parentPath: string,
  options: CreateDifferencingOptions = {},
): Promise<void> {
  await createFrom(path, await planDifferencing(path, parentPath, options), options.opener);
}

/** What a differencing disk over `parentPath` looks like. */
export async function planDifferencing(
  path: string,
  parentPath: string,
  options: CreateDifferencingOptions,
): Promise<VhdxPlan> {
  const parent = await inspectDisk(parentPath, { opener: options.opener });
  if (parent.dataWriteGuid === null) {
    throw unsupported(parentPath, 'only a VHDX can be the parent of a differencing VHDX');
  }
  const shape = {
    size: Math.max(parent.size, options.size ?? 0),
    blockSize: options.blockSize,
    logicalSectorSize: parent.logicalSectorSize,
    physicalSectorSize: parent.physicalSectorSize,
    diskId: options.diskId ?? parent.diskId ?? undefined,
    dataWriteGuid: options.dataWriteGuid,
  };
  return planVhdx(shape, { parent: { linkage: [parent.dataWriteGuid], ...describeParentPath(path, parentPath) } });
}
