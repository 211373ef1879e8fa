/** Images that are mostly holes: a hole is known to be zeros, reading it by the 10 GiB is what takes the time. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { hasTool, tool } from './tools.ts';

const ZEROS = Buffer.alloc(4 << 20);
/** Below this, asking where the holes are takes longer than reading them. */
const WORTH_ASKING = 256 << 20;

interface Extent {
  start: number;
  length: number;
  data: boolean;
}

/** SHA-256 of a file, 64 hex digits. */
export async function sha256File(path: string): Promise<string> {
  const { size } = await stat(path);
  const extents: Extent[] =
    size >= WORTH_ASKING && hasTool('qemu-img')
      ? JSON.parse(tool('qemu-img', 'map', '-f', 'raw', '--output=json', path))
      : [{ start: 0, length: size, data: true }];
  const hash = createHash('sha256');
  let at = 0;
  for (const { start, length, data } of extents) {
    if (start !== at) throw new Error(`qemu-img map leaves a gap at ${at}: ${path}`);
    // It counts in whole sectors, the file may end before.
    const end = Math.min(start + length, size);
    if (data && end > at) {
      for await (const chunk of createReadStream(path, { start: at, end: end - 1, highWaterMark: ZEROS.length }))
        hash.update(chunk as Buffer);
    } else for (; at < end; at += ZEROS.length) hash.update(ZEROS.subarray(0, Math.min(ZEROS.length, end - at)));
    at = end;
  }
  if (at !== size) throw new Error(`qemu-img map ends at ${at} of ${size}: ${path}`);
  return hash.digest('hex');
}

/**
 * Throws unless qemu-img reads from `image` what the raw file holds. Made raw first: comparing a VHDX with a raw file
 * it reads both from end to end, two raw files only where one has data.
 */
export async function requireSameContent(image: string, raw: string, format?: string): Promise<void> {
  const converted = `${image}.converted`;
  try {
    tool('qemu-img', 'convert', ...(format ? ['-f', format] : []), '-O', 'raw', image, converted);
    const [ours, theirs] = [(await stat(raw)).size, (await stat(converted)).size];
    if (ours !== theirs) throw new Error(`${image}: ${theirs} bytes, ${raw}: ${ours} bytes`);
    tool('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', converted, raw);
  } finally {
    await rm(converted, { force: true });
  }
}
