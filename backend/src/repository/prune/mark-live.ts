/** Marks everything that restore points reach. */
import { isHvError, throwIfCancelled } from '../../support/errors.ts';
import type { OperationContext } from '../../support/progress.ts';
import type { RepositoryCore } from '../core.ts';
import { RecordKind } from '../format/constants.ts';
import { childId } from '../format/node.ts';
import type { ContentRef, ManifestEnvelope } from '../port.ts';
import type { IdClass, RecordLocation } from '../records/record-index.ts';
import { damaged } from '../storage/storage.ts';
import { requireRef } from '../tree/tree-walk.ts';
import type { LiveSet } from './live-set.ts';

export class LiveMarker {
  readonly #core: RepositoryCore;
  readonly #live: LiveSet;
  readonly #context: OperationContext;
  /** Whether the indexes were read again for the restore point at hand. */
  #reloaded = false;
  /** Blocks that no pack holds. */
  missingBlocks = 0;

  constructor(core: RepositoryCore, live: LiveSet, context: OperationContext) {
    this.#core = core;
    this.#live = live;
    this.#context = context;
  }

  /**
   * Reads the manifests and walks their trees; subtrees that were seen are not walked again. Of restore points that have a
   * tombstone what is there counts as needed, and nothing need be there: their removal may be finished, or never be.
   * @throws REPOSITORY_DAMAGED when a manifest or node is unreadable: what is below it cannot be known
   */
  async markAll(names: readonly string[]): Promise<void> {
    const removed = await this.#core.tombstones.ids();
    for (const [done, name] of names.entries()) {
      throwIfCancelled(this.#context.signal);
      this.#context.progress?.({ phase: 'prune', message: `restore point ${done + 1} of ${names.length}` });
      const missing = this.missingBlocks;
      try {
        await this.#markPoint(name);
      } catch (error) {
        if (!isHvError(error, 'REPOSITORY_DAMAGED') || !removed.has(name.slice(name.lastIndexOf('/') + 1))) throw error;
        this.missingBlocks = missing;
      }
    }
  }

  /** What is there of contents that a writer builds on, listed or not. */
  async markPinned(contents: readonly ContentRef[]): Promise<void> {
    const missing = this.missingBlocks;
    this.#reloaded = false;
    for (const ref of contents)
      try {
        const { root } = requireRef(ref, this.#core.config.blockSize);
        if (root !== null) await this.#visit(root, ref.height);
      } catch (error) {
        if (!isHvError(error, 'REPOSITORY_DAMAGED')) throw error;
      }
    this.missingBlocks = missing;
  }

  async #markPoint(name: string): Promise<void> {
    let manifest: ManifestEnvelope;
    try {
      manifest = await this.#core.manifests.get(name);
    } catch (error) {
      // Removed since the listing.
      if (isHvError(error, 'FILE_NOT_FOUND')) return;
      throw error;
    }
    this.#reloaded = false;
    for (const ref of manifest.contents) {
      const { root } = requireRef(ref, this.#core.config.blockSize);
      if (root !== null) await this.#visit(root, ref.height);
    }
  }

  async #visit(id: Buffer, level: number): Promise<void> {
    if (level === 0) {
      await this.#markBlock(id);
      return;
    }
    const location = this.#choose(RecordKind.node, id) ?? (await this.#chooseAgain(RecordKind.node, id));
    if (location === undefined)
      throw damaged('node', 'packs', 'a block map is incomplete, so nothing can be deleted safely', {
        id: id.toString('hex'),
      });
    if (!this.#live.mark(location)) return;
    throwIfCancelled(this.#context.signal);
    const node = await this.#core.nodes.load(id, level);
    for (let slot = 0; slot < node.present.length; slot++) {
      const child = childId(node, slot);
      if (child === null) continue;
      if (level === 1) await this.#markBlock(child);
      else await this.#visit(Buffer.from(child), level - 1);
    }
  }

  /** Waits only when something is missing: there are many blocks. */
  #markBlock(id: Buffer): Promise<void> | undefined {
    const location = this.#choose(RecordKind.block, id);
    if (location === undefined || !this.#mark(location)) return this.#markMissing(Buffer.from(id));
    return undefined;
  }

  async #markMissing(id: Buffer): Promise<void> {
    const location = await this.#chooseAgain(RecordKind.block, id);
    if (location === undefined || !this.#mark(location)) this.missingBlocks += 1;
  }

  /** Marks a block's record, and what it is a delta over. @returns false when that is missing */
  #mark(location: RecordLocation): boolean {
    this.#live.mark(location);
    if (location.base === undefined) return true;
    const { index } = this.#core;
    const base = index.findBase(location) ?? index.findWhole(location.base)[0];
    if (base !== undefined) this.#live.mark(base);
    return base !== undefined;
  }

  /** The restore point may be younger than the listing of the indexes. */
  async #chooseAgain(kind: IdClass, id: Buffer): Promise<RecordLocation | undefined> {
    if (this.#reloaded) return undefined;
    this.#reloaded = true;
    await this.#core.refresh();
    await this.#core.findLoose();
    this.#live.addKnown(this.#core.index);
    return this.#choose(kind, id);
  }

  /** One record for an id, the same every time: a sound one if there is, else whatever is left. */
  #choose(kind: IdClass, id: Buffer): RecordLocation | undefined {
    return this.#core.index.findSound(kind, id) ?? this.#core.index.findAll(kind, id)[0];
  }
}
