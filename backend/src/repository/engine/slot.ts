/** A piece of memory that main thread and codec workers share: a run of blocks, and what becomes of it. */
import { alignedSharedMemory } from '../../support/aligned-memory.ts';
import { type BlockScheme, listLength, recordRoom } from '../format/block-scheme.ts';
import { ID_LENGTH } from '../format/constants.ts';

/** Numbers kept for each entry of a slot. */
export const META_FIELDS = 12;
/** Offsets and lengths are bytes. */
export const Meta = {
  /** Writing: of the block, 0 when it is all zero. Reading: of the record. */
  rawLength: 0,
  /** Writing: 1 when the entry is to be encoded. */
  wanted: 1,
  /** Of its record; writing: in `output`, reading: in `input`. */
  offset: 2,
  storedLength: 3,
  /** Writing: of the record made. */
  encoding: 4,
  /** RecordKind. Writing: what it is to become. Reading: what the record is listed as. */
  kind: 5,
  /** Writing: where the plain block lies in `input`; of a delta its payload, see patch.ts. */
  plain: 6,
  /**
   * Writing a block: bytes of it that may not be zero. Writing a delta: room for its payload, then the payload's
   * length.
   */
  plainLength: 7,
  /** Reading a delta: the base's record in `input`. Writing a delta: the record of the block that was there before. */
  baseOffset: 8,
  /** Body of that record; writing: header and as much of the body as was read. */
  baseLength: 9,
  /** Reading: which of the task's ciphers the record needs. */
  cipher: 10,
  /** The same for the record at baseOffset. */
  baseCipher: 11,
} as const;

/** The shared parts; a message carries them to each worker once. */
export interface SlotMemory {
  number: number;
  blockSize: number;
  /** Blocks it holds. */
  capacity: number;
  input: SharedArrayBuffer;
  output: SharedArrayBuffer;
  ids: SharedArrayBuffer;
  baseIds: SharedArrayBuffer;
  lists: SharedArrayBuffer;
  meta: SharedArrayBuffer;
}

export interface Slot {
  number: number;
  blockSize: number;
  /** Whole blocks it holds. */
  capacity: number;
  /** Entries it has ids, page lists and numbers for: changed parts of blocks take less room than blocks. */
  entries: number;
  memory: SlotMemory;
  /** Writing: plain blocks, or changed pages. Reading: records as stored. Room for two records a block. */
  input: Buffer;
  /** Writing: records. Reading: plain blocks. */
  output: Buffer;
  /** `entries` × 32 bytes. */
  ids: Buffer;
  /** Writing deltas: the id of the block that was there before, then of the delta's base. */
  baseIds: Buffer;
  /** A page list for each entry, at equal distances. */
  lists: Buffer;
  /** `entries` × META_FIELDS. */
  meta: Int32Array;
}

const MIN_ENTRIES = 64;
export function createSlotMemory(number: number, scheme: BlockScheme, capacity: number): SlotMemory {
  const entries = Math.max(capacity, MIN_ENTRIES);
  const room = capacity * recordRoom(scheme);
  return {
    number,
    blockSize: scheme.blockSize,
    capacity,
    // Memory that is never touched costs nothing. Aligned, so that files can be read into it, and written from it,
    // directly.
    input: alignedSharedMemory(2 * room),
    output: alignedSharedMemory(room),
    ids: new SharedArrayBuffer(entries * ID_LENGTH),
    baseIds: new SharedArrayBuffer(entries * ID_LENGTH),
    lists: new SharedArrayBuffer(entries * listLength(scheme, scheme.blockSize)),
    meta: new SharedArrayBuffer(entries * META_FIELDS * 4),
  };
}

export function viewSlot(memory: SlotMemory): Slot {
  return {
    number: memory.number,
    blockSize: memory.blockSize,
    capacity: memory.capacity,
    entries: memory.ids.byteLength / ID_LENGTH,
    memory,
    input: Buffer.from(memory.input),
    output: Buffer.from(memory.output),
    ids: Buffer.from(memory.ids),
    baseIds: Buffer.from(memory.baseIds),
    lists: Buffer.from(memory.lists),
    meta: new Int32Array(memory.meta),
  };
}

export const idAt = (slot: Slot, entry: number): Buffer =>
  slot.ids.subarray(entry * ID_LENGTH, (entry + 1) * ID_LENGTH);

export const baseIdAt = (slot: Slot, entry: number): Buffer =>
  slot.baseIds.subarray(entry * ID_LENGTH, (entry + 1) * ID_LENGTH);

/** The room of an entry's page list; empty in version 1. */
export function listAt(slot: Slot, entry: number): Buffer {
  const room = slot.lists.length / slot.entries;
  return slot.lists.subarray(entry * room, (entry + 1) * room);
}
