/** Whether a file system can hold an image: asked before the first byte is written, not found out hours later. */
import { statfs } from 'node:fs/promises';
import { HvError } from '../../support/errors.ts';
import { type FreeOptions, type Need, requireFree } from '../../support/free-space.ts';

/**
 * File systems with a limit that images meet, by the type that statfs(2) reports on Linux; other systems report none.
 */
const LARGEST_FILE: Record<number, { name: string; bytes: number }> = {
  19780: { name: 'FAT', bytes: 2 ** 32 - 1 }, // 0x4d44
  61267: { name: 'ext4', bytes: 2 ** 44 - 4096 }, // 0xef53, with its usual blocks of 4 KiB
};

export interface Image extends Need {
  path: string;
  /** Length the file will have, bytes, without the format's own structures. */
  fileBytes: number;
}

/**
 * @param directory exists
 * @throws FILE_TOO_LARGE with the limit, DISK_FULL with what is needed and what is free
 */
export async function requireRoom(directory: string, images: readonly Image[], options: FreeOptions): Promise<void> {
  const type = (await statfs(directory).catch(() => null))?.type;
  const limit = type === undefined ? undefined : LARGEST_FILE[type];
  const tooLarge = limit && images.find((image) => image.fileBytes > limit.bytes);
  if (tooLarge) {
    throw new HvError(
      'FILE_TOO_LARGE',
      `The image would be at least ${tooLarge.fileBytes} bytes long; a file on ${limit.name} can have ${limit.bytes}: ${tooLarge.path}`,
      {
        advice: 'Use another file system, or a format that leaves out what is empty (vhdx, qcow2).',
        data: { path: tooLarge.path, needed: tooLarge.fileBytes, limit: limit.bytes },
      },
    );
  }
  await requireFree(directory, images, options);
}
