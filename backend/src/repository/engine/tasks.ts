/** What a codec worker does with a slot, and the messages that ask for it. */
import { copyBytes } from '../../support/copy-bytes.ts';
import { type BlockScheme, blockId, listLength, recordRoom } from '../format/block-scheme.ts';
import { RECORD_HEADER_LENGTH, RecordKind, type ZstdSetting } from '../format/constants.ts';
import type { RecordEntry } from '../format/pack-format.ts';
import { decodeDelta, decodeWhole, encodeRecord, parseRecord, type RecordDraft, readList } from './codec.ts';
import { applyDelta, fitsBase } from './delta.ts';
import { writePageList } from './page-list.ts';
import { digestPatch } from './patch.ts';
import type { RecordCipher } from './record-cipher.ts';
import { baseIdAt, idAt, listAt, META_FIELDS, Meta, type Slot, type SlotMemory } from './slot.ts';
import { clear, trimmedLength } from './zeros.ts';

export type TaskRequest =
  /** Finds ids, page lists and raw lengths of the first `count` entries: blocks, or patches (see patch.ts). */
  | { task: 'digest'; slot: number; count: number; ciphers: RecordCipher[] }
  /** Encodes the wanted ones of the first `count` entries as records, one behind the other in `output`. */
  | { task: 'encode'; slot: number; count: number; setting: ZstdSetting; sequence: number; cipher?: RecordCipher }
  /**
   * Decodes and proves `count` records of `input`, deltas over their bases, into consecutive blocks of `output`. With
   * `onlyProve` of the bases only the beginnings are there, and of deltas nothing is written.
   */
  | { task: 'decode'; slot: number; count: number; ciphers: RecordCipher[]; onlyProve?: boolean };

/** An entry that could not be done. */
interface Failure {
  block: number;
  message: string;
}
export interface TaskResult {
  /** encode: bytes of `output` used. */
  length: number;
  failures: Failure[];
}

/** The scheme is the first message a worker gets. */
export type WorkerRequest = { scheme: BlockScheme } | { add: SlotMemory } | ({ id: number } & TaskRequest);
export type WorkerReply = { id: number; result: TaskResult } | { id: number; error: string };

export function runTask(slot: Slot, request: TaskRequest, scheme: BlockScheme): TaskResult {
  if (request.task === 'digest') return digestEntries(slot, request.count, scheme, request.ciphers);
  if (request.task === 'encode') return encodeEntries(slot, request, scheme);
  return decodeRecords(slot, request, scheme);
}

function digestEntries(slot: Slot, count: number, scheme: BlockScheme, ciphers: readonly RecordCipher[]): TaskResult {
  const failures: Failure[] = [];
  for (let block = 0; block < count; block++) {
    const meta = block * META_FIELDS;
    if (slot.meta[meta + Meta.kind] === RecordKind.delta) {
      const message = digestPatch(slot, block, scheme, ciphers[slot.meta[meta + Meta.baseCipher]!]);
      if (message !== null) failures.push({ block, message });
    } else {
      digestBlock(slot, block, scheme);
    }
  }
  return { length: 0, failures };
}

function digestBlock(slot: Slot, block: number, scheme: BlockScheme): void {
  const meta = block * META_FIELDS;
  const start = slot.meta[meta + Meta.plain]!;
  const length = trimmedLength(slot.input, start, start + slot.meta[meta + Meta.plainLength]!);
  slot.meta[meta + Meta.rawLength] = length;
  if (length === 0) return;
  const list = listAt(slot, block);
  const named =
    scheme.pageSize === 0
      ? slot.input.subarray(start, start + length)
      : list.subarray(0, writePageList(list, slot.input, start, start + length, scheme.pageSize));
  blockId(scheme, named).copy(idAt(slot, block));
}

function encodeEntries(slot: Slot, request: TaskRequest & { task: 'encode' }, scheme: BlockScheme): TaskResult {
  const context = { scheme, cipher: request.cipher };
  let at = 0;
  let { sequence } = request;
  for (let block = 0; block < request.count; block++) {
    const meta = slot.meta.subarray(block * META_FIELDS, (block + 1) * META_FIELDS);
    if (meta[Meta.wanted] !== 1) continue;
    const isDelta = meta[Meta.kind] === RecordKind.delta;
    const rawLength = meta[Meta.rawLength]!;
    const start = meta[Meta.plain]!;
    const draft: RecordDraft = {
      kind: isDelta ? RecordKind.delta : RecordKind.block,
      sequence,
      setting: request.setting,
      rawLength,
      id: idAt(slot, block),
      base: isDelta ? baseIdAt(slot, block) : undefined,
      list: listAt(slot, block).subarray(0, listLength(scheme, rawLength)),
      plain: slot.input.subarray(start, start + (isDelta ? meta[Meta.plainLength]! : rawLength)),
    };
    const { encoding, storedLength } = encodeRecord(slot.output, at, draft, context);
    meta[Meta.offset] = at;
    meta[Meta.storedLength] = storedLength;
    meta[Meta.encoding] = encoding;
    at += RECORD_HEADER_LENGTH + storedLength;
    sequence += 1;
  }
  return { length: at, failures: [] };
}

function decodeRecords(slot: Slot, request: TaskRequest & { task: 'decode' }, scheme: BlockScheme): TaskResult {
  const { count, ciphers, onlyProve } = request;
  const failures: Failure[] = [];
  for (let block = 0; block < count; block++) {
    if (onlyProve && slot.meta[block * META_FIELDS + Meta.kind] === RecordKind.delta) {
      const message = proveDelta(slot, block, scheme, ciphers);
      if (message !== null) failures.push({ block, message });
      continue;
    }
    const start = block * slot.blockSize;
    const length = decodeEntry(slot, block, scheme, ciphers, onlyProve);
    if (typeof length === 'string') failures.push({ block, message: length });
    if (!onlyProve) clear(slot.output, start + (typeof length === 'string' ? 0 : length), start + slot.blockSize);
  }
  return { length: 0, failures };
}

/** @returns bytes written to the block's place in `output` (none with `onlyProve`), or why not */
function decodeEntry(
  slot: Slot,
  block: number,
  scheme: BlockScheme,
  ciphers: readonly RecordCipher[],
  onlyProve = false,
): number | string {
  const meta = slot.meta.subarray(block * META_FIELDS, (block + 1) * META_FIELDS);
  // What is only proven may share its room: there may be more of it than blocks have room, and the room stays in the
  // processor's cache.
  const start = onlyProve ? 0 : block * slot.blockSize;
  if (meta[Meta.kind] === 0) return 'it is read otherwise';
  const found = recordAt(slot, meta[Meta.offset]!, meta[Meta.storedLength]!, meta[Meta.kind]!, idAt(slot, block));
  if (typeof found === 'string') return found;
  const context = { scheme, cipher: ciphers[meta[Meta.cipher]!] };
  const room = slot.output.subarray(start, start + slot.blockSize);
  if (found.record.base === undefined) {
    const whole = decodeWhole(found.record, found.bytes, context, room);
    if (typeof whole === 'string') return whole;
    const { length } = whole.plain;
    // What was stored as it is, or came out of Node's one-shot call, is elsewhere.
    if (!onlyProve && whole.plain.buffer !== room.buffer) copyBytes(whole.plain, slot.output, start);
    whole.free();
    return length;
  }
  const below = recordAt(slot, meta[Meta.baseOffset]!, meta[Meta.baseLength]!, RecordKind.block, found.record.base);
  if (typeof below === 'string') return below;
  const delta = decodeDelta(found.record, found.bytes, context, scratch(recordRoom(scheme)));
  if (typeof delta === 'string') return delta;
  const baseContext = { scheme, cipher: ciphers[meta[Meta.baseCipher]!] };
  const base = decodeWhole(below.record, below.bytes, baseContext, room);
  const length = typeof base === 'string' ? base : applyDelta(delta, base, scheme, slot.output, start);
  if (typeof base !== 'string') base.free();
  delta.free();
  return length;
}

let spare = Buffer.alloc(0);

/** Memory of this thread for what is used up before the next record. */
function scratch(length: number): Buffer {
  if (spare.length < length) spare = Buffer.allocUnsafeSlow(length);
  return spare;
}

/** Holds a delta against the page list of its base. @returns why not, null when all is well */
function proveDelta(slot: Slot, block: number, scheme: BlockScheme, ciphers: readonly RecordCipher[]): string | null {
  const meta = slot.meta.subarray(block * META_FIELDS, (block + 1) * META_FIELDS);
  const id = idAt(slot, block);
  const found = recordAt(slot, meta[Meta.offset]!, meta[Meta.storedLength]!, RecordKind.delta, id);
  if (typeof found === 'string') return found;
  const at = meta[Meta.baseOffset]!;
  const base = parseRecord(slot.input, at, found.record.base!);
  if (typeof base === 'string') return base;
  const bytes = slot.input.subarray(at, at + RECORD_HEADER_LENGTH + meta[Meta.baseLength]!);
  const list = readList(base, bytes, scheme, ciphers[meta[Meta.baseCipher]!]);
  if (typeof list === 'string') return list;
  const context = { scheme, cipher: ciphers[meta[Meta.cipher]!] };
  const delta = decodeDelta(found.record, found.bytes, context, scratch(recordRoom(scheme)));
  if (typeof delta === 'string') return delta;
  const problem = fitsBase(delta, list);
  delta.free();
  return problem;
}

/** The record that is listed at `at` of the input. */
function recordAt(
  slot: Slot,
  at: number,
  storedLength: number,
  kind: number,
  id: Buffer,
): { record: RecordEntry; bytes: Buffer } | string {
  const record = parseRecord(slot.input, at, id);
  if (typeof record === 'string') return record;
  if (record.kind !== kind || record.storedLength !== storedLength)
    return 'the record is not the one that is listed here';
  return { record, bytes: slot.input.subarray(at, at + RECORD_HEADER_LENGTH + storedLength) };
}
