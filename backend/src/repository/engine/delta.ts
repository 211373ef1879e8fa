/** Putting a delta and its base together (docs/format.md §2.3). */
import { copyBytes } from '../../support/copy-bytes.ts';
import type { BlockScheme } from '../format/block-scheme.ts';
import type { DecodedDelta, DecodedWhole } from './codec.ts';
import { sameEntry } from './page-list.ts';
import { clear } from './zeros.ts';

/**
 * Writes the block that `delta` says at `at` of `out`, whole pages. The base's content may lie there already.
 * @returns bytes written, or a sentence when the two do not belong together
 */
export function applyDelta(
  delta: DecodedDelta,
  base: Pick<DecodedWhole, 'list' | 'plain'>,
  scheme: BlockScheme,
  out: Buffer,
  at: number,
): number | string {
  const { pageSize } = scheme;
  const inPlace = base.plain.buffer === out.buffer && base.plain.byteOffset === out.byteOffset + at;
  for (const [page, source] of delta.pages.entries()) {
    const start = at + page * pageSize;
    const end = start + pageSize;
    if (source > 0) {
      copyBytes(delta.plain.subarray(source, source + pageSize), out, start);
    } else if (source === 0) {
      clear(out, start, end);
    } else {
      if (!sameEntry(delta.list, base.list, page)) return notOfBase(page);
      const from = Math.min(page * pageSize, base.plain.length);
      const to = Math.min(from + pageSize, base.plain.length);
      if (!inPlace) copyBytes(base.plain.subarray(from, to), out, start);
      clear(out, start + to - from, end);
    }
  }
  return delta.pages.length * pageSize;
}

/** Whether a delta fits its base, by their page lists alone. @returns a sentence when not */
export function fitsBase(delta: DecodedDelta, baseList: Buffer): string | null {
  for (const [page, source] of delta.pages.entries())
    if (source < 0 && !sameEntry(delta.list, baseList, page)) return notOfBase(page);
  return null;
}

const notOfBase = (page: number): string => `page ${page} of the delta is marked as that of its base, and is not`;
