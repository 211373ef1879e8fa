/** A disk that is read within a rate. */
import type { BlockDevice } from '../../disk/device.ts';
import { wrapDevice } from '../../disk/index.ts';
import type { RateLimiter } from '../../support/rate-limiter.ts';

/** @param limiter the device itself is returned when absent */
export function limitedDevice(
  device: BlockDevice,
  limiter: RateLimiter | undefined,
  signal?: AbortSignal,
): BlockDevice {
  if (limiter === undefined) return device;
  return wrapDevice(device, {
    read: (offset, target) =>
      limiter.pieces(target.length, (at, length) => device.read(offset + at, target.subarray(at, at + length)), signal),
  });
}
