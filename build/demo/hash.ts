/** SHA-256 of whole disks: of image files, and of what a disk image presents. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { BlockDevice } from '../../backend/src/disk/device.ts';

const CHUNK = 4 * 1024 * 1024;

/** @returns 64 hex digits */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** @returns 64 hex digits */
export async function hashDevice(device: BlockDevice): Promise<string> {
  const hash = createHash('sha256');
  for (let offset = 0; offset < device.size; offset += CHUNK) {
    const buffer = Buffer.alloc(Math.min(CHUNK, device.size - offset));
    await device.read(offset, buffer);
    hash.update(buffer);
  }
  return hash.digest('hex');
}
