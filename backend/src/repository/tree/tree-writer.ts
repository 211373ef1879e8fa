/**
 * Builds a block map from ascending changes, over a base or from nothing. Only the nodes on the way to what changed are
 * loaded and stored; memory is one node a level (docs/format.md §4).
 */
import { HvError } from '../../support/errors.ts';
import { FAN_OUT } from '../format/constants.ts';
import { childId, emptyNode, heightFor, isEmpty, setChild, type TreeNode } from '../format/node.ts';

export interface NodeStore {
  /** A copy of the node that the caller may change. */
  load(id: Buffer, level: number): Promise<TreeNode>;
  /** Stores the node unless it is there already. @returns its id */
  store(node: TreeNode): Promise<Buffer>;
}

interface OpenNode {
  node: TreeNode;
  /** Position among the nodes of its level. */
  number: number;
  changed: boolean;
}

export class TreeWriter {
  readonly height: number;
  readonly #store: NodeStore;
  /** By level, from 1. */
  readonly #path: (OpenNode | undefined)[] = [];
  #root: Buffer | null = null;

  private constructor(height: number, store: NodeStore) {
    this.height = height;
    this.#store = store;
  }

  /** @param blocks number of blocks of the content; @param base root and height to build over */
  static async open(
    blocks: number,
    store: NodeStore,
    base?: { height: number; root: Buffer | null },
  ): Promise<TreeWriter> {
    const writer = new TreeWriter(heightFor(blocks), store);
    if (base?.root) await writer.#adoptBase(base.height, base.root);
    return writer;
  }

  /** True when set(index) can be called; otherwise await open(index) first. */
  isOpen(index: number): boolean {
    return this.height === 0 || this.#path[1]?.number === Math.floor(index / FAN_OUT);
  }

  /** Loads the way to block `index`. Indices ascend. */
  async open(index: number): Promise<void> {
    if (this.height > 0) await this.#descend(index, 1, true);
  }

  /** Block `index` has this id; null: zeros. The id is copied. */
  set(index: number, id: Uint8Array | null): void {
    if (this.height === 0) {
      this.#root = id === null ? null : Buffer.from(id);
      return;
    }
    const leaf = this.#path[1]!;
    if (leaf.number !== Math.floor(index / FAN_OUT)) throw new HvError('INTERNAL', 'The block map is open elsewhere.');
    if (setChild(leaf.node, index % FAN_OUT, id)) leaf.changed = true;
  }

  /** Blocks [first, end) are zeros; whole subtrees go at once. */
  async clear(first: number, end: number): Promise<void> {
    if (this.height === 0) {
      if (first === 0 && end > 0) this.#root = null;
      return;
    }
    let at = first;
    while (at < end) {
      let level = 0;
      while (level < this.height - 1 && at % FAN_OUT ** (level + 1) === 0 && at + FAN_OUT ** (level + 1) <= end)
        level += 1;
      const missing = await this.#descend(at, level + 1, false);
      if (missing > 0) {
        // Nothing is there: on to the end of the absent subtree.
        at = (Math.floor(at / FAN_OUT ** missing) + 1) * FAN_OUT ** missing;
        continue;
      }
      const parent = this.#path[level + 1]!;
      if (setChild(parent.node, Math.floor(at / FAN_OUT ** level) % FAN_OUT, null)) parent.changed = true;
      at += FAN_OUT ** level;
    }
  }

  /** Stores what is open. @returns the root, null when all is zero */
  async finish(): Promise<Buffer | null> {
    for (let level = 1; level <= this.height; level++) await this.#close(level);
    return this.#root;
  }

  /** Brings the base's root to this tree's height. */
  async #adoptBase(height: number, root: Buffer): Promise<void> {
    if (height >= this.height) {
      let id: Buffer | null = root;
      for (let level = height; level > this.height && id !== null; level--) {
        const child: Buffer | null = childId(await this.#store.load(id, level), 0);
        id = child === null ? null : Buffer.from(child);
      }
      this.#root = id;
      return;
    }
    // A taller tree: the base becomes its first child, a level at a time.
    for (let level = height + 1; level <= this.height; level++) {
      const node = emptyNode(level);
      if (level === height + 1) setChild(node, 0, root);
      this.#path[level] = { node, number: 0, changed: true };
    }
  }

  /**
   * Closes what does not lead to `index` and opens what does, down to `target` level.
   * @param create whether absent nodes are created
   * @returns 0 when open; otherwise the level of the absent subtree
   */
  async #descend(index: number, target: number, create: boolean): Promise<number> {
    for (let level = 1; level <= this.height; level++) {
      const open = this.#path[level];
      if (open && (level < target || open.number !== Math.floor(index / FAN_OUT ** level))) await this.#close(level);
    }
    for (let level = this.height; level >= target; level--) {
      if (this.#path[level]) continue;
      const number = Math.floor(index / FAN_OUT ** level);
      const parent = this.#path[level + 1];
      const id = level === this.height ? this.#root : childId(parent!.node, number % FAN_OUT);
      if (id === null && !create) return level;
      const node = id === null ? emptyNode(level) : await this.#store.load(id, level);
      this.#path[level] = { node, number, changed: false };
    }
    return 0;
  }

  /** Stores the node of a level if it changed and passes its id to its parent. */
  async #close(level: number): Promise<void> {
    const open = this.#path[level];
    if (open === undefined) return;
    this.#path[level] = undefined;
    if (!open.changed) return;
    const id = isEmpty(open.node) ? null : await this.#store.store(open.node);
    if (level === this.height) {
      this.#root = id;
      return;
    }
    const parent = this.#path[level + 1];
    if (parent === undefined) throw new HvError('INTERNAL', 'The block map lost the path to a node.');
    if (setChild(parent.node, open.number % FAN_OUT, id)) parent.changed = true;
  }
}
