/**
 * A disk of which the host gave only what changed (a differential export). Blocks that changed in part may be asked for
 * whole: the rest of them is as the base has it.
 */
import type { BlockDevice, ByteSource, Extent } from '../../disk/device.ts';
import { covers, nextRange, wrapDevice } from '../../disk/index.ts';
import type { HostDisk } from '../../hosts/port.ts';
import { isHvError } from '../../support/errors.ts';

/** @param base content of the same size that the changes are over; closed by the caller */
export function overBase(disk: HostDisk, base: ByteSource): BlockDevice {
  const present = disk.present;
  if (!present) return disk;
  const fromBase = async (offset: number, target: Uint8Array): Promise<void> => {
    try {
      await base.read(offset, target);
    } catch (error) {
      if (isHvError(error, 'CANCELLED')) throw error;
      // Damaged there: the host has it, at a price.
      await disk.read(offset, target);
    }
  };
  return wrapDevice(disk, {
    read: async (offset, target) => {
      const end = offset + target.length;
      for (let at = offset; at < end; ) {
        const range = nextRange(present, at);
        const changed = range !== undefined && range.offset <= at;
        const stop = Math.min(end, range === undefined ? end : changed ? range.offset + range.length : range.offset);
        const part = target.subarray(at - offset, stop - offset);
        await (changed ? disk.read(at, part) : fromBase(at, part));
        at = stop;
      }
    },
    extents: async function* (offset = 0, length = disk.size - offset): AsyncGenerator<Extent> {
      if (covers(present, offset, length)) yield* disk.extents(offset, length);
      else if (length > 0) yield { offset, length, kind: 'data' };
    },
  });
}
