/** Virtual disks: everything the other layers use. */
export { checkDisk } from './check.ts';
export { checkChain } from './check-chain.ts';
export { copyContent } from './copy.ts';
export type { BlockDevice, ImageWriter } from './device.ts';
export { covers, type Difference, nextRange, openDifference } from './difference.ts';
export type { DiskInfo, ParentInfo } from './info.ts';
export { type Disk, inspectDisk, type OpenOptions, openDisk, type WritableDisk } from './open.ts';

export { parentsAmong } from './parents-among.ts';

export { createQcow2Writer } from './qcow2/stream-writer.ts';
export { createRawWriter } from './raw/stream-writer.ts';
export { createVhdWriter } from './vhd/stream-writer.ts';
export {
  createDifferencingVhdx,
  createVhdx,
} from './vhdx/create.ts';
export { createDifferencingVhdxWriter } from './vhdx/differencing-writer.ts';
export { setVhdxDataWriteGuid, setVhdxDiskId, setVhdxParent } from './vhdx/identity.ts';

export { mergeIntoParent } from './vhdx/merge.ts';
export { resizeVhdx } from './vhdx/resize.ts';
export { createVhdxWriter } from './vhdx/stream-writer.ts';
export { wrapDevice } from './wrap.ts';
