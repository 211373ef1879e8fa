/** Storing a small content from memory. */

import type { ContentRef } from '../../repository/port/contents.ts';
import type { ContentStats, WriteSession } from '../../repository/port/writing.ts';

/** @param blockSize of the repository that the session writes to */
export async function writeWhole(
  session: WriteSession,
  blockSize: number,
  data: Uint8Array,
): Promise<{ ref: ContentRef; stats: ContentStats }> {
  const writer = await session.openContent(data.length);
  const blocks = Math.ceil(data.length / blockSize);
  for (let block = 0; block < blocks; block += session.maxRun) {
    const indices = Array.from({ length: Math.min(session.maxRun, blocks - block) }, (_, i) => block + i);
    await writer.write(indices, async (buffer) => {
      const part = data.subarray(block * blockSize, (block + indices.length) * blockSize);
      buffer.set(part);
      buffer.fill(0, part.length);
    });
  }
  return writer.finish();
}
