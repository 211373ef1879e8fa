/** A piece of memory that main thread and codec workers share: a run of blocks, and what becomes of it. */
import { ID_LENGTH, RECORD_HEADER_LENGTH } from '../format/constants.ts';

/** Numbers kept for each block of a slot. */
export const META_FIELDS = 5;
export const Meta = {
  /** Trimmed length (writing); raw length (reading). */
  rawLength: 0,
  /** Writing: 1 when the block is to be encoded. */
  wanted: 1,
  /** Writing: offset of its record in `output`. Reading: offset of its record in `input`. */
  offset: 2,
  storedLength: 3,
  encoding: 4,
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
  meta: SharedArrayBuffer;
}

export interface Slot extends Omit<SlotMemory, 'input' | 'output' | 'ids' | 'meta'> {
  memory: SlotMemory;
  /** Writing: plain blocks. Reading: records as stored. */
  input: Buffer;
  /** Writing: records. Reading: plain blocks. */
  output: Buffer;
  /** `capacity` × 32 bytes. */
  ids: Buffer;
  /** `capacity` × META_FIELDS. */
  meta: Int32Array;
}

export function createSlotMemory(number: number, blockSize: number, capacity: number): SlotMemory {
  // Either side may hold records with their headers.
  const bytes = capacity * (blockSize + RECORD_HEADER_LENGTH);
  return {
    number,
    blockSize,
    capacity,
    input: new SharedArrayBuffer(bytes),
    output: new SharedArrayBuffer(bytes),
    ids: new SharedArrayBuffer(capacity * ID_LENGTH),
    meta: new SharedArrayBuffer(capacity * META_FIELDS * 4),
  };
}

export function viewSlot(memory: SlotMemory): Slot {
  return {
    number: memory.number,
    blockSize: memory.blockSize,
    capacity: memory.capacity,
    memory,
    input: Buffer.from(memory.input),
    output: Buffer.from(memory.output),
    ids: Buffer.from(memory.ids),
    meta: new Int32Array(memory.meta),
  };
}

export const idAt = (slot: Slot, block: number): Buffer =>
  slot.ids.subarray(block * ID_LENGTH, (block + 1) * ID_LENGTH);
