/**
 * Which ranges of which contents cannot be read: walks the trees for what is lost. A subtree that was found whole is
 * not walked again, however many contents share it.
 */
import { isHvError, throwIfCancelled, toHvError } from '../../support/errors.ts';
import type { RepositoryCore } from '../core.ts';
import { ID_LENGTH, RecordKind } from '../format/constants.ts';
import { damageKey } from '../format/names.ts';
import type { TreeNode } from '../format/node.ts';
import type { ContentRef } from '../port/contents.ts';
import type { OnLoss } from '../port/damage.ts';
import { LiveSet } from '../records/live-set.ts';
import { PackSizes } from '../records/pack-sizes.ts';
import type { RecordLocation } from '../records/record-index.ts';
import { toDamage } from '../tree/content-stream.ts';
import { type TreeVisitor, visitTree } from '../tree/visit.ts';

/** A place that is lost: `key` is the id (hex) of the block or node that it needs. */
type LostPlace = { key: string; content: number; offset: number; length: number };

export interface LossOptions {
  signal?: AbortSignal;
  /** Whether the block cannot be read; must not wait: there are many. */
  isLost: (id: Buffer) => boolean;
  /** Each content's ranges, coalesced, ascending. */
  onLoss?: OnLoss;
  /** Each lost block or node by itself; neighbours of the same key coalesced by the caller where needed. */
  onPlace?: (place: LostPlace) => void;
}

/** @throws IO_ERROR when the storage itself fails; what is damaged is reported */
export async function findLosses(
  core: RepositoryCore,
  contents: readonly ContentRef[],
  options: LossOptions,
): Promise<void> {
  const walk = new LossWalk(core, options);
  for (const [content, ref] of contents.entries()) await walk.content(content, ref);
}

/** As far as structure and known damage show: whether none of a block's records can be read. */
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
  /** The nodes on the way to the place at hand, by level. */
  #path: { location: RecordLocation | undefined; before: number; whole: boolean }[] = [];
  readonly #visitor: TreeVisitor = {
    enter: (id, level, first) => this.#enter(id, level, first),
    leave: (id, level, first) => this.#leave(id, level, first),
    missing: (error, id, level, first) => this.#missing(error, id, level, first),
    block: (ids, at, block) => this.#block(ids.subarray(at, at + ID_LENGTH), block),
  };
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
    this.#path = [];
    try {
      await visitTree(ref, this.#core.config.blockSize, this.#visitor);
    } catch (error) {
      if (!isHvError(error, 'REPOSITORY_DAMAGED')) throw error;
      this.#lost(toDamage(error).id ?? '', 0, this.#blocks);
    }
    this.#close();
  }

  get #blocks(): number {
    return Math.ceil(this.#ref.size / this.#core.config.blockSize);
  }

  async #enter(id: Buffer, level: number, first: number): Promise<TreeNode | null> {
    const known = this.#broken.get(id.toString('hex'));
    if (known !== undefined && this.#isWithin(level, first)) {
      for (const lost of known) this.#lost(lost.key, first + lost.first, lost.count);
      this.#notWhole(level + 1);
      return null;
    }
    throwIfCancelled(this.#options.signal);
    const [location] = this.#core.index.findAll(RecordKind.node, id);
    if (location !== undefined && this.#whole.isLive(location.packId, location.ordinal)) return null;
    this.#path[level] = { location, before: this.#found.length, whole: true };
    return this.#core.nodes.load(id, level);
  }

  #missing(error: unknown, id: Buffer, level: number, first: number): void {
    const problem = toHvError(error);
    if (!isHvError(problem, 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED')) throw problem;
    this.#lost(id.toString('hex'), first, Math.min(256 ** level, this.#blocks - first));
    this.#notWhole(level);
    this.#leave(id, level, first);
  }

  /** Remembers what was found out. A node's losses are the same wherever it is used, unless the content ends in it. */
  #leave(id: Buffer, level: number, first: number): void {
    const { location, before, whole } = this.#path[level]!;
    if (whole) {
      if (location !== undefined && this.#whole.addPackOf(location, this.#core.index)) this.#whole.mark(location);
      return;
    }
    this.#notWhole(level + 1);
    const count = this.#found.length - before;
    const complete = this.#found.length < MAX_REMEMBERED && this.#remembered + count <= MAX_REMEMBERED;
    if (!complete || !this.#isWithin(level, first)) return;
    this.#remembered += count;
    const lost = this.#found.slice(before).map((one) => ({ ...one, first: one.first - first }));
    this.#broken.set(id.toString('hex'), lost);
  }

  #notWhole(level: number): void {
    const above = this.#path[level];
    if (above !== undefined) above.whole = false;
  }

  #isWithin(level: number, first: number): boolean {
    return first + 256 ** level <= this.#blocks;
  }

  #block(id: Buffer, block: number): void {
    if (!this.#options.isLost(id)) return;
    this.#lost(id.toString('hex'), block, 1);
    this.#notWhole(1);
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
