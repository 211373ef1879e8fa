/** Ascending runs the way a restore point gives them, and what the disk must be afterwards. */
import { randomBytes } from 'node:crypto';
import type { ImageWriter } from '../../../../backend/src/disk/device.ts';
import { below, pattern } from '../../../fuzz/random.ts';

/**
 * Writes random runs of zeros, noise, text and mixtures, of any alignment, with gaps. Every buffer is overwritten once
 * write() returned: writers must not hold on to it.
 * @param longest bytes of the longest run
 * @returns the content of the disk
 */
export async function writeRuns(
  writer: ImageWriter,
  size: number,
  random: () => number,
  longest: number,
): Promise<Buffer> {
  const model = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    if (random() < 0.3) at += below(random, longest * 2);
    const length = Math.min(size - at, 1 + below(random, longest));
    if (length <= 0) break;
    const data = content(random, length);
    await writer.write(at, data);
    data.copy(model, at);
    data.fill(0xaa);
    at += length;
  }
  return model;
}

function content(random: () => number, length: number): Buffer {
  switch (below(random, 5)) {
    case 0:
      return randomBytes(length);
    case 1:
      return Buffer.alloc(length);
    case 2:
      return Buffer.alloc(length, `line ${below(random, 1000)}\n`);
    case 3:
      return Buffer.concat([Buffer.alloc(length >> 1), pattern(below(random, 1000), length - (length >> 1))]);
    default:
      return Buffer.concat([randomBytes(length >> 1), Buffer.alloc(length - (length >> 1), below(random, 256))]);
  }
}
