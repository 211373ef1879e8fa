/**
 * Marks everything that restore points reach. Block maps are walked first; the blocks they name are looked up
 * afterwards and all together, which takes a fraction of the time of a look-up each. What that leaves open is looked up
 * one by one.
 */
import { type HvError, isHvError, throwIfCancelled } from '../../support/errors.ts';
import type { OperationContext } from '../../support/progress.ts';
import type { RepositoryCore } from '../core.ts';
import { damaged } from '../errors.ts';
import { ID_LENGTH, RecordKind } from '../format/constants.ts';
import { pointIdOf } from '../format/names.ts';
import type { TreeNode } from '../format/node.ts';
import type { ContentRef } from '../port/contents.ts';
import type { ManifestEnvelope } from '../port/points.ts';
import { LiveSet } from '../records/live-set.ts';
import type { IdClass, RecordLocation } from '../records/record-index.ts';
import { isUnreadable } from '../storage/judging.ts';
import { NodeReadAhead } from '../tree/node-ahead.ts';
import { visitTree } from '../tree/visit.ts';
import { BlockJoin, OpenIds } from './mark-blocks.ts';
import { recallManifest } from './recall.ts';

/** Takes the id at `at`, valid during the call; waits only when something has to be looked for again. */
type OnBlock = (ids: Buffer, at: number) => Promise<void> | undefined;
/** Whether the node was not met before. */
type OnNode = (location: RecordLocation) => boolean;

export class LiveMarker {
  readonly #core: RepositoryCore;
  readonly #live: LiveSet;
  readonly #context: OperationContext;
  readonly #ahead: NodeReadAhead;
  /** Whether the indexes were read again for the restore point at hand. */
  #reloaded = false;
  /** Blocks that no pack holds. */
  missingBlocks = 0;
  /**
   * What it cannot be known of what it needs, by the name of its manifest: as long as there is any, nothing may be
   * deleted.
   */
  readonly unknown = new Map<string, HvError>();

  readonly #marked: OnNode = (location) => this.#live.mark(location);
  /** Looks a block up by itself. */
  readonly #markNow: OnBlock = (ids, at) => this.#markBlock(ids.subarray(at, at + ID_LENGTH));

  constructor(core: RepositoryCore, live: LiveSet, context: OperationContext) {
    this.#core = core;
    this.#live = live;
    this.#context = context;
    this.#ahead = new NodeReadAhead(core);
  }

  /**
   * Reads the manifests and walks their trees; subtrees that were seen are not walked again. Of restore points that
   * have a tombstone what is there counts as needed, and nothing need be there: their removal may be finished, or never
   * be. Where a manifest or node cannot be read what is below it is not known, and the restore point goes to {@link
   * unknown}.
   */
  async markAll(names: readonly string[]): Promise<void> {
    const tombstones = await this.#core.tombstones.ids();
    const isRemoved = (name: string): boolean => tombstones.has(pointIdOf(name));
    // Group by group: restore points of one VM share most of their maps, and what was looked up last is found soonest.
    const listed = names.filter((name) => !isRemoved(name)).sort();
    const open = await this.#markTogether(listed);
    if (open.some()) await this.#markOpen(listed, open);
    for (const name of names.filter(isRemoved)) {
      const missing = this.missingBlocks;
      try {
        await this.#walkPoint(name, this.#marked, this.#markNow);
      } catch (error) {
        if (!isHvError(error, 'REPOSITORY_DAMAGED')) throw error;
        if (isUnreadable(error)) this.#note(name, error);
        this.missingBlocks = missing;
      }
    }
  }

  #note(name: string, error: HvError): void {
    if (!this.unknown.has(name)) this.unknown.set(name, error);
  }

  /** What is there of contents that a writer builds on, listed or not. */
  async markPinned(contents: readonly ContentRef[]): Promise<void> {
    const missing = this.missingBlocks;
    this.#reloaded = false;
    for (const ref of contents)
      try {
        await this.#walkTree(ref, this.#marked, this.#markNow);
      } catch (error) {
        if (!isHvError(error, 'REPOSITORY_DAMAGED')) throw error;
        if (isUnreadable(error)) this.#note('', error);
      }
    this.missingBlocks = missing;
  }

  /** @returns ids of blocks of which there is no sound record, or that take a closer look */
  async #markTogether(names: readonly string[]): Promise<OpenIds> {
    const batch = this.#core.catalog.batch();
    try {
      const { index } = this.#core;
      const open = new OpenIds();
      const before = index.unindexedPacks.size;
      await this.#walkAll(names, this.#marked, (ids, at) => {
        // The batch knows what indexes name, and ids by their beginnings only.
        if (before > 0 && index.isUnindexedBlock(ids, at)) open.addId(ids, at);
        batch.add(ids, at);
        return undefined;
      });
      if (index.unindexedPacks.size !== before)
        for (const pack of index.unindexedPacks.values()) for (const { id } of pack.records) open.addId(id);
      return await new BlockJoin(this.#core, this.#live, this.#context).mark(batch, open);
    } finally {
      batch.close();
    }
  }

  /** Walks once more for the blocks that are open: only now is it known which these are. */
  async #markOpen(names: readonly string[], open: OpenIds): Promise<void> {
    const seen = new LiveSet();
    const met: OnNode = (location) => !seen.addPackOf(location, this.#core.index) || seen.mark(location);
    await this.#walkAll(names, met, (ids, at) => (open.has(ids, at) ? this.#markNow(ids, at) : undefined));
  }

  async #walkAll(names: readonly string[], met: OnNode, block: OnBlock): Promise<void> {
    for (const [done, name] of names.entries()) {
      throwIfCancelled(this.#context.signal);
      this.#context.progress?.({ phase: 'prune', message: `restore point ${done + 1} of ${names.length}` });
      try {
        await this.#walkPoint(name, met, block);
      } catch (error) {
        if (!isHvError(error, 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED')) throw error;
        this.#note(name, error);
      }
    }
  }

  async #walkPoint(name: string, met: OnNode, block: OnBlock): Promise<void> {
    let manifest: ManifestEnvelope;
    try {
      manifest = await this.#core.manifests.get(name);
    } catch (error) {
      // Removed since the listing: then there is a tombstone.
      if (isHvError(error, 'FILE_NOT_FOUND') && (await this.#isRemoved(name))) return;
      const known = isHvError(error, 'REPOSITORY_DAMAGED') ? await recallManifest(this.#core, name) : null;
      if (known === null) throw error;
      manifest = known;
    }
    this.#reloaded = false;
    for (const ref of manifest.contents) await this.#walkTree(ref, met, block);
  }

  async #isRemoved(name: string): Promise<boolean> {
    return (await this.#core.tombstones.get(pointIdOf(name)).catch(() => null)) !== null;
  }

  async #walkTree(ref: ContentRef, met: OnNode, block: OnBlock): Promise<void> {
    await visitTree(ref, this.#core.config.blockSize, { enter: (id, level) => this.#enter(id, level, met), block });
  }

  async #enter(id: Buffer, level: number, met: OnNode): Promise<TreeNode | null> {
    const location = this.#choose(RecordKind.node, id) ?? (await this.#chooseAgain(RecordKind.node, id));
    if (location === undefined)
      throw damaged('node', 'packs', 'a block map is incomplete, so nothing can be deleted safely', {
        id: id.toString('hex'),
      });
    if (!met(location)) return null;
    throwIfCancelled(this.#context.signal);
    return (await this.#ahead.load(location, id, level)) ?? this.#core.nodes.load(id, level);
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
    await this.#core.findUnindexed();
    this.#live.addKnown(this.#core.index);
    return this.#choose(kind, id);
  }

  /** One record for an id, the same every time: a sound one if there is, else whatever is left. */
  #choose(kind: IdClass, id: Buffer): RecordLocation | undefined {
    return this.#core.index.findSound(kind, id) ?? this.#core.index.findAll(kind, id)[0];
  }
}
