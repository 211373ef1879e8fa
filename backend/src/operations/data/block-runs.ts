/** Sets of blocks as ascending runs: the shape in which allocation tables become reads. */

/** Blocks [first, first + count). */
export interface BlockRun {
  first: number;
  count: number;
}

/** Bytes that the runs cover on a disk of `size` bytes: the last block may be short. */
export function runBytes(runs: readonly BlockRun[], blockSize: number, size: number): number {
  let bytes = 0;
  for (const { first, count } of runs) bytes += Math.min((first + count) * blockSize, size) - first * blockSize;
  return bytes;
}
