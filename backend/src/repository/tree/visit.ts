/**
 * The one walk through block maps (docs/format.md §4). It goes no deeper than a content reference says, refuses blocks
 * beyond the end of the content, and allocates nothing for a block: there are millions.
 */
import { damaged } from '../errors.ts';
import { FAN_OUT, ID_LENGTH, MAX_HEIGHT } from '../format/constants.ts';
import { childId, heightFor, type TreeNode } from '../format/node.ts';
import type { ContentRef } from '../port/contents.ts';

/** Loads a node that the caller must not change. */
export type LoadNode = (id: Buffer, level: number) => Promise<TreeNode>;

/** What a walk does with nodes. `level` 1: its children are blocks; `first`: number of the first block below it. */
export interface NodeVisitor {
  /** Gives the node, unchanged until it is left; null leaves it out with all below it. */
  enter(id: Buffer, level: number, first: number): Promise<TreeNode | null>;
  /** Everything below it has been visited. */
  leave?(id: Buffer, level: number, first: number): Promise<void> | void;
  /**
   * Enter threw, or the node cannot be part of this content: the walk goes on beside it. Without this callback the walk
   * ends with the error.
   */
  missing?(error: unknown, id: Buffer, level: number, first: number): Promise<void> | void;
}

export interface TreeVisitor extends NodeVisitor {
  /** Takes the id at byte `at`, valid during the call; the walk waits for what it returns. @param block its number */
  block(ids: Buffer, at: number, block: number): Promise<void> | undefined | void;
}

/** Block numbers, `to` exclusive. */
export interface BlockRange {
  from: number;
  to: number;
}

/** A node of level 1 on the way; valid until the next one. Slots [low, high) lie in the range. */
export interface Leaf {
  node: TreeNode;
  /** Number of the block in slot 0. */
  first: number;
  low: number;
  high: number;
}

/** @throws REPOSITORY_DAMAGED when a reference cannot be right */
export function requireRef(ref: ContentRef, blockSize: number): { blocks: number; root: Buffer | null } {
  const blocks = Math.ceil(ref.size / blockSize);
  const rootFine = ref.root === null || /^[0-9a-f]{64}$/.test(ref.root);
  const fine = Number.isSafeInteger(ref.size) && ref.size >= 0 && ref.height <= MAX_HEIGHT && rootFine;
  if (!fine || ref.height !== heightFor(blocks) || (blocks === 0 && ref.root !== null))
    throw damaged('manifest', 'content reference', `size ${ref.size} and height ${ref.height} do not belong together`);
  return { blocks, root: ref.root === null ? null : Buffer.from(ref.root, 'hex') };
}

/** Visits all nodes and blocks of a content, in order, each as often as the map names it. @throws REPOSITORY_DAMAGED */
export async function visitTree(ref: ContentRef, blockSize: number, visitor: TreeVisitor): Promise<void> {
  const { blocks, root } = requireRef(ref, blockSize);
  if (root === null) return;
  if (ref.height === 0) {
    await visitor.block(root, 0, 0);
    return;
  }
  for await (const { node, first } of leaves(root, ref.height, blocks, visitor))
    for (let slot = 0; slot < FAN_OUT; slot++) {
      if (!node.present[slot]) continue;
      const waits = visitor.block(node.ids, slot * ID_LENGTH, first + slot);
      if (waits !== undefined) await waits;
    }
}

/** A node on the way from the root to a leaf. */
interface Step extends Leaf {
  id: Buffer;
  level: number;
  /** Blocks below one child. */
  span: number;
}

/**
 * The nodes of level 1 below `root`, ascending.
 * @param blocks of the whole content
 * @param range of the blocks that are wanted: what is not above one of them is not entered
 */
export async function* leaves(
  root: Buffer,
  height: number,
  blocks: number,
  visitor: NodeVisitor,
  range: BlockRange = { from: 0, to: blocks },
): AsyncGenerator<Leaf> {
  const path: Step[] = [];
  const enter = async (id: Buffer, level: number, first: number): Promise<void> => {
    try {
      const node = await visitor.enter(id, level, first);
      if (node !== null) path.push(stepInto(node, { id, level, first }, blocks, range));
    } catch (error) {
      if (visitor.missing === undefined) throw error;
      await visitor.missing(error, id, level, first);
    }
  };
  await enter(root, height, 0);
  for (let step = path.at(-1); step !== undefined; step = path.at(-1)) {
    if (step.level === 1) yield step;
    else {
      while (step.low < step.high && !step.node.present[step.low]) step.low += 1;
      const slot = step.low++;
      if (slot < step.high) {
        // A copy: a caller that keeps it must not keep the node.
        await enter(Buffer.from(childId(step.node, slot)!), step.level - 1, step.first + slot * step.span);
        continue;
      }
    }
    path.pop();
    await visitor.leave?.(step.id, step.level, step.first);
  }
}

/** @throws REPOSITORY_DAMAGED when the node names blocks beyond the end of the content */
function stepInto(
  node: TreeNode,
  { id, level, first }: { id: Buffer; level: number; first: number },
  blocks: number,
  range: BlockRange,
): Step {
  const span = FAN_OUT ** (level - 1);
  if (first + node.present.lastIndexOf(1) * span >= blocks)
    throw damaged('node', 'block map', 'it has blocks beyond the end of the content', { id: id.toString('hex') });
  const low = Math.max(0, Math.floor((range.from - first) / span));
  const high = Math.min(FAN_OUT, Math.ceil((range.to - first) / span));
  return { node, id, level, first, span, low, high };
}
