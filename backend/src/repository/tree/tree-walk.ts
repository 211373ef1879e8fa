/** Reads block maps: the present blocks of a range in order, and the state of a single block. */
import { FAN_OUT, ID_LENGTH } from '../format/constants.ts';
import type { ContentRef } from '../port/contents.ts';
import { type BlockRange, type Leaf, type LoadNode, leaves, type NodeVisitor, requireRef } from './visit.ts';

/** Consecutive blocks that are present. */
export interface BlockRun {
  first: number;
  count: number;
  /** count × 32 bytes; a view, valid until the next iteration. */
  ids: Buffer;
}

/** What could not be read: `level` 0 a block, otherwise a node and all below it. */
export type OnMissing = (error: unknown, first: number, count: number) => void;

/**
 * Runs of present blocks within [from, to), ascending; a run lies in one leaf.
 * @param onMissing goes on after an unreadable node instead of throwing
 * @param skip leaves out a node and all below it
 */
export async function* walkBlocks(
  ref: ContentRef,
  blockSize: number,
  load: LoadNode,
  range: BlockRange,
  onMissing?: OnMissing,
  skip?: (id: Buffer) => boolean,
): AsyncGenerator<BlockRun> {
  const { blocks, root } = requireRef(ref, blockSize);
  const { from } = range;
  const to = Math.min(range.to, blocks);
  if (root === null || from >= to) return;
  if (ref.height === 0) {
    yield { first: 0, count: 1, ids: root };
    return;
  }
  const visitor: NodeVisitor = {
    enter: async (id, level) => (skip?.(id) ? null : load(id, level)),
    missing:
      onMissing &&
      ((error, _id, level, first) => {
        const start = Math.max(from, first);
        onMissing(error, start, Math.min(to, first + FAN_OUT ** level) - start);
      }),
  };
  for await (const leaf of leaves(root, ref.height, blocks, visitor, { from, to })) yield* leafRuns(leaf);
}

function* leafRuns({ node, first, low, high }: Leaf): Generator<BlockRun> {
  for (let slot = low; slot < high; ) {
    if (!node.present[slot]) {
      slot += 1;
      continue;
    }
    let end = slot + 1;
    while (end < high && node.present[end]) end += 1;
    yield { first: first + slot, count: end - slot, ids: node.ids.subarray(slot * ID_LENGTH, end * ID_LENGTH) };
    slot = end;
  }
}
