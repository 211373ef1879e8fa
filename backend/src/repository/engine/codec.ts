/**
 * The work on one record: compress, encrypt, decode, prove (docs/format.md §2.3). Plain functions on plain memory,
 * called by the codec worker threads and, for single records, by the main thread.
 */
import { zstdDecompressSync } from 'node:zlib';
import { copyBytes } from '../../support/copy-bytes.ts';
import { type BlockScheme, bitmapLength, blockId, listLength, nodeId, pagesOf } from '../format/block-scheme.ts';
import {
  Encoding,
  ID_LENGTH,
  PACK_HEADER_LENGTH,
  RECORD_HEADER_LENGTH,
  RecordKind,
  type ZstdSetting,
} from '../format/constants.ts';
import { TAG_LENGTH } from '../format/keys.ts';
import { parseRecordHeader, type RecordEntry, renderRecordHeader } from '../format/pack-format.ts';
import { compress } from './compress.ts';
import { decompressInto } from './decompress.ts';
import { isZeroEntry, provePages, writeEntry } from './page-list.ts';
import { openBody, openPrefix, type RecordCipher, sealBody } from './record-cipher.ts';
import { ownChunk, release } from './release.ts';
import { claimedLength } from './zstd-frame.ts';

/** What the records of one pack are read and written with. */
export interface RecordContext {
  scheme: BlockScheme;
  /** Present in encrypted repositories. */
  cipher?: RecordCipher;
}

/** What a record is to say. */
export interface RecordDraft {
  kind: RecordKind;
  sequence: number;
  setting: ZstdSetting;
  /** Of a block; of a node its encoding's length. */
  rawLength: number;
  id: Uint8Array;
  /** Of a delta. */
  base?: Uint8Array;
  /** Of blocks and deltas, except in version 1. */
  list?: Buffer;
  /** Content of a block, payload of a delta, encoding of a node. */
  plain: Buffer;
}

/** Most bytes encodeRecord() writes for it. */
export const draftRoom = (draft: Pick<RecordDraft, 'list' | 'plain'>): number =>
  RECORD_HEADER_LENGTH + (draft.list?.length ?? 0) + draft.plain.length + TAG_LENGTH;

/** Writes a whole record at `at` of `out`, which needs draftRoom(). @returns encoding and length of the body */
export function encodeRecord(
  out: Buffer,
  at: number,
  draft: RecordDraft,
  context: RecordContext,
): { encoding: Encoding; storedLength: number } {
  const { plain, list } = draft;
  const packed = compress(plain, draft.setting);
  const payload = packed ?? plain;
  const encoding = packed ? Encoding.zstd : Encoding.stored;
  const storedLength = (list?.length ?? 0) + payload.length + (context.cipher ? TAG_LENGTH : 0);
  renderRecordHeader(out, at, { ...draft, encoding, storedLength });
  const body = at + RECORD_HEADER_LENGTH;
  if (context.cipher) {
    const header = out.subarray(at, body);
    sealBody(context.cipher, header, list ? [list, payload] : [payload], out, body);
  } else {
    if (list) copyBytes(list, out, body);
    copyBytes(payload, out, body + (list?.length ?? 0));
  }
  return { encoding, storedLength };
}

/** A record's body in plain, its shape checked but not its content. */
interface OpenedBody {
  list: Buffer;
  plain: Buffer;
  free(): void;
}

const NOTHING = (): void => undefined;

/**
 * Decrypts and decompresses. @param bytes header and body
 * @param room memory that `plain` may lie at the beginning of, for as long as the caller leaves it alone
 * @returns a sentence when it is damaged
 */
function openRecord(record: RecordEntry, bytes: Buffer, context: RecordContext, room?: Buffer): OpenedBody | string {
  const { scheme, cipher } = context;
  const { kind, rawLength, encoding } = record;
  if (kind !== RecordKind.node && rawLength > scheme.blockSize) return 'the record claims more than a block';
  const stored = bytes.subarray(RECORD_HEADER_LENGTH);
  const body = cipher ? openBody(cipher, bytes.subarray(0, RECORD_HEADER_LENGTH), stored) : stored;
  if (body === null) return 'the record does not decrypt: it was altered, or belongs elsewhere';
  const freeBody = cipher ? () => release(body, body.length) : NOTHING;
  const listEnd = kind === RecordKind.node ? 0 : listLength(scheme, rawLength);
  const pages = pagesOf(scheme, rawLength);
  const most = kind === RecordKind.delta ? bitmapLength(pages) + pages * scheme.pageSize : rawLength;
  if (body.length <= listEnd) return 'the record is too short for its page list';
  const payload = body.subarray(listEnd);
  const list = body.subarray(0, listEnd);
  if (encoding === Encoding.stored) {
    if (payload.length > most) return `the record holds ${payload.length} bytes, more than ${most}`;
    return { list, plain: payload, free: freeBody };
  }
  if (room !== undefined) {
    const length = decompressInto(payload, room.subarray(0, most));
    if (length >= 0) return { list, plain: room.subarray(0, length), free: freeBody };
  }
  // For a small delta not the room of the largest.
  const chunkSize = ownChunk(Math.min(most, claimedLength(payload) ?? most));
  try {
    const plain = zstdDecompressSync(payload, { chunkSize, maxOutputLength: most });
    const free = () => {
      freeBody();
      release(plain, chunkSize);
    };
    return { list, plain, free };
  } catch (error) {
    freeBody();
    return `the record does not decompress (${error instanceof Error ? error.message : String(error)})`;
  }
}

/**
 * Writes a proven record anew for another pack, without compressing again. @param bytes header and body, as long as
 * `out`
 * @param sequence of the record in the pack of `to`
 */
export function moveRecord(
  out: Buffer,
  record: RecordEntry,
  bytes: Buffer,
  sequence: number,
  from: RecordContext,
  to: RecordContext,
): void {
  renderRecordHeader(out, 0, { ...record, sequence });
  const header = bytes.subarray(0, RECORD_HEADER_LENGTH);
  const stored = bytes.subarray(RECORD_HEADER_LENGTH);
  const body = from.cipher ? openBody(from.cipher, header, stored) : stored;
  if (body === null) throw new Error('a proven record does not decrypt');
  if (to.cipher) sealBody(to.cipher, out.subarray(0, RECORD_HEADER_LENGTH), [body], out, RECORD_HEADER_LENGTH);
  else out.set(body, RECORD_HEADER_LENGTH);
}

/** A block or node, proven to be what its id names. */
export interface DecodedWhole {
  /** Empty for nodes and in version 1. */
  list: Buffer;
  plain: Buffer;
  /** To be called when both have been copied. */
  free(): void;
}

const WRONG_HASH = 'the content of the record does not have the hash it is stored under';

/**
 * Decodes a block or node and proves it. @param bytes header and body. @param room see openRecord()
 * @returns a sentence when it is damaged
 */
export function decodeWhole(
  record: RecordEntry,
  bytes: Buffer,
  context: RecordContext,
  room?: Buffer,
): DecodedWhole | string {
  const { scheme } = context;
  const opened = openRecord(record, bytes, context, room);
  if (typeof opened === 'string') return opened;
  const { list, plain } = opened;
  if (plain.length !== record.rawLength)
    return `the record decodes to ${plain.length} bytes instead of ${record.rawLength}`;
  if (record.kind === RecordKind.node) return nodeId(scheme, plain).equals(record.id) ? opened : WRONG_HASH;
  if (scheme.pageSize === 0) return blockId(scheme, plain).equals(record.id) ? opened : WRONG_HASH;
  if (!provePages(list, plain, scheme.pageSize))
    return 'the content of the record does not have the hashes of its page list';
  return blockId(scheme, list).equals(record.id) ? opened : WRONG_HASH;
}

/** A delta, proven but for what it takes from its base. */
export interface DecodedDelta {
  list: Buffer;
  /** Offset in `plain` of each page that the delta changes; 0 where it is zeros, -1 where the base's counts. */
  pages: Int32Array;
  plain: Buffer;
  free(): void;
}

/**
 * Decodes a delta record.
 * @param bytes header and body.
 * @param room see openRecord().
 * @returns a sentence when it is damaged
 */
export function decodeDelta(
  record: RecordEntry,
  bytes: Buffer,
  context: RecordContext,
  room?: Buffer,
): DecodedDelta | string {
  const { scheme } = context;
  if (scheme.pageSize === 0) return 'a repository of version 1 has no deltas';
  const opened = openRecord(record, bytes, context, room);
  if (typeof opened === 'string') return opened;
  const { list, plain } = opened;
  if (!blockId(scheme, list).equals(record.id)) return WRONG_HASH;
  const count = pagesOf(scheme, record.rawLength);
  const pages = new Int32Array(count).fill(-1);
  const found = Buffer.alloc(ID_LENGTH);
  const bitmap = bitmapLength(count);
  let at = bitmap;
  if (plain.length < at) return 'the delta is shorter than its bitmap';
  for (let page = 0; page < bitmap * 8; page++) {
    if (!(plain[page >> 3]! & (1 << (page & 7)))) continue;
    if (page >= count) return 'the bitmap of the delta names pages beyond its end';
    pages[page] = 0;
    if (isZeroEntry(list, page)) continue;
    const end = at + scheme.pageSize;
    if (end > plain.length) return 'the delta holds fewer pages than its bitmap names';
    writeEntry(found, 0, plain, at, end);
    if (found.compare(list, page * ID_LENGTH, (page + 1) * ID_LENGTH) !== 0)
      return 'the content of the delta does not have the hashes of its page list';
    pages[page] = at;
    at = end;
  }
  if (at !== plain.length) return 'the delta holds more than its bitmap names';
  return { ...opened, pages };
}

/** Reads the header at `at` of `bytes`. @returns a sentence when it is none, or not that of `id` */
export function parseRecord(bytes: Buffer, at: number, id: Buffer): RecordEntry | string {
  try {
    const record = parseRecordHeader(bytes, at, 'record', PACK_HEADER_LENGTH);
    return record.id.equals(id) ? record : 'the record is not the one that is listed here';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * The page list of a whole block, from the beginning of its record: proven by the id, though the rest is not.
 * @param bytes header and at least the page list; @returns a sentence when it is damaged
 */
export function readList(
  record: RecordEntry,
  bytes: Buffer,
  scheme: BlockScheme,
  cipher: RecordCipher | undefined,
): Buffer | string {
  if (record.kind !== RecordKind.block || record.rawLength > scheme.blockSize) return 'the record is no block';
  const header = bytes.subarray(0, RECORD_HEADER_LENGTH);
  const stored = bytes.subarray(RECORD_HEADER_LENGTH, RECORD_HEADER_LENGTH + listLength(scheme, record.rawLength));
  const list = cipher ? openPrefix(cipher, header, stored) : stored;
  return blockId(scheme, list).equals(record.id) ? list : 'the page list does not give the id';
}
