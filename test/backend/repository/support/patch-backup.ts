/** A backup of what changed, as changed block tracking tells it. */

import type { ContentRef } from '../../../../backend/src/repository/port/contents.ts';
import type { BlockPatch, ContentStats } from '../../../../backend/src/repository/port/writing.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { ulid } from '../../../../backend/src/support/ulid.ts';
import { GROUP, sha256 } from './model.ts';

export interface Range {
  offset: number;
  length: number;
}

/** Backs `disk` up over `base`, with what is in `ranges` as what changed. */
export async function patchBackup(
  repository: StoredRepository,
  disk: Buffer,
  base: ContentRef | undefined,
  ranges: readonly Range[],
): Promise<{ id: string; ref: ContentRef; stats: ContentStats; readBytes: number }> {
  const { blockSize } = repository;
  const byBlock = new Map<number, Range[]>();
  for (const { offset, length } of ranges.toSorted((a, b) => a.offset - b.offset))
    for (let at = offset; at < offset + length; ) {
      const index = Math.floor(at / blockSize);
      const end = Math.min(offset + length, (index + 1) * blockSize);
      byBlock.set(index, [...(byBlock.get(index) ?? []), { offset: at, length: end - at }]);
      at = end;
    }
  const patches: BlockPatch[] = [...byBlock].map(([index, parts]) => ({ index, ranges: parts }));
  let readBytes = 0;
  const session = await repository.beginSession();
  try {
    const writer = await session.openContent(disk.length, base);
    await writer.patch(patches, async (offset, target) => {
      readBytes += target.length;
      disk.copy(target, 0, offset, offset + target.length);
    });
    const { ref, stats } = await writer.finish();
    const id = ulid();
    const createdAt = new Date().toISOString();
    await session.publish({ id, group: GROUP, createdAt, contents: [ref], body: { sha256: sha256(disk) } });
    return { id, ref, stats, readBytes };
  } finally {
    await session.close();
  }
}
