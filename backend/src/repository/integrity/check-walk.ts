/**
 * Check, second part: what restore points reach is there. Block maps are walked first; the blocks they name are looked
 * up afterwards and all together, as prune does it, which takes a fraction of the time. What that finds nothing sound
 * for is met again in a second walk and looked at by itself: there is none in a repository in which nothing is damaged.
 */
import { throwIfCancelled } from '../../support/errors.ts';
import type { OperationContext } from '../../support/progress.ts';
import type { RepositoryCore } from '../core.ts';
import { ID_LENGTH, RecordKind } from '../format/constants.ts';
import { packName } from '../format/names.ts';
import { parseNode, type TreeNode } from '../format/node.ts';
import type { ContentRef } from '../port/contents.ts';
import type { Damage } from '../port/damage.ts';
import { BlockJoin, OpenIds } from '../reach/mark-blocks.ts';
import type { PacksWithoutIndex } from '../reach/packs-without-index.ts';
import { LiveSet } from '../records/live-set.ts';
import type { PackSizes } from '../records/pack-sizes.ts';
import { NodeReadAhead } from '../tree/node-ahead.ts';
import { visitTree } from '../tree/visit.ts';
import { isReadable } from './losses.ts';

/** What is known of the storage as it was listed last. */
export interface Listing {
  sizes: PackSizes;
  /** Nodes and blocks that were met. */
  seen: LiveSet;
  /** Nodes, and why they cannot be read: tried once, as everything is listed again for it. */
  unreadable: Map<string, unknown>;
  /** Where something is that restore points need, when all of it is in packs that no index names. */
  withoutIndex: PacksWithoutIndex;
}

export interface Notes {
  /** Runs what has to do with a restore point: damage noted meanwhile is charged to it. */
  charge(manifest: string, action: () => Promise<void>): Promise<void>;
  /**
   * Runs one question, and notes what it throws.
   * @param again it was asked before: what was noted then is not noted twice
   */
  attempt(name: string, action: () => Promise<void>, again: boolean): Promise<void>;
  note(damage: Damage): void;
  /** A block was met. */
  count(): void;
}

/** One walk through what restore points reach. */
interface Pass {
  again: boolean;
  /** Nodes that were met. */
  seen: LiveSet;
  /** Takes the id at `at`, valid during the call. */
  block(manifest: string, ids: Buffer, at: number): void;
}

export class CheckWalk {
  readonly #core: RepositoryCore;
  readonly #context: OperationContext;
  readonly #listing: Listing;
  readonly #notes: Notes;
  readonly #ahead: NodeReadAhead;

  constructor(core: RepositoryCore, context: OperationContext, listing: Listing, notes: Notes) {
    this.#core = core;
    this.#context = context;
    this.#listing = listing;
    this.#notes = notes;
    this.#ahead = new NodeReadAhead(core);
  }

  async walk(names: readonly string[]): Promise<void> {
    const open = await this.#walkTogether(names);
    if (open.some()) await this.#walkOpen(names, open);
  }

  /** @returns ids of blocks that take a closer look */
  async #walkTogether(names: readonly string[]): Promise<OpenIds> {
    const { index, catalog } = this.#core;
    const { seen } = this.#listing;
    const batch = catalog.batch();
    try {
      const open = new OpenIds();
      const before = index.unindexedPacks.size;
      const block: Pass['block'] = (_manifest, ids, at) => {
        this.#notes.count();
        // The batch knows what indexes name, and ids by their beginnings only.
        if (before > 0 && index.isUnindexedBlock(ids, at)) open.addId(ids, at);
        batch.add(ids, at);
      };
      await this.#points(names, { again: false, seen, block });
      // Listed again for a node that was not found.
      if (index.unindexedPacks.size !== before)
        for (const pack of index.unindexedPacks.values()) for (const { id } of pack.records) open.addId(id);
      return await new BlockJoin(this.#core, seen, this.#context, 'check').mark(batch, open);
    } finally {
      batch.close();
    }
  }

  /** Meets the blocks that are open once more: only now is it known which these are. */
  async #walkOpen(names: readonly string[], open: OpenIds): Promise<void> {
    const seen = new LiveSet();
    seen.addKnown(this.#core.index);
    const block: Pass['block'] = (manifest, ids, at) => {
      if (open.has(ids, at)) this.#block(manifest, Buffer.from(ids.subarray(at, at + ID_LENGTH)));
    };
    await this.#points(names, { again: true, seen, block });
  }

  async #points(names: readonly string[], pass: Pass): Promise<void> {
    for (const name of names) {
      const look = async (): Promise<void> => {
        const { contents } = await this.#core.manifests.get(name, { fresh: !pass.again });
        for (const ref of contents) await this.#content(name, ref, pass);
      };
      await this.#notes.charge(name, () => this.#notes.attempt(name, look, pass.again));
    }
  }

  #content(manifest: string, ref: ContentRef, pass: Pass): Promise<void> {
    return visitTree(ref, this.#core.config.blockSize, {
      enter: (id, level) => this.#enter(manifest, id, level, pass),
      block: (ids, at) => pass.block(manifest, ids, at),
      // What cannot be read is noted there; this does not belong to the content.
      missing: (error) => this.#notes.attempt(manifest, () => Promise.reject(error), true),
    });
  }

  async #enter(manifest: string, id: Buffer, level: number, pass: Pass): Promise<TreeNode | null> {
    throwIfCancelled(this.#context.signal);
    const all = this.#core.index.findAll(RecordKind.node, id);
    const [location] = all;
    if (location !== undefined && !pass.seen.mark(location)) return null;
    this.#listing.withoutIndex.add(all);
    let node: TreeNode | null = null;
    const look = async (): Promise<void> => {
      const ahead = location === undefined ? null : await this.#ahead.load(location, id, level);
      node = ahead ?? (await this.#load(manifest, id, level));
    };
    await this.#notes.attempt(manifest, look, pass.again);
    return node;
  }

  async #load(manifest: string, id: Buffer, level: number): Promise<TreeNode> {
    const { unreadable } = this.#listing;
    const key = id.toString('hex');
    if (unreadable.has(key)) throw unreadable.get(key);
    const raw = await this.#core.reader.read(RecordKind.node, id).catch((error) => {
      unreadable.set(key, error);
      throw error;
    });
    return parseNode(raw, level, manifest, 0);
  }

  /** Some record of the block is listed, in a pack that is there, and not known to be damaged. */
  #block(manifest: string, id: Buffer): void {
    const { sizes, withoutIndex } = this.#listing;
    const all = this.#core.index.findAll(RecordKind.block, id);
    const sound = all.filter((location) => isReadable(this.#core, sizes, location));
    if (sound.length > 0) {
      withoutIndex.add(sound);
      return;
    }
    const [location] = all;
    const there = all.some(({ packId }) => sizes.has(packId));
    const why = there ? 'its record, or the one it is a delta over, was found damaged' : 'no pack holds it';
    this.#notes.note({
      object: 'block',
      path: location === undefined ? manifest : packName(location.packId),
      ...(location === undefined ? {} : { offset: location.offset }),
      id: id.toString('hex'),
      message: `${manifest} needs block ${id.toString('hex')}: ${why}`,
    });
  }
}
