/** The content of a disk into an image in the making. */
import { alignedMemory } from '../support/aligned-memory.ts';
import type { BlockDevice, ImageWriter } from './device.ts';

/** Bytes read at a time. */
const CHUNK = 4 << 20;

/**
 * Hands everything of `source` that may hold data to `writer`, in order; one piece is read while the one before is
 * written. Neither finishes nor aborts the writer, does not close the source. Memory: two pieces of 4 MiB.
 * @throws what reading or writing throws; nothing is under way any more then
 */
export async function copyContent(source: BlockDevice, writer: ImageWriter): Promise<void> {
  // In memory from which it can be written directly.
  const memory = alignedMemory(2 * CHUNK);
  const buffers = [Buffer.from(memory, 0, CHUNK), Buffer.from(memory, CHUNK, CHUNK)];
  let writing = Promise.resolve();
  let turn = 0;
  try {
    for await (const extent of source.extents()) {
      if (extent.kind === 'zero') continue;
      for (let done = 0; done < extent.length; done += CHUNK) {
        const piece = buffers[turn]!.subarray(0, Math.min(CHUNK, extent.length - done));
        turn = 1 - turn;
        await source.read(extent.offset + done, piece);
        await writing;
        writing = writer.write(extent.offset + done, piece);
        // Its failure is met at the next piece, or at the end.
        writing.catch(() => undefined);
      }
    }
  } finally {
    await writing;
  }
}
