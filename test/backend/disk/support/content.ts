/** Reading a whole device the way its users do. */
import { createHash } from 'node:crypto';
import type { BlockDevice } from '../../../../backend/src/disk/device.ts';

const STEP = 1 << 22;

/** SHA-256 of the whole content; zero extents are not read, only hashed. */
export async function contentHash(device: BlockDevice): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(STEP);
  const zeros = Buffer.alloc(STEP);
  let next = 0;
  for await (const extent of device.extents()) {
    if (extent.offset !== next || extent.length <= 0) throw new Error(`extents have a gap at ${next}`);
    next += extent.length;
    for (let at = 0; at < extent.length; at += STEP) {
      const part = Math.min(STEP, extent.length - at);
      if (extent.kind === 'data') await device.read(extent.offset + at, buffer.subarray(0, part));
      hash.update((extent.kind === 'data' ? buffer : zeros).subarray(0, part));
    }
  }
  if (next !== device.size) throw new Error(`extents end at ${next}, the device at ${device.size}`);
  return hash.digest('hex');
}

/** All bytes of a small device, read through its extents. */
export async function readAll(device: BlockDevice): Promise<Buffer> {
  const all = Buffer.alloc(device.size);
  for await (const extent of device.extents()) {
    if (extent.kind === 'data')
      await device.read(extent.offset, all.subarray(extent.offset, extent.offset + extent.length));
  }
  return all;
}
