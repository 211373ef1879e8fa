/**
 * What changed between two contents of one repository, to the page: blocks that differ are read from both and compared.
 */

import type { ContentReader, ContentRef } from '../../repository/port/contents.ts';
import type { Repository } from '../../repository/port/repository.ts';
import { throwIfCancelled } from '../../support/errors.ts';

/** What is compared at once: small enough for the writer to find it still in the reader's cache. Bytes */
const WINDOW = 8 * 1024 * 1024;
const PIECE = 1024 * 1024;
/** Finer than the page of any repository gains nothing. Bytes */
const GRAIN = 4096;

interface Range {
  offset: number;
  length: number;
}

export interface ChangedWindow {
  /** Changed bytes, ascending, coalesced; none begins before those of earlier windows end. */
  ranges: Range[];
  /** Whole blocks of the target up to here are done with; bytes. */
  end: number;
  /** Bytes of `content` that were read for it. */
  readBytes: number;
}

/**
 * @param base of the same size as the reader's content
 * @param blockSize of the target: no block is cut by the end of a window
 */
export async function* changedWindows(
  from: Repository,
  base: ContentRef,
  reader: ContentReader,
  blockSize: number,
  signal?: AbortSignal,
): AsyncGenerator<ChangedWindow> {
  const before = await from.openContent(base);
  try {
    const buffers = [Buffer.alloc(PIECE), Buffer.alloc(PIECE)] as const;
    let ranges: Range[] = [];
    let readBytes = 0;
    for await (const { offset, length } of from.differences(base, reader.ref)) {
      for (let at = offset; at < offset + length; at += PIECE) {
        throwIfCancelled(signal);
        const size = Math.min(PIECE, offset + length - at);
        const [old, now] = [buffers[0].subarray(0, size), buffers[1].subarray(0, size)];
        await Promise.all([before.read(at, old), reader.read(at, now)]);
        collect(ranges, at, old, now);
        readBytes += size;
        if (readBytes < WINDOW) continue;
        const end = Math.floor((at + size) / blockSize) * blockSize;
        const [done, rest] = cut(ranges, end);
        yield { ranges: done, end, readBytes };
        ranges = rest;
        readBytes = 0;
      }
    }
    yield { ranges, end: reader.size, readBytes };
  } finally {
    await before.close();
  }
}

/** Adds what differs of a piece at `offset`. */
function collect(ranges: Range[], offset: number, old: Buffer, now: Buffer): void {
  for (let at = 0; at < now.length; at += GRAIN) {
    const end = Math.min(at + GRAIN, now.length);
    if (old.compare(now, at, end, at, end) === 0) continue;
    const last = ranges.at(-1);
    if (last !== undefined && last.offset + last.length === offset + at) last.length += end - at;
    else ranges.push({ offset: offset + at, length: end - at });
  }
}

/** What lies before `end`, and the rest. */
function cut(ranges: readonly Range[], end: number): [Range[], Range[]] {
  const before: Range[] = [];
  const behind: Range[] = [];
  for (const { offset, length } of ranges) {
    const stop = offset + length;
    if (offset < end) before.push({ offset, length: Math.min(stop, end) - offset });
    if (stop > end) behind.push({ offset: Math.max(offset, end), length: stop - Math.max(offset, end) });
  }
  return [before, behind];
}
