/** Errors of virtual disk images: always the file, and the offset in it where one is known. */
import { HvError, hex } from '../support/errors.ts';

/** The image breaks its format. @param offset file offset of the field at fault, bytes */
export function corrupt(path: string, what: string, offset?: number, data: Record<string, unknown> = {}): HvError {
  const where = offset === undefined ? '' : ` at ${hex(offset)}`;
  return new HvError('DISK_CORRUPT', `The virtual disk is damaged: ${what}${where}: ${path}`, {
    advice: 'Restore the file from a backup, or repair it with the program that wrote it.',
    data: { path, ...(offset === undefined ? {} : { offset }), ...data },
  });
}

/** The image is sound as far as is known, but needs something this program does not do. */
export function unsupported(path: string, what: string, data: Record<string, unknown> = {}): HvError {
  return new HvError('DISK_UNSUPPORTED', `The virtual disk cannot be used: ${what}: ${path}`, {
    advice: 'Convert it to VHDX with the program that wrote it (Convert-VHD on Hyper-V, qemu-img elsewhere).',
    data: { path, ...data },
  });
}

/** A range that leaves the device. */
export function outOfRange(path: string, offset: number, length: number, size: number): HvError {
  return new HvError(
    'DISK_OUT_OF_RANGE',
    `The range of ${length} bytes at ${offset} leaves the disk of ${size} bytes: ${path}`,
    { advice: 'Stay within the size of the disk.', data: { path, offset, length, size } },
  );
}

/** What the creator of an image is asked for is impossible. */
export function badGeometry(what: string, data: Record<string, unknown>): HvError {
  return new HvError('USAGE', `Such a virtual disk cannot exist: ${what}.`, {
    advice: 'Choose another size.',
    data,
  });
}
