/**
 * Heals a restore point that two repositories have: what the one has lost of its contents is read from the other and
 * stored again, under the same ids. Contents are compared by what they hold, so block sizes and keys of the two may
 * differ.
 */

import type { ContentRef } from '../../repository/port/contents.ts';
import type { Repository } from '../../repository/port/repository.ts';
import type { WriteSession } from '../../repository/port/writing.ts';
import { HvError, isHvError, throwIfCancelled } from '../../support/errors.ts';
import { LossReport, usesOf } from '../points/losses.ts';
import { copyContent } from './copy-content.ts';
import type { CopiedPoint, PointCopier } from './copy-point.ts';

interface Range {
  offset: number;
  length: number;
}

/** A content of the target that has lost something, and what it is in the source. */
interface Loss {
  source: ContentRef;
  target: ContentRef;
  ranges: readonly Range[];
  /** There are more than these. */
  isPart: boolean;
}

export interface HealedPoint {
  readBytes: number;
  newBytes: number;
  /** Bytes that the source has lost as well. */
  leftBytes: number;
}

/** @returns null when nothing of it is lost, as far as that is known */
export async function healPoint(copier: PointCopier, { source, target }: CopiedPoint): Promise<HealedPoint | null> {
  const { to, compression, context } = copier;
  const losses = await lossesOf(to, { source, target });
  if (losses.length === 0) return null;
  const result: HealedPoint = { readBytes: 0, newBytes: 0, leftBytes: 0 };
  const owner = `healing of ${target.body.vm.name}`;
  const session = await to.beginSession({ compression, owner, signal: context.signal, warn: context.warn });
  try {
    for (const loss of losses) {
      const done = await healContent(copier, session, loss);
      result.readBytes += done.readBytes;
      result.newBytes += done.newBytes;
      result.leftBytes += done.leftBytes;
    }
    await session.keep();
  } finally {
    await session.close();
  }
  return result;
}

async function lossesOf(to: Repository, { source, target }: CopiedPoint): Promise<Loss[]> {
  const uses = usesOf(target);
  const others = usesOf(source);
  const report = new LossReport(uses);
  await to.losses(
    uses.map(({ content }) => content),
    { onLoss: report.add },
  );
  return report.result.losses.flatMap(({ disk, configuration, ranges, moreRanges }) => {
    const isIt = (use: { disk?: number; configuration?: string }) =>
      use.disk === disk && use.configuration === configuration;
    const here = uses.find(isIt)?.content;
    const there = others.find(isIt)?.content;
    const same = here && there && here.size === there.size;
    return same ? [{ source: there, target: here, ranges, isPart: moreRanges > 0 }] : [];
  });
}

/**
 * What is lost alone where its block map can be read; else all of it is handed in again, and what is there is not
 * stored twice.
 */
async function healContent(copier: PointCopier, session: WriteSession, loss: Loss): Promise<HealedPoint> {
  if (!loss.isPart)
    try {
      return await healRanges(copier, session, loss);
    } catch (error) {
      if (!isHvError(error, 'REPOSITORY_DAMAGED')) throw error;
    }
  const { from, to, context } = copier;
  try {
    const { ref, stats, readBytes } = await copyContent(from, session, to.blockSize, loss.source, null, {
      signal: context.signal,
    });
    requireSame(ref, loss.target);
    return { readBytes, newBytes: stats.newBytes, leftBytes: 0 };
  } catch (error) {
    if (!isHvError(error, 'REPOSITORY_DAMAGED')) throw error;
    const leftBytes = loss.ranges.reduce((sum, { length }) => sum + length, 0);
    return { readBytes: 0, newBytes: 0, leftBytes };
  }
}

async function healRanges({ from, to, context }: PointCopier, session: WriteSession, loss: Loss): Promise<HealedPoint> {
  const { blockSize } = to;
  const { size } = loss.target;
  const result: HealedPoint = { readBytes: 0, newBytes: 0, leftBytes: 0 };
  const reader = await from.openContent(loss.source);
  const writer = await session.openContent(size, loss.target);
  try {
    for (const { offset, length } of loss.ranges)
      for (let block = Math.floor(offset / blockSize); block * blockSize < offset + length; block++) {
        throwIfCancelled(context.signal);
        const at = block * blockSize;
        const data = Buffer.alloc(Math.min(blockSize, size - at));
        try {
          await reader.read(at, data);
        } catch (error) {
          if (!isHvError(error, 'REPOSITORY_DAMAGED')) throw error;
          result.leftBytes += data.length;
          continue;
        }
        await writer.write([block], async (buffer) => void data.copy(buffer.fill(0)));
        result.readBytes += data.length;
      }
    const { ref, stats } = await writer.finish();
    requireSame(ref, loss.target);
    result.newBytes += stats.newBytes;
    return result;
  } finally {
    await writer.drain();
    await reader.close();
  }
}

/**
 * Equal contents have equal references (docs/format.md §4): anything else is another content under the id of this
 * restore point.
 */
function requireSame(found: ContentRef, wanted: ContentRef): void {
  if (found.root === wanted.root && found.size === wanted.size) return;
  throw new HvError('REPOSITORY_DAMAGED', 'The restore points of this id do not hold the same in both repositories', {
    advice: 'Remove one of the two, and copy the other.',
    data: { object: 'content', path: 'packs', id: wanted.root },
  });
}
