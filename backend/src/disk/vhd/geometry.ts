/** The cylinder, head and sector numbers that old guests see ("Appendix: CHS Calculation"). */
import { SECTOR } from './format/constants.ts';
import type { DiskGeometry } from './format/footer.ts';

const MAX_CYLINDERS = 65_535;
const MAX_HEADS = 16;
/** Above this a cylinder number would not fit ten bits, what the oldest BIOS interface has. */
const OLD_CYLINDERS = 1024;

/**
 * The largest geometry not above `size` by the specification's rule; its product is at most the number of sectors, and
 * for disks above 127.5 GiB the largest there is.
 * @param size bytes
 */
export function geometryOf(size: number): DiskGeometry {
  const total = Math.min(Math.floor(size / SECTOR), MAX_CYLINDERS * MAX_HEADS * 255);
  if (total >= MAX_CYLINDERS * MAX_HEADS * 63) return geometry(total, MAX_HEADS, 255);
  const tracks = Math.floor(total / 17);
  const heads = Math.max(4, Math.ceil(tracks / OLD_CYLINDERS));
  if (heads <= MAX_HEADS && tracks < heads * OLD_CYLINDERS) return geometry(total, heads, 17);
  if (Math.floor(total / 31) < MAX_HEADS * OLD_CYLINDERS) return geometry(total, MAX_HEADS, 31);
  return geometry(total, MAX_HEADS, 63);
}

const geometry = (total: number, heads: number, sectorsPerTrack: number): DiskGeometry => ({
  cylinders: Math.floor(Math.floor(total / sectorsPerTrack) / heads),
  heads,
  sectorsPerTrack,
});
