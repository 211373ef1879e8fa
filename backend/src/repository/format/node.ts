/** Nodes of a block map (docs/format.md §4): up to 256 children, absent ones are zeros. */
import { damaged } from '../errors.ts';
import { FAN_OUT, ID_LENGTH, MAX_HEIGHT, NODE_HEADER_LENGTH } from './constants.ts';

const BITMAP_AT = 4;

/** A node in memory: all 256 places, so that a child is found by its number. */
export interface TreeNode {
  /** 1: children are blocks. */
  level: number;
  /** 256 × 32 bytes; what belongs to absent children is undefined. */
  ids: Buffer;
  /** 1 where the child is present. */
  present: Uint8Array;
}

export const emptyNode = (level: number): TreeNode => ({
  level,
  ids: Buffer.alloc(FAN_OUT * ID_LENGTH),
  present: new Uint8Array(FAN_OUT),
});

export const isEmpty = (node: TreeNode): boolean => !node.present.includes(1);

/** The id of child `slot`, or null; a view, valid until the node changes. */
export const childId = (node: TreeNode, slot: number): Buffer | null =>
  node.present[slot] ? node.ids.subarray(slot * ID_LENGTH, (slot + 1) * ID_LENGTH) : null;

/** @returns whether anything changed */
export function setChild(node: TreeNode, slot: number, id: Uint8Array | null): boolean {
  const old = childId(node, slot);
  if (id === null) {
    node.present[slot] = 0;
    return old !== null;
  }
  if (old?.equals(id)) return false;
  node.present[slot] = 1;
  node.ids.set(id, slot * ID_LENGTH);
  return true;
}

export function renderNode(node: TreeNode): Buffer {
  let count = 0;
  for (let slot = 0; slot < FAN_OUT; slot++) count += node.present[slot]!;
  const out = Buffer.alloc(NODE_HEADER_LENGTH + count * ID_LENGTH);
  out[0] = node.level;
  out.writeUInt16LE(count, 2);
  let at = NODE_HEADER_LENGTH;
  for (let slot = 0; slot < FAN_OUT; slot++) {
    if (!node.present[slot]) continue;
    out[BITMAP_AT + (slot >> 3)]! |= 1 << (slot & 7);
    node.ids.copy(out, at, slot * ID_LENGTH, (slot + 1) * ID_LENGTH);
    at += ID_LENGTH;
  }
  return out;
}

/**
 * @param level that its parent or the content reference says it has
 * @param node takes it, of that level and no longer in use. @throws REPOSITORY_DAMAGED
 */
export function parseNode(
  bytes: Buffer,
  level: number,
  path: string,
  offset: number,
  node: TreeNode = emptyNode(level),
): TreeNode {
  node.present.fill(0);
  const count = bytes.length >= NODE_HEADER_LENGTH ? bytes.readUInt16LE(2) : 0;
  const fine = bytes[0] === level && level >= 1 && level <= MAX_HEIGHT && count >= 1 && count <= FAN_OUT;
  if (!fine || bytes.length !== NODE_HEADER_LENGTH + count * ID_LENGTH)
    throw damaged('node', path, `this is not a node of level ${level}`, { offset });
  let at = NODE_HEADER_LENGTH;
  for (let slot = 0; slot < FAN_OUT; slot++) {
    if (!(bytes[BITMAP_AT + (slot >> 3)]! & (1 << (slot & 7)))) continue;
    if (at >= bytes.length) throw damaged('node', path, 'its bitmap has more children than it lists', { offset });
    bytes.copy(node.ids, slot * ID_LENGTH, at, at + ID_LENGTH);
    node.present[slot] = 1;
    at += ID_LENGTH;
  }
  if (at !== bytes.length) throw damaged('node', path, 'its bitmap has fewer children than it lists', { offset });
  return node;
}

/** Levels a content of `blocks` blocks has: least h with 256^h ≥ blocks. */
export function heightFor(blocks: number): number {
  let height = 0;
  for (let covered = 1; covered < blocks; covered *= FAN_OUT) height += 1;
  return height;
}
