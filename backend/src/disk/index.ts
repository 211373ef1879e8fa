/** Virtual disks: everything the other layers use. */
export { checkDisk } from './check.ts';
export { checkChain } from './check-chain.ts';
export { copyContent } from './copy.ts';
export type { BlockDevice, ChangedRange, Extent, ImageWriter, WritableBlockDevice } from './device.ts';
export { covers, type Difference, nextRange, openDifference } from './difference.ts';
export type { DiskFormat, DiskInfo, ParentInfo } from './info.ts';
export { type Disk, inspectDisk, type OpenOptions, openDisk, type WritableDisk } from './open.ts';
export type { ParentResolver } from './parent.ts';
export { parentsAmong } from './parents-among.ts';
export type { ImageProblem } from './problem.ts';
export { createQcow2Writer, type Qcow2WriterOptions } from './qcow2/stream-writer.ts';
export { createRawWriter } from './raw/stream-writer.ts';
export { createVhdWriter, type VhdWriterOptions } from './vhd/stream-writer.ts';
export {
  type CreateDifferencingOptions,
  type CreateVhdxOptions,
  createDifferencingVhdx,
  createVhdx,
} from './vhdx/create.ts';
export { createDifferencingVhdxWriter } from './vhdx/differencing-writer.ts';
export { setVhdxDataWriteGuid, setVhdxDiskId, setVhdxParent } from './vhdx/identity.ts';
export type { InPlaceOptions } from './vhdx/in-place.ts';
export { type MergeOptions, mergeIntoParent } from './vhdx/merge.ts';
export { resizeVhdx } from './vhdx/resize.ts';
export { createVhdxWriter, type VhdxWriterOptions } from './vhdx/stream-writer.ts';
