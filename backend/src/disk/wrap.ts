/** A device that does some things in a way of its own. */
import type { BlockDevice } from './device.ts';

/**
 * @param own what it does instead of `device`; anything else, closing included, goes to that
 * @returns of the device's size and sectors
 */
export function wrapDevice(device: BlockDevice, own: Partial<BlockDevice>): BlockDevice {
  return {
    size: device.size,
    logicalSectorSize: device.logicalSectorSize,
    physicalSectorSize: device.physicalSectorSize,
    read: (offset, target) => device.read(offset, target),
    extents: (offset, length) => device.extents(offset, length),
    close: () => device.close(),
    ...own,
  };
}
