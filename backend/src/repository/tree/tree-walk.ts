/** Reads block maps: the present blocks of a range in order, and the state of a single block. */

import { damaged } from '../errors.ts';
import { FAN_OUT, ID_LENGTH, MAX_HEIGHT } from '../format/constants.ts';
import { childId, heightFor, type TreeNode } from '../format/node.ts';
import type { ContentRef } from '../port/contents.ts';

/** Loads a node that the caller must not change. */
export type LoadNode = (id: Buffer, level: number) => Promise<TreeNode>;

/** Consecutive blocks that are present. */
export interface BlockRun {
  first: number;
  count: number;
  /** count × 32 bytes; a view, valid until the next iteration. */
  ids: Buffer;
}

/** What could not be read: `level` 0 a block, otherwise a node and all below it. */
export type OnMissing = (error: unknown, first: number, count: number) => void;

/** @throws REPOSITORY_DAMAGED when a reference cannot be right */
export function requireRef(ref: ContentRef, blockSize: number): { blocks: number; root: Buffer | null } {
  const blocks = Math.ceil(ref.size / blockSize);
  const rootFine = ref.root === null || /^[0-9a-f]{64}$/.test(ref.root);
  const fine = Number.isSafeInteger(ref.size) && ref.size >= 0 && ref.height <= MAX_HEIGHT && rootFine;
  if (!fine || ref.height !== heightFor(blocks) || (blocks === 0 && ref.root !== null))
    throw damaged('manifest', 'content reference', `size ${ref.size} and height ${ref.height} do not belong together`);
  return { blocks, root: ref.root === null ? null : Buffer.from(ref.root, 'hex') };
}

/**
 * Runs of present blocks within [from, to), ascending; a run lies in one leaf.
 * @param onMissing goes on after an unreadable node instead of throwing
 * @param skip leaves out a node and all below it
 */
export async function* walkBlocks(
  ref: ContentRef,
  blockSize: number,
  load: LoadNode,
  range: { from: number; to: number },
  onMissing?: OnMissing,
  skip?: (id: Buffer) => boolean,
): AsyncGenerator<BlockRun> {
  const { blocks, root } = requireRef(ref, blockSize);
  if (root === null || range.from >= Math.min(range.to, blocks)) return;
  if (ref.height === 0) yield { first: 0, count: 1, ids: root };
  else
    yield* walkNode(root, ref.height, 0, { ...range, to: Math.min(range.to, blocks), blocks }, load, onMissing, skip);
}

async function* walkNode(
  id: Buffer,
  level: number,
  number: number,
  range: { from: number; to: number; blocks: number },
  load: LoadNode,
  onMissing: OnMissing | undefined,
  skip: ((id: Buffer) => boolean) | undefined,
): AsyncGenerator<BlockRun> {
  const span = FAN_OUT ** level;
  let node: TreeNode;
  try {
    node = await load(id, level);
  } catch (error) {
    if (onMissing === undefined) throw error;
    const first = Math.max(range.from, number * span);
    onMissing(error, first, Math.min(range.to, (number + 1) * span) - first);
    return;
  }
  requireWithin(node, number, level, range.blocks, id);
  const step = span / FAN_OUT;
  const low = Math.max(0, Math.floor((range.from - number * span) / step));
  const high = Math.min(FAN_OUT, Math.ceil((range.to - number * span) / step));
  if (level === 1) {
    yield* leafRuns(node, number * FAN_OUT, low, high);
    return;
  }
  for (let slot = low; slot < high; slot++) {
    const child = childId(node, slot);
    if (child === null || skip?.(child)) continue;
    yield* walkNode(child, level - 1, number * FAN_OUT + slot, range, load, onMissing, skip);
  }
}

function* leafRuns(node: TreeNode, base: number, low: number, high: number): Generator<BlockRun> {
  for (let slot = low; slot < high; ) {
    if (!node.present[slot]) {
      slot += 1;
      continue;
    }
    let end = slot + 1;
    while (end < high && node.present[end]) end += 1;
    yield { first: base + slot, count: end - slot, ids: node.ids.subarray(slot * ID_LENGTH, end * ID_LENGTH) };
    slot = end;
  }
}

/** A tree must not have blocks beyond its content. */
function requireWithin(node: TreeNode, number: number, level: number, blocks: number, id: Buffer): void {
  const step = FAN_OUT ** (level - 1);
  const last = node.present.lastIndexOf(1);
  if (number * FAN_OUT * step + last * step < blocks) return;
  throw damaged('node', 'block map', 'it has blocks beyond the end of the content', { id: id.toString('hex') });
}
