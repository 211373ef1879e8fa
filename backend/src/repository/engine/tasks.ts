/** What a codec worker does with a slot, and the messages that ask for it. */
import { type Encoding, PACK_HEADER_LENGTH, RECORD_HEADER_LENGTH, RecordKind } from '../format/constants.ts';
import { parseRecordHeader } from '../format/pack-format.ts';
import { decodePayload, encodeRecord, idOf, releaseDecoded, trimmedLength } from './codec.ts';
import { idAt, META_FIELDS, Meta, type Slot, type SlotMemory } from './slot.ts';

export type TaskRequest =
  /** Trims and hashes the first `count` blocks: fills ids and raw lengths. */
  | { task: 'hash'; slot: number; count: number }
  /** Encodes the wanted ones of the first `count` blocks as records, one behind the other in `output`. */
  | { task: 'encode'; slot: number; count: number; level: number; sequence: number }
  /** Decodes and checks `count` records of `input` into consecutive blocks of `output`. */
  | { task: 'decode'; slot: number; count: number };

/** A record that could not be decoded. */
export interface Failure {
  block: number;
  message: string;
}
export interface TaskResult {
  /** encode: bytes of `output` used. */
  length: number;
  failures: Failure[];
}

export type WorkerRequest = { add: SlotMemory } | ({ id: number } & TaskRequest);
export type WorkerReply = { id: number; result: TaskResult } | { id: number; error: string };

export function runTask(slot: Slot, request: TaskRequest): TaskResult {
  if (request.task === 'hash') return hashBlocks(slot, request.count);
  if (request.task === 'encode') return encodeBlocks(slot, request.count, request.level, request.sequence);
  return decodeRecords(slot, request.count);
}

function hashBlocks(slot: Slot, count: number): TaskResult {
  for (let block = 0; block < count; block++) {
    const start = block * slot.blockSize;
    const length = trimmedLength(slot.input, start, start + slot.blockSize);
    slot.meta[block * META_FIELDS + Meta.rawLength] = length;
    if (length > 0) idOf(RecordKind.block, slot.input.subarray(start, start + length)).copy(idAt(slot, block));
  }
  return { length: 0, failures: [] };
}

function encodeBlocks(slot: Slot, count: number, level: number, firstSequence: number): TaskResult {
  let at = 0;
  let sequence = firstSequence;
  for (let block = 0; block < count; block++) {
    const meta = block * META_FIELDS;
    if (slot.meta[meta + Meta.wanted] !== 1) continue;
    const start = block * slot.blockSize;
    const raw = slot.input.subarray(start, start + slot.meta[meta + Meta.rawLength]!);
    const record = { kind: RecordKind.block, sequence, level };
    const { encoding, storedLength } = encodeRecord(slot.output, at, record, raw, idAt(slot, block));
    slot.meta[meta + Meta.offset] = at;
    slot.meta[meta + Meta.storedLength] = storedLength;
    slot.meta[meta + Meta.encoding] = encoding;
    at += RECORD_HEADER_LENGTH + storedLength;
    sequence += 1;
  }
  return { length: at, failures: [] };
}

function decodeRecords(slot: Slot, count: number): TaskResult {
  const failures: Failure[] = [];
  for (let block = 0; block < count; block++) {
    const start = block * slot.blockSize;
    const raw = decodeAt(slot, block);
    if (typeof raw === 'string') failures.push({ block, message: raw });
    const length = typeof raw === 'string' ? 0 : raw.copy(slot.output, start);
    slot.output.fill(0, start + length, start + slot.blockSize);
    const encoding = slot.meta[block * META_FIELDS + Meta.encoding] as Encoding;
    if (typeof raw !== 'string') releaseDecoded(raw, encoding);
  }
  return { length: 0, failures };
}

function decodeAt(slot: Slot, block: number): Buffer | string {
  const meta = block * META_FIELDS;
  const at = slot.meta[meta + Meta.offset]!;
  const rawLength = slot.meta[meta + Meta.rawLength]!;
  const storedLength = slot.meta[meta + Meta.storedLength]!;
  const encoding = slot.meta[meta + Meta.encoding] as Encoding;
  const id = idAt(slot, block);
  let header: ReturnType<typeof parseRecordHeader>;
  try {
    header = parseRecordHeader(slot.input, at, 'record', PACK_HEADER_LENGTH);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const asListed =
    header.kind === RecordKind.block &&
    header.id.equals(id) &&
    header.storedLength === storedLength &&
    header.rawLength === rawLength &&
    header.encoding === encoding;
  if (!asListed || rawLength > slot.blockSize) return 'the record is not the one that is listed here';
  const payload = slot.input.subarray(at + RECORD_HEADER_LENGTH, at + RECORD_HEADER_LENGTH + storedLength);
  return decodePayload(RecordKind.block, encoding, payload, rawLength, id);
}
