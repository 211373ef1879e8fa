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
import type { ContentRef, ContentStats, ContentWriter, FillBlocks } from '../port.ts';
import { requireRef, walkBlocks } from '../tree/tree-walk.ts';
import { type NodeStore, TreeWriter } from '../tree/tree-writer.ts';
import type { SessionStore } from './session-store.ts';

export class SessionContentWriter implements ContentWriter {
  readonly #store: SessionStore;
  readonly #size: number;
  readonly #blocks: number;
  readonly #base: ContentRef | undefined;
  readonly #tree: TreeWriter;
  readonly #slots: SlotSet;
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
    this.#tree = tree;
    this.#stats = stats;
    this.#signal = signal;
    this.#slots = new SlotSet(store.core.pool);
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
    for (let block = 0; block < indices.length; block++) {
      slot.meta[block * META_FIELDS + Meta.kind] = RecordKind.block;
      slot.meta[block * META_FIELDS + Meta.plain] = block * slot.blockSize;
    }
    const work = { task: 'digest', slot: slot.number, count: indices.length, ciphers: [] } as const;
    const hashed = this.#store.core.pool.run({ ...work, ciphers: [] });
    hashed.catch(() => undefined);
    const numbers = indices.slice();
    this.#chain(async () => {
      let handedOn = false;
      try {
        await hashed;
        handedOn = await this.#retire(slot, numbers);
      } finally {
        if (!handedOn) this.#slots.release(slot);
      }
    });
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
  }

  /** Looks the hashed blocks up and enters them into the tree. @returns whether the slot is being stored from */
  async #retire(slot: Slot, indices: readonly number[]): Promise<boolean> {
    this.#throwFailure();
    const { wanted, rawBytes } = await this.#enter(slot, indices).catch((error) => {
      // Claimed, and now nobody will store them.
      for (let block = 0; block < indices.length; block++)
        if (slot.meta[block * META_FIELDS + Meta.wanted] === 1)
          this.#store.unclaim(RecordKind.block, idAt(slot, block));
      throw error;
    });
    if (wanted === 0) return false;
    this.#stats.newBlocks += wanted;
    const storing = this.#store
      .storeEntries(slot, indices.length, wanted, rawBytes)
      .then((stored) => {
        this.#stats.newBytes += stored;
      })
      .catch((error) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#slots.release(slot);
        this.#storing.delete(storing);
      });
    this.#storing.add(storing);
    return true;
  }

  /** Enters a slot's blocks into the tree and marks those that have to be stored. */
  async #enter(slot: Slot, indices: readonly number[]): Promise<{ wanted: number; rawBytes: number }> {
    let wanted = 0;
    let rawBytes = 0;
    const { scheme } = this.#store.core;
    for (let block = 0; block < indices.length; block++) slot.meta[block * META_FIELDS + Meta.wanted] = 0;
    for (let block = 0; block < indices.length; block++) {
      const index = indices[block]!;
      const meta = block * META_FIELDS;
      const rawLength = slot.meta[meta + Meta.rawLength]!;
      if (!this.#tree.isOpen(index)) await this.#tree.open(index);
      if (rawLength === 0) {
        this.#stats.zeroBlocks += 1;
        this.#tree.set(index, null);
        continue;
      }
      this.#stats.dataBlocks += 1;
      const id = idAt(slot, block);
      this.#tree.set(index, id);
      if (this.#store.claim(RecordKind.block, id)) continue;
      slot.meta[meta + Meta.wanted] = 1;
      wanted += 1;
      rawBytes += rawLength + listLength(scheme, rawLength) + RECORD_HEADER_LENGTH + TAG_LENGTH;
    }
    return { wanted, rawBytes };
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
  #require(blocks: readonly number[]): void {
    this.#throwFailure();
    throwIfCancelled(this.#signal);
    if (this.#finished) throw new HvError('INTERNAL', 'The content is finished.');
    const { capacity } = this.#store.core.pool;
    if (blocks.length > capacity) throw new HvError('INTERNAL', `write() takes at most ${capacity} blocks.`);
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
