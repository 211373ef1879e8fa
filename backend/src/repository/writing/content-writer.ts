/**
 * Builds one content: blocks are read into shared slots, hashed by the workers, looked up in order, and the new ones
 * encoded and appended while the next are read. Memory is the slots and one node a level.
 */
import { HvError, throwIfCancelled } from '../../support/errors.ts';
import { idAt, META_FIELDS, Meta, type Slot } from '../engine/slot.ts';
import { SlotSet } from '../engine/worker-pool.ts';
import { listLength } from '../format/block-scheme.ts';
import { RECORD_HEADER_LENGTH, RecordKind } from '../format/constants.ts';
import { TAG_LENGTH } from '../format/keys.ts';
import type { ContentRef } from '../port/contents.ts';
import type { BlockPatch, ContentStats, ContentWriter, FillBlocks, ReadContent } from '../port/writing.ts';
import { walkBlocks } from '../tree/tree-walk.ts';
import { type NodeStore, TreeWriter } from '../tree/tree-writer.ts';
import { requireRef } from '../tree/visit.ts';
import { BaseBlocks } from './base-blocks.ts';
import { type Filled, fillBatch, fillWhole } from './patch-fill.ts';
import { type PatchBatch, PatchPlanner } from './patch-plan.ts';
import type { SessionStore } from './session-store.ts';

/** Slots for blocks of which patches turned out not to be enough, and are read again, whole. */
const SPARE_SLOTS = 1;

/** Digested entries of a slot on their way into the tree. */
interface Digested {
  slot: Slot;
  indices: readonly number[];
  /** By entry: where a delta's base lies. */
  basePacks?: readonly (string | undefined)[];
  /** Entries that must be read again. */
  failed?: ReadonlySet<number>;
  read?: ReadContent;
}

export class SessionContentWriter implements ContentWriter {
  readonly #store: SessionStore;
  readonly #size: number;
  readonly #blocks: number;
  readonly #base: ContentRef | undefined;
  readonly #baseBlocks: BaseBlocks;
  readonly #tree: TreeWriter;
  readonly #slots: SlotSet;
  readonly #spare: SlotSet;
  readonly #signal: AbortSignal | undefined;
  readonly #stats: ContentStats;
  /** Retires slots in order of their blocks. */
  #tail: Promise<void> = Promise.resolve();
  readonly #storing = new Set<Promise<void>>();
  #next = 0;
  #failure: unknown;
  #finished = false;

  private constructor(
    store: SessionStore,
    size: number,
    base: ContentRef | undefined,
    tree: TreeWriter,
    stats: ContentStats,
    signal: AbortSignal | undefined,
  ) {
    this.#store = store;
    this.#size = size;
    this.#blocks = Math.ceil(size / store.core.config.blockSize);
    this.#base = base;
    this.#baseBlocks = new BaseBlocks(store.core, base);
    this.#tree = tree;
    this.#stats = stats;
    this.#signal = signal;
    this.#slots = new SlotSet(store.core.pool);
    this.#spare = new SlotSet(store.core.pool, SPARE_SLOTS);
  }

  static async open(
    store: SessionStore,
    size: number,
    base: ContentRef | undefined,
    signal: AbortSignal | undefined,
  ): Promise<SessionContentWriter> {
    const { blockSize } = store.core.config;
    const stats: ContentStats = { newBytes: 0, nodeBytes: 0, dataBlocks: 0, newBlocks: 0, zeroBlocks: 0 };
    const nodes: NodeStore = {
      load: (id, level) => store.core.nodes.loadCopy(id, level),
      store: async (node) => {
        const { id, stored } = await store.storeNode(node);
        stats.newBytes += stored;
        stats.nodeBytes += stored;
        return id;
      },
    };
    const root = base && { height: base.height, root: requireRef(base, blockSize).root };
    const tree = await TreeWriter.open(Math.ceil(size / blockSize), nodes, root);
    return new SessionContentWriter(store, size, base, tree, stats, signal);
  }

  async write(indices: readonly number[], fill: FillBlocks): Promise<void> {
    this.#require(indices);
    if (indices.length === 0) return;
    this.#next = indices.at(-1)! + 1;
    const slot = await this.#slots.acquire();
    try {
      this.#throwFailure();
      await fill(slot.input.subarray(0, indices.length * slot.blockSize));
      this.#throwFailure();
    } catch (error) {
      this.#slots.release(slot);
      // Blocks are missing now: nothing may be made of the rest.
      this.#failure ??= error;
      throw error;
    }
    this.#clearBeyondEnd(slot, indices);
    const numbers = indices.slice();
    const digested = this.#digestWhole(slot, numbers);
    digested.catch(() => undefined);
    this.#chain(async () => {
      let handedOn = false;
      try {
        await digested;
        handedOn = await this.#retire({ slot, indices: numbers });
      } finally {
        if (!handedOn) this.#slots.release(slot);
      }
    });
  }

  async patch(patches: readonly BlockPatch[], read: ReadContent): Promise<void> {
    this.#require(
      patches.map((patch) => patch.index),
      patches.length,
    );
    const shrinks = this.#base !== undefined && this.#base.size > this.#size;
    const planner = new PatchPlanner(this.#store, this.#baseBlocks, shrinks ? this.#blocks - 1 : this.#blocks);
    const rest = patches[Symbol.iterator]();
    for (;;) {
      const slot = await this.#slots.acquire();
      let batch: PatchBatch | undefined;
      try {
        this.#throwFailure();
        throwIfCancelled(this.#signal);
        batch = await planner.plan(rest, slot);
      } catch (error) {
        this.#failure ??= error;
        throw error;
      } finally {
        if (!batch?.indices.length) this.#slots.release(slot);
      }
      if (batch.indices.length === 0) return;
      this.#next = batch.indices.at(-1)! + 1;
      this.#startPatches(slot, batch, read);
    }
  }

  #startPatches(slot: Slot, batch: PatchBatch, read: ReadContent): void {
    const { core } = this.#store;
    const digested = fillBatch(core, slot, batch, this.#size, read).then(async ({ ciphers, failed }: Filled) => {
      const count = batch.indices.length;
      const { failures } = await core.pool.run({ task: 'digest', slot: slot.number, count, ciphers });
      for (const { block } of failures) failed.add(block);
      return failed;
    });
    digested.catch(() => undefined);
    this.#chain(async () => {
      let handedOn = false;
      try {
        handedOn = await this.#retire({ ...batch, slot, failed: await digested, read });
      } finally {
        if (!handedOn) this.#slots.release(slot);
      }
    });
  }

  #digestWhole(slot: Slot, indices: readonly number[]): Promise<unknown> {
    for (let block = 0; block < indices.length; block++) {
      slot.meta[block * META_FIELDS + Meta.kind] = RecordKind.block;
      slot.meta[block * META_FIELDS + Meta.plain] = block * slot.blockSize;
      slot.meta[block * META_FIELDS + Meta.plainLength] = slot.blockSize;
    }
    return this.#store.core.pool.run({ task: 'digest', slot: slot.number, count: indices.length, ciphers: [] });
  }

  async zero(first: number, count: number): Promise<void> {
    if (count <= 0) return;
    this.#require(count === 1 ? [first] : [first, first + count - 1]);
    this.#next = first + count;
    this.#stats.zeroBlocks += count;
    // Without a base there is nothing to clear.
    if (this.#base?.root) this.#chain(() => this.#tree.clear(first, first + count));
  }

  async finish(): Promise<{ ref: ContentRef; stats: ContentStats }> {
    if (this.#finished) throw new HvError('INTERNAL', 'finish() was called before.');
    this.#finished = true;
    try {
      await this.#tail;
      this.#throwFailure();
      await this.#cutToSize();
      const root = await this.#tree.finish();
      while (this.#storing.size > 0) await Promise.all(this.#storing);
      this.#throwFailure();
      const ref = { size: this.#size, height: this.#tree.height, root: root?.toString('hex') ?? null };
      return { ref, stats: this.#stats };
    } finally {
      await this.drain();
    }
  }

  /** Waits until nothing of it is in flight and gives its memory back. */
  async drain(): Promise<void> {
    this.#finished = true;
    await this.#tail;
    await Promise.allSettled(this.#storing);
    this.#slots.dispose();
    this.#spare.dispose();
  }

  /** Looks the digested blocks up and enters them into the tree. @returns whether the slot is being stored from */
  async #retire(batch: Digested, slots = this.#slots): Promise<boolean> {
    this.#throwFailure();
    const { slot, indices } = batch;
    for (let entry = 0; entry < indices.length; entry++) slot.meta[entry * META_FIELDS + Meta.wanted] = 0;
    let from = 0;
    try {
      while (from < indices.length) from = await this.#enterUpToFailed(batch, from);
    } catch (error) {
      this.#unclaim(slot, indices.length);
      throw error;
    }
    return this.#startStoring(slot, indices.length, slots);
  }

  /**
   * Enters entries from `from` up to the first failed one; that and those behind it are read again.
   * @returns the next
   */
  async #enterUpToFailed(batch: Digested, from: number): Promise<number> {
    const { slot, indices, failed } = batch;
    let entry = from;
    for (; entry < indices.length && !failed?.has(entry); entry++)
      await this.#enter(slot, entry, indices[entry]!, batch.basePacks?.[entry]);
    let end = entry;
    while (end < indices.length && failed?.has(end) && end - entry < slot.capacity) end += 1;
    if (end > entry) await this.#readAgain(indices.slice(entry, end), batch.read!);
    return end;
  }

  /** Blocks that are taken whole after all. */
  async #readAgain(indices: readonly number[], read: ReadContent): Promise<void> {
    const slot = await this.#spare.acquire();
    let handedOn = false;
    try {
      await fillWhole(slot, indices, this.#size, read);
      await this.#digestWhole(slot, indices);
      handedOn = await this.#retire({ slot, indices }, this.#spare);
    } finally {
      if (!handedOn) this.#spare.release(slot);
    }
  }

  /** Encodes and stores what is wanted of a slot, which is released then. @returns false when nothing is */
  #startStoring(slot: Slot, count: number, slots: SlotSet): boolean {
    let wanted = 0;
    let bytes = 0;
    for (let entry = 0; entry < count; entry++) {
      const meta = slot.meta.subarray(entry * META_FIELDS, (entry + 1) * META_FIELDS);
      if (meta[Meta.wanted] !== 1) continue;
      wanted += 1;
      const rawLength = meta[Meta.rawLength]!;
      const plain = meta[Meta.kind] === RecordKind.delta ? meta[Meta.plainLength]! : rawLength;
      bytes += RECORD_HEADER_LENGTH + listLength(this.#store.core.scheme, rawLength) + plain + TAG_LENGTH;
    }
    if (wanted === 0) return false;
    this.#stats.newBlocks += wanted;
    const storing = this.#store
      .storeEntries(slot, count, wanted, bytes)
      .then((stored) => {
        this.#stats.newBytes += stored;
      })
      .catch((error) => {
        this.#failure ??= error;
      })
      .finally(() => {
        slots.release(slot);
        this.#storing.delete(storing);
      });
    this.#storing.add(storing);
    return true;
  }

  /** Enters a block into the tree, and marks it when it has to be stored. */
  async #enter(slot: Slot, entry: number, index: number, basePack: string | undefined): Promise<void> {
    if (!this.#tree.isOpen(index)) await this.#tree.open(index);
    const meta = entry * META_FIELDS;
    if (slot.meta[meta + Meta.rawLength] === 0) {
      this.#stats.zeroBlocks += 1;
      this.#tree.set(index, null);
      return;
    }
    this.#stats.dataBlocks += 1;
    const id = idAt(slot, entry);
    this.#tree.set(index, id);
    if (this.#store.claim(RecordKind.block, id)) return;
    slot.meta[meta + Meta.wanted] = 1;
    if (basePack !== undefined) this.#store.relied.add(basePack);
  }

  /** What was claimed and will not be stored. */
  #unclaim(slot: Slot, count: number): void {
    for (let entry = 0; entry < count; entry++)
      if (slot.meta[entry * META_FIELDS + Meta.wanted] === 1) this.#store.unclaim(RecordKind.block, idAt(slot, entry));
  }

  #chain(step: () => Promise<void>): void {
    this.#tail = this.#tail.then(step).catch((error) => {
      this.#failure ??= error;
    });
  }

  /** Whatever the source left behind the end of the content must not be stored. */
  #clearBeyondEnd(slot: Slot, indices: readonly number[]): void {
    const last = indices.length - 1;
    const end = this.#size - indices[last]! * slot.blockSize;
    if (end < slot.blockSize) slot.input.fill(0, last * slot.blockSize + end, (last + 1) * slot.blockSize);
  }

  /** A base that was larger: blocks beyond the end go, and the last block loses what is beyond it. */
  async #cutToSize(): Promise<void> {
    const { blockSize } = this.#store.core.config;
    const base = this.#base;
    if (!base?.root || base.size <= this.#size) return;
    const tail = this.#size % blockSize;
    const last = this.#blocks - 1;
    if (tail > 0 && this.#next <= last) {
      const { core } = this.#store;
      const load = core.nodes.load.bind(core.nodes);
      for await (const run of walkBlocks(base, blockSize, load, { from: last, to: last + 1 })) {
        const content = await core.reader.read(RecordKind.block, Buffer.from(run.ids));
        await this.#rewrite(last, content.subarray(0, tail));
      }
    }
    await this.#tree.clear(this.#blocks, 256 ** this.#tree.height);
  }

  async #rewrite(index: number, content: Buffer): Promise<void> {
    this.#finished = false;
    await this.write([index], async (buffer) => {
      buffer.fill(0);
      content.copy(buffer);
    });
    this.#finished = true;
    await this.#tail;
    this.#throwFailure();
  }

  /** @throws INTERNAL: `blocks` must ascend, from behind what was handed in before, and lie within the content */
  #require(blocks: readonly number[], most = this.#store.core.pool.capacity): void {
    this.#throwFailure();
    throwIfCancelled(this.#signal);
    if (this.#finished) throw new HvError('INTERNAL', 'The content is finished.');
    if (blocks.length > most) throw new HvError('INTERNAL', `write() takes at most ${most} blocks.`);
    let lowest = this.#next;
    for (const block of blocks) {
      if (!Number.isSafeInteger(block) || block < lowest || block >= this.#blocks)
        throw new HvError('INTERNAL', `Block ${block} is out of order or beyond the ${this.#blocks} of the content.`);
      lowest = block + 1;
    }
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
