/** Sets of blocks as ascending runs: the shape in which change queries and allocation tables become reads. */

/** Blocks [first, first + count). */
export interface BlockRun {
  first: number;
  count: number;
}

/**
 * Rounds byte ranges out to blocks and joins what touches. Ranges may come unsorted and overlap.
 * @param size bytes of the disk; parts of ranges beyond it are dropped
 */
export function blockRuns(
  ranges: readonly { offset: number; length: number }[],
  blockSize: number,
  size: number,
): BlockRun[] {
  const sorted = ranges.every((range, i) => i === 0 || range.offset >= ranges[i - 1]!.offset)
    ? ranges
    : ranges.toSorted((a, b) => a.offset - b.offset);
  const runs: BlockRun[] = [];
  let last: BlockRun | null = null;
  for (const { offset, length } of sorted) {
    const stop = Math.min(offset + length, size);
    if (stop <= offset) continue;
    const first = Math.floor(offset / blockSize);
    const end = Math.ceil(stop / blockSize);
    if (last !== null && first <= last.first + last.count) {
      last.count = Math.max(last.count, end - last.first);
    } else {
      last = { first, count: end - first };
      runs.push(last);
    }
  }
  return runs;
}

/** Bytes that the runs cover on a disk of `size` bytes: the last block may be short. */
export function runBytes(runs: readonly BlockRun[], blockSize: number, size: number): number {
  let bytes = 0;
  for (const { first, count } of runs) bytes += Math.min((first + count) * blockSize, size) - first * blockSize;
  return bytes;
}
