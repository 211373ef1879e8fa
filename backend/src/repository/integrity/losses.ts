/**
 * Which ranges of which contents cannot be read: walks the trees for what is lost. A subtree that was found whole is
 * not walked again, however many contents share it.
 */
import { isHvError, throwIfCancelled, toHvError } from '../../support/errors.ts';
import type { RepositoryCore } from '../core.ts';
import { RecordKind } from '../format/constants.ts';
import { damageKey } from '../format/names.ts';
import { childId } from '../format/node.ts';
import type { ContentRef } from '../port/contents.ts';
import type { OnLoss } from '../port/damage.ts';
import { LiveSet } from '../records/live-set.ts';
import { PackSizes } from '../records/pack-sizes.ts';
import type { RecordLocation } from '../records/record-index.ts';
import { toDamage } from '../tree/content-stream.ts';
import { requireRef } from '../tree/tree-walk.ts';

/** A place that is lost: `key` is the id (hex) of the block or node that it needs. */
type LostPlace = { key: string; content: number; offset: number; length: number };

export interface LossOptions {
  signal?: AbortSignal;
  /** Whether the block cannot be read; must not wait: there are many. */
  isLost: (id: Buffer) => boolean;
  /** Each content's ranges, coalesced, ascending. */
  onLoss?: OnLoss;
  /** Each lost block or node by itself; neighbours of the same key coalesced by whoever wants it. */
  onPlace?: (place: LostPlace) => void;
}

/** @throws IO_ERROR when the storage itself fails; what is damaged is told */
export async function findLosses(
  core: RepositoryCore,
  contents: readonly ContentRef[],
  options: LossOptions,
): Promise<void> {
  const walk = new LossWalk(core, options);
  for (const [content, ref] of contents.entries()) await walk.content(content, ref);
}

/** As far as structure and known damage tell: whether none of a block's records can be read. */
export async function structuralLoss(core: RepositoryCore): Promise<(id: Buffer) => boolean> {
  const there = await PackSizes.list(core.storage, core.catalog.packCount());
  return (id) => !core.index.findAll(RecordKind.block, id).some((at) => isReadable(core, there, at));
}

/**
 * Whether a record lies in a pack that is there and is not known to be damaged; a delta needs such a base, too.
 * @param there ids of the packs that exist
 */
export function isReadable(core: RepositoryCore, there: { has(id: string): boolean }, at: RecordLocation): boolean {
  if (!there.has(at.packId) || core.index.damaged.has(damageKey(at))) return false;
  return at.base === undefined || core.index.findWhole(at.base).some((base) => isReadable(core, there, base));
}

interface LostBlocks {
  key: string;
  first: number;
  count: number;
}

/** Lost places that are kept: 10 MB. */
const MAX_REMEMBERED = 100_000;

class LossWalk {
  readonly #core: RepositoryCore;
  readonly #options: LossOptions;
  /** Nodes below which nothing is lost. */
  readonly #whole = new LiveSet();
  /**
   * What is lost below other nodes, in blocks from the node's first: looking for it again would take much longer than
   * before.
   */
  readonly #broken = new Map<string, readonly LostBlocks[]>();
  #remembered = 0;
  /** Of the content at hand. */
  #found: LostBlocks[] = [];
  #content = 0;
  #ref!: ContentRef;
  /** The range that is being put together. */
  #open: { offset: number; length: number } | undefined;

  constructor(core: RepositoryCore, options: LossOptions) {
    this.#core = core;
    this.#options = options;
  }

  async content(content: number, ref: ContentRef): Promise<void> {
    this.#content = content;
    this.#ref = ref;
    this.#open = undefined;
    this.#found = [];
    try {
      const { root } = requireRef(ref, this.#core.config.blockSize);
      if (root !== null) await this.#visit(root, ref.height, 0);
    } catch (error) {
      if (!isHvError(error, 'REPOSITORY_DAMAGED')) throw error;
      this.#lost(toDamage(error).id ?? '', 0, this.#blocks);
    }
    this.#close();
  }

  get #blocks(): number {
    return Math.ceil(this.#ref.size / this.#core.config.blockSize);
  }

  /** A node's losses are the same wherever it is used, unless the content ends within it. */
  async #visit(id: Buffer, level: number, first: number): Promise<boolean> {
    const span = 256 ** level;
    const key = id.toString('hex');
    const known = level > 0 ? this.#broken.get(key) : undefined;
    if (known !== undefined && first + span <= this.#blocks) {
      for (const lost of known) this.#lost(lost.key, first + lost.first, lost.count);
      return false;
    }
    const before = this.#found.length;
    const whole = await this.#look(id, level, first);
    const count = this.#found.length - before;
    const complete = this.#found.length < MAX_REMEMBERED && this.#remembered + count <= MAX_REMEMBERED;
    if (level > 0 && !whole && complete && first + span <= this.#blocks) {
      this.#remembered += count;
      const lost = this.#found.slice(before).map((one) => ({ ...one, first: one.first - first }));
      this.#broken.set(key, lost);
    }
    return whole;
  }

  /** @returns whether all of it is there */
  async #look(id: Buffer, level: number, first: number): Promise<boolean> {
    if (level === 0) return this.#block(id, first);
    throwIfCancelled(this.#options.signal);
    const [location] = this.#core.index.findAll(RecordKind.node, id);
    if (location !== undefined && this.#whole.isLive(location.packId, location.ordinal)) return true;
    const span = 256 ** level;
    let whole = true;
    try {
      const node = await this.#core.nodes.load(id, level);
      const step = span / 256;
      for (let slot = 0; slot < node.present.length; slot++) {
        const child = childId(node, slot);
        if (child === null || first + slot * step >= this.#blocks) continue;
        const at = first + slot * step;
        const fine = level === 1 ? this.#block(child, at) : await this.#visit(Buffer.from(child), level - 1, at);
        whole = fine && whole;
      }
    } catch (error) {
      const problem = toHvError(error);
      if (!isHvError(problem, 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED')) throw problem;
      this.#lost(id.toString('hex'), first, Math.min(span, this.#blocks - first));
      return false;
    }
    if (whole && location !== undefined && this.#whole.addPackOf(location, this.#core.index))
      this.#whole.mark(location);
    return whole;
  }

  #block(id: Buffer, first: number): boolean {
    if (!this.#options.isLost(id)) return true;
    this.#lost(id.toString('hex'), first, 1);
    return false;
  }

  #lost(key: string, first: number, count: number): void {
    if (this.#found.length < MAX_REMEMBERED) this.#found.push({ key, first, count });
    const { blockSize } = this.#core.config;
    const offset = first * blockSize;
    const length = Math.min(count * blockSize, this.#ref.size - offset);
    this.#options.onPlace?.({ key, content: this.#content, offset, length });
    if (this.#open && this.#open.offset + this.#open.length === offset) {
      this.#open.length += length;
      return;
    }
    this.#close();
    this.#open = { offset, length };
  }

  #close(): void {
    if (this.#open) this.#options.onLoss?.(this.#content, this.#open.offset, this.#open.length);
    this.#open = undefined;
  }
}
