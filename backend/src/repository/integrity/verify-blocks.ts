/** Checks blocks by their ids, in the order they are handed in: slot after slot through the workers, several ahead. */
import { throwIfCancelled } from '../../support/errors.ts';
import type { RepositoryCore } from '../core.ts';
import { idAt, type Slot } from '../engine/slot.ts';
import { SlotSet } from '../engine/worker-pool.ts';
import { recordRoom } from '../format/block-scheme.ts';
import { ID_LENGTH, RECORD_HEADER_LENGTH } from '../format/constants.ts';
import type { VerifyOptions } from '../port/maintenance.ts';
import type { RecordLocation } from '../records/record-index.ts';
import { fetchBatch } from '../tree/content-stream.ts';
import type { BlockSource } from '../tree/read-plan.ts';
import { BaseLists } from './verify-bases.ts';

interface OpenSlot {
  slot: Slot;
  count: number;
  /** Where the records are, as far as that is known. */
  sources: (BlockSource | undefined)[];
  /** Of the records. */
  bytes: number;
  /** Bytes left of the slot's input. */
  room: number;
}

/** Every block, not a sample: then the bases of deltas are checked by themselves. */
export const isWhole = (options: VerifyOptions): boolean => (options.samplePercent ?? 100) >= 100;

export class BlockChecker {
  /** Expected, for the progress. */
  totalBytes = 0;
  /** Of records checked. */
  readBytes = 0;
  /** Decoded. */
  verifiedBytes = 0;
  /** What deltas are over. */
  readonly bases: BaseLists;
  readonly #core: RepositoryCore;
  readonly #options: VerifyOptions;
  readonly #lost: (error: unknown, id: Buffer) => void;
  readonly #slots: SlotSet;
  readonly #running = new Set<Promise<void>>();
  /** Whether the bases of deltas are handed in too. */
  readonly #onlyProve: boolean;
  #open: OpenSlot | undefined;
  #failure: unknown;

  /** @param lost called for each block that no record gives; may throw what is no damage */
  constructor(core: RepositoryCore, options: VerifyOptions, lost: (error: unknown, id: Buffer) => void) {
    this.#core = core;
    this.bases = new BaseLists(core);
    this.#options = options;
    this.#lost = lost;
    this.#slots = new SlotSet(core.pool);
    this.#onlyProve = isWhole(options);
  }

  /** Takes a block; waits while enough are under way. @param bytes of its record; @param location when it is sure */
  async add(id: Uint8Array, rawLength: number, bytes: number, location?: RecordLocation): Promise<void> {
    const source = location && this.#sourceAt(location);
    const room = this.#roomFor(source);
    if (this.#open !== undefined && this.#open.room < room) this.#start();
    if (this.#open !== undefined) return this.#enter(id, rawLength, bytes, source, room);
    throwIfCancelled(this.#options.signal);
    // The id may be a view that changes while we wait.
    const copy = Buffer.from(id);
    const slot = await this.#slots.acquire();
    this.#open = { slot, count: 0, sources: [], bytes: 0, room: slot.input.length };
    if (this.#failure !== undefined) throw this.#failure;
    this.#enter(copy, rawLength, bytes, source, room);
  }

  /** Waits for everything. @throws what a check failed with, damage excepted */
  async finish(): Promise<void> {
    this.#start();
    await Promise.all(this.#running);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#running);
    if (this.#open !== undefined) this.#slots.release(this.#open.slot);
    this.#open = undefined;
    this.#slots.dispose();
  }

  #enter(id: Uint8Array, rawLength: number, bytes: number, source: BlockSource | undefined, room: number): void {
    const open = this.#open!;
    open.slot.ids.set(id, open.count * ID_LENGTH);
    open.sources.push(source);
    open.count += 1;
    open.bytes += bytes;
    open.room -= room;
    this.verifiedBytes += rawLength;
    // What is only proven leaves no blocks behind that would take room.
    if (open.count === (this.#onlyProve ? open.slot.entries : open.slot.capacity)) this.#start();
  }

  /** Bytes of a slot's input. */
  #roomFor(source: BlockSource | undefined): number {
    if (source === undefined) return 2 * recordRoom(this.#core.scheme);
    return RECORD_HEADER_LENGTH + source.location.storedLength + (source.baseBytes?.length ?? 0);
  }

  /** @returns undefined when it takes a closer look */
  #sourceAt(location: RecordLocation): BlockSource | undefined {
    if (RECORD_HEADER_LENGTH + location.storedLength > recordRoom(this.#core.scheme)) return undefined;
    if (location.base === undefined) return { location };
    const base = this.#onlyProve ? this.bases.of(location.base) : undefined;
    return base && { location, base: base.location, baseBytes: base.beginning };
  }

  #start(): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    const { slot, count, sources, bytes } = open;
    const lost = (error: unknown, position: number) => this.#lost(error, idAt(slot, position));
    const positions = Array.from({ length: count }, (_, position) => position);
    const task = fetchBatch(this.#core, slot, positions, lost, this.#onlyProve, sources)
      .then((unreadable) => {
        for (const position of positions) {
          const source = sources[position];
          if (source && !unreadable.has(position))
            this.bases.keep(idAt(slot, position), source.location, slot, position);
        }
        this.readBytes += bytes;
        const { totalBytes, readBytes: doneBytes } = this;
        this.#options.progress?.({ phase: 'verify', doneBytes, totalBytes: Math.max(totalBytes, doneBytes) });
      })
      .catch((error) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#slots.release(slot);
        this.#running.delete(task);
      });
    this.#running.add(task);
  }
}
