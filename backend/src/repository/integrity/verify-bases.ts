/**
 * Page lists of the blocks that deltas are over. A verification checks these blocks themselves; what it has read of
 * them is kept, so that the deltas over them need no reading of their own, scattered all over the packs.
 */
import type { RepositoryCore } from '../core.ts';
import { META_FIELDS, Meta, type Slot } from '../engine/slot.ts';
import { listLength } from '../format/block-scheme.ts';
import { RECORD_HEADER_LENGTH } from '../format/constants.ts';
import { keyOf } from '../format/ids.ts';
import { LiveSet } from '../records/live-set.ts';
import type { RecordLocation } from '../records/record-index.ts';

/** Bytes kept; more are read when they are needed. */
const LIMIT = 24 * 1024 * 1024;

/**
 * Where a base is, and its record as far as its page list goes, as it is stored: the caller holds it against the
 * base's id.
 */
export interface BaseList {
  location: RecordLocation;
  beginning: Buffer;
}

export class BaseLists {
  readonly #core: RepositoryCore;
  /** Records of bases. */
  readonly #wanted = new LiveSet();
  /** By the base's id. */
  readonly #kept = new Map<string, BaseList>();
  #bytes = 0;

  constructor(core: RepositoryCore) {
    this.#core = core;
  }

  /** A delta that will be checked is over this record. */
  want(location: RecordLocation): void {
    if (this.#wanted.addPackOf(location, this.#core.index)) this.#wanted.mark(location);
  }

  /** Packs with bases are to be gone through before the others. */
  isIn(packId: string): boolean {
    return (this.#wanted.get(packId)?.liveRecords ?? 0) > 0;
  }

  /** Keeps the list of what has been read into a slot, when deltas need it. @param position in the slot */
  keep(id: Buffer, location: RecordLocation, slot: Slot, position: number): void {
    if (!this.#wanted.isLive(location.packId, location.ordinal)) return;
    const length = RECORD_HEADER_LENGTH + listLength(this.#core.scheme, location.rawLength);
    if (this.#bytes + length > LIMIT || location.base !== undefined) return;
    const at = slot.meta[position * META_FIELDS + Meta.offset]!;
    this.#bytes += length;
    this.#kept.set(keyOf(id), { location, beginning: Buffer.from(slot.input.subarray(at, at + length)) });
  }

  of(base: Buffer): BaseList | undefined {
    return this.#kept.get(keyOf(base));
  }
}
