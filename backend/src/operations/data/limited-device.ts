/** A disk that is read within a rate. */
import type { BlockDevice } from '../../disk/device.ts';
import type { RateLimiter } from '../../support/rate-limiter.ts';

/** @param limiter the device itself is returned when absent */
export function limitedDevice(
  device: BlockDevice,
  limiter: RateLimiter | undefined,
  signal?: AbortSignal,
): BlockDevice {
  if (limiter === undefined) return device;
  return {
    size: device.size,
    logicalSectorSize: device.logicalSectorSize,
    physicalSectorSize: device.physicalSectorSize,
    read: (offset, target) =>
      limiter.pieces(target.length, (at, length) => device.read(offset + at, target.subarray(at, at + length)), signal),
    extents: (offset, length) => device.extents(offset, length),
    close: () => device.close(),
  };
}
