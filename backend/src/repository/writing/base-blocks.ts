/** The block ids of the content that another is built over, leaf by leaf. */
import type { RepositoryCore } from '../core.ts';
import { FAN_OUT } from '../format/constants.ts';
import { childId, type TreeNode } from '../format/node.ts';
import type { ContentRef } from '../port/contents.ts';
import { requireRef } from '../tree/visit.ts';

export class BaseBlocks {
  readonly #core: RepositoryCore;
  readonly #height: number;
  readonly #root: Buffer | null;
  readonly #blocks: number;
  #leaf: { number: number; node: TreeNode | null } | undefined;

  /** @param base nothing: all is zero */
  constructor(core: RepositoryCore, base: ContentRef | undefined) {
    this.#core = core;
    const { root, blocks } = base ? requireRef(base, core.config.blockSize) : { root: null, blocks: 0 };
    this.#root = root;
    this.#blocks = blocks;
    this.#height = base?.height ?? 0;
  }

  /** @returns null when block `index` is zeros. @throws REPOSITORY_DAMAGED */
  async idOf(index: number): Promise<Buffer | null> {
    if (this.#root === null || index >= this.#blocks) return null;
    if (this.#height === 0) return this.#root;
    const number = Math.floor(index / FAN_OUT);
    if (this.#leaf?.number !== number) this.#leaf = { number, node: await this.#load(number) };
    const id = this.#leaf.node && childId(this.#leaf.node, index % FAN_OUT);
    return id && Buffer.from(id);
  }

  async #load(number: number): Promise<TreeNode | null> {
    let id = this.#root;
    for (let level = this.#height; id !== null; level--) {
      const node: TreeNode = await this.#core.nodes.load(id, level);
      if (level === 1) return node;
      id = childId(node, Math.floor(number / FAN_OUT ** (level - 2)) % FAN_OUT);
    }
    return null;
  }
}
