/** Contents copied between repositories of different block sizes, against plain arrays. */
import { afterEach, describe, expect, it } from 'vitest';
import { copyContent } from '../../../../backend/src/operations/copy/copy-content.ts';
import type { ContentRef } from '../../../../backend/src/repository/port/contents.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { ulid } from '../../../../backend/src/support/ulid.ts';
import { MemoryStorage } from '../../repository/support/memory-storage.ts';
import {
  backup,
  createMemoryRepository,
  GROUP,
  randomSource,
  readAll,
  sampleBytes,
} from '../../repository/support/model.ts';

const KIB = 1024;
const open: StoredRepository[] = [];
afterEach(async () => {
  for (const repository of open.splice(0)) await repository.close();
});

async function repositories(sourceBlock: number, targetBlock: number) {
  const from = await createMemoryRepository(new MemoryStorage(), { blockSize: sourceBlock });
  const to = await createMemoryRepository(new MemoryStorage(), { blockSize: targetBlock });
  open.push(from, to);
  const copy = async (content: ContentRef, base: { source: ContentRef; target: ContentRef } | null) => {
    const session = await to.beginSession();
    try {
      const done = await copyContent(from, session, to.blockSize, content, base, {});
      const manifest = { id: ulid(), group: GROUP, createdAt: new Date().toISOString(), body: null };
      await session.publish({ ...manifest, contents: [done.ref] });
      return done;
    } finally {
      await session.close();
    }
  };
  return { from, to, copy };
}

describe('contents copied', () => {
  it.each([
    [64, 64],
    [64, 256],
    [256, 64],
    [128, 1024],
  ])('from blocks of %i KiB to blocks of %i KiB, over what both have', async (sourceKib, targetKib) => {
    const { from, to, copy } = await repositories(sourceKib * KIB, targetKib * KIB);
    const random = randomSource(sourceKib + targetKib);
    const pick = (below: number) => Math.floor(random() * below);
    let disk = sampleBytes(9 * 1024 * KIB + 5 * 512, 1);
    disk.fill(0, 2_000_000, 4_500_000);
    let previous: { source: ContentRef; target: ContentRef } | null = null;
    for (let round = 0; round < 7; round++) {
      const { ref } = await backup(from, disk);
      const { ref: target, readBytes } = await copy(ref, round % 5 === 4 ? null : previous);
      expect((await readAll(to, target)).equals(disk)).toBe(true);
      expect(readBytes).toBeLessThanOrEqual(disk.length + 1024 * KIB);
      previous = { source: ref, target };
      disk = Buffer.from(disk);
      for (let i = pick(12); i >= 0; i--) {
        const offset = pick(disk.length);
        const length = Math.min(disk.length - offset, pick(2) === 0 ? 1 + pick(9000) : 1 + pick(600_000));
        if (pick(3) === 0) disk.fill(0, offset, offset + length);
        else sampleBytes(length + 4, round * 100 + i).copy(disk, offset, 0, length);
      }
    }
  });

  it('of scattered small changes grow the target by what changed, not by blocks', async () => {
    const { from, to, copy } = await repositories(256 * KIB, 256 * KIB);
    const disk = sampleBytes(32 * 1024 * KIB, 1);
    const first = await backup(from, disk);
    const copied = await copy(first.ref, null);
    const changed = Buffer.from(disk);
    for (let block = 0; block < 128; block += 2) sampleBytes(4096, block).copy(changed, block * 256 * KIB + 65536);
    const second = await backup(from, changed, { base: first.ref });
    const { ref, stats } = await copy(second.ref, { source: first.ref, target: copied.ref });
    expect((await readAll(to, ref)).equals(changed)).toBe(true);
    // 64 pages of 16 KiB and their page lists; the blocks would be 16 MiB.
    expect(stats.newBytes).toBeLessThan(2.5 * 1024 * KIB);
  });
});
