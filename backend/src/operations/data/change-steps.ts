/**
 * Changed ranges of a disk as what a backup does about them: blocks that changed whole, and blocks that changed in
 * part.
 */
import type { BlockPatch } from '../../repository/port/writing.ts';
import type { BlockRun } from './block-runs.ts';

/** Ascending, also from step to step. */
export type ChangeStep = { run: BlockRun } | { patches: BlockPatch[] };

/** Patches of one step: many, so that they are read side by side, but not all. */
const MAX_PATCHES = 512;
/**
 * From so many bytes on, blocks that changed whole are a run: parts of it that the disk knows to be zero are not read.
 */
const MIN_RUN_BYTES = 4 * 1024 * 1024;

interface Range {
  offset: number;
  length: number;
}

/**
 * @param ranges changed bytes; may come unsorted and overlap
 * @param whole further blocks that are read whole, ascending
 * @param size bytes of the disk; what lies beyond is left out
 */
export function* changeSteps(
  ranges: readonly Range[],
  whole: readonly number[],
  blockSize: number,
  size: number,
): Generator<ChangeStep> {
  const asRanges = whole.map((block) => ({ offset: block * blockSize, length: blockSize }));
  let patches: { index: number; ranges: Range[] }[] = [];
  for (const { offset, length } of joined([...ranges, ...asRanges], size)) {
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const index = Math.floor(at / blockSize);
      const count = at === index * blockSize ? Math.floor((end - at) / blockSize) : 0;
      if (count * blockSize >= MIN_RUN_BYTES) {
        if (patches.length > 0) yield { patches };
        patches = [];
        yield { run: { first: index, count } };
        at += count * blockSize;
        continue;
      }
      const stop = Math.min(end, (index + 1) * blockSize);
      const range = { offset: at, length: stop - at };
      const last = patches.at(-1);
      at = stop;
      if (last?.index === index) {
        last.ranges.push(range);
        continue;
      }
      if (patches.length === MAX_PATCHES) {
        yield { patches };
        patches = [];
      }
      patches.push({ index, ranges: [range] });
    }
  }
  if (patches.length > 0) yield { patches };
}

/** Sorted, cut to the disk, with what touches or overlaps put together. */
function* joined(ranges: readonly Range[], size: number): Generator<Range> {
  const isSorted = ranges.every((range, i) => i === 0 || range.offset >= ranges[i - 1]!.offset);
  let last: Range | null = null;
  for (const { offset, length } of isSorted ? ranges : ranges.toSorted((a, b) => a.offset - b.offset)) {
    const end = Math.min(offset + length, size);
    if (end <= offset) continue;
    if (last !== null && offset <= last.offset + last.length) {
      last.length = Math.max(last.length, end - last.offset);
      continue;
    }
    if (last !== null) yield last;
    last = { offset, length: end - offset };
  }
  if (last !== null) yield last;
}
