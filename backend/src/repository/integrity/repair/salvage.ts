/**
 * Gets the records out of a pack that does not read as one (docs/format.md §6): a header, table of contents or trailer
 * that is damaged, bytes that were appended, overwritten or cut off. The records are located by the table of
 * contents, by an index that named the pack, or by a search for their headers. Each is decoded and held against its id,
 * so nothing here is believed.
 */
import { crc32 } from 'node:zlib';
import { isHvError } from '../../../support/errors.ts';
import type { RepositoryCore } from '../../core.ts';
import { decodeDelta, decodeWhole, type RecordContext } from '../../engine/codec.ts';
import type { RecordCipher } from '../../engine/record-cipher.ts';
import { PACK_HEADER_LENGTH, PACK_TRAILER_LENGTH, RECORD_HEADER_LENGTH, RecordKind } from '../../format/constants.ts';
import { repositoryIdBytes } from '../../format/ids.ts';
import { packName } from '../../format/names.ts';
import {
  type PackTrailer,
  parsePackHeader,
  parseRecordHeader,
  parseToc,
  parseTrailer,
  type RecordEntry,
  recordLength,
  renderRecordHeader,
} from '../../format/pack-format.ts';
import { packCipher } from '../../records/pack-ciphers.ts';
import { readTolerantly } from './tolerant-read.ts';

/** Places that are taken for a trailer. */
const MAX_TRAILERS = 64;
/** Sequence numbers are handed out for records that may not come. */
const MORE_SEQUENCES = 64;

/** A record as it can be moved to another pack: proven, its header as it was written. */
export interface SalvagedRecord {
  record: RecordEntry;
  /** Header and body. */
  bytes: Buffer;
  context: RecordContext;
}

export interface Salvage {
  sound: SalvagedRecord[];
  /** What the pack holds and what does not decode. */
  lost: RecordEntry[];
  /** All of it that could be read, zeros where nothing could; null when next to nothing could. */
  bytes: Buffer | null;
}

/** @param listed what an index says of the pack, when one named it; @param length of the object, bytes */
export async function salvagePack(
  core: RepositoryCore,
  id: string,
  length: number,
  listed: readonly RecordEntry[],
): Promise<Salvage> {
  const path = packName(id);
  const bytes = await readTolerantly(core.storage, path, length);
  if (bytes === null) return { sound: [], lost: [...listed], bytes };
  const cipher = cipherOf(core, bytes, id);
  const entries = findEntries(bytes, path, listed);
  const sound: SalvagedRecord[] = [];
  const lost: RecordEntry[] = [];
  for (const entry of entries) {
    const found = cipher === null ? null : provenRecord(bytes, entry, { scheme: core.scheme, cipher }, entries.length);
    if (found === null) lost.push(entry);
    else sound.push(found);
  }
  return { sound, lost, bytes };
}

/**
 * What the records are encrypted with. The salt stands in the header alone: with it goes all that is in the pack.
 * @returns undefined without encryption; null when the pack is of another repository
 */
function cipherOf(core: RepositoryCore, bytes: Buffer, id: string): RecordCipher | undefined | null {
  const { config, keys } = core;
  const head = withRightBit(bytes.subarray(0, PACK_HEADER_LENGTH)) ?? bytes.subarray(0, PACK_HEADER_LENGTH);
  let packId = id;
  let salt = head.subarray(60, 92);
  try {
    // Swapped with another, it is that other pack, and its records are bound to that.
    packId = head.toString('hex', 28, 44);
    ({ salt } = parsePackHeader(head, packName(packId), config.id));
  } catch (error) {
    if (!isHvError(error, 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED')) throw error;
    const isWhole = head.length === PACK_HEADER_LENGTH && crc32(head.subarray(0, 92)) === head.readUInt32LE(92);
    if (isWhole && !head.subarray(12, 28).equals(repositoryIdBytes(config.id))) return null;
    packId = id;
  }
  return keys === null ? undefined : packCipher(keys, config.id, packId, Uint8Array.from(salt));
}

function findEntries(bytes: Buffer, path: string, listed: readonly RecordEntry[]): RecordEntry[] {
  const table = findTable(bytes, path);
  if (table !== null) return table;
  // Both may know of records that the other does not: of an index written for a pack of this name, of a body cut in the
  // middle.
  const found = new Map(scanRecords(bytes, path).map((record) => [record.offset, record]));
  for (const record of listed) if (!found.has(record.offset)) found.set(record.offset, record);
  return [...found.values()].sort((a, b) => a.offset - b.offset);
}

/** The table of contents, by the last trailer that is right: what lies behind it was appended. */
function findTable(bytes: Buffer, path: string): RecordEntry[] | null {
  let tries = 0;
  for (let at = bytes.length - PACK_TRAILER_LENGTH; at >= PACK_HEADER_LENGTH && tries < MAX_TRAILERS; tries++) {
    const found = tableAt(bytes, at, path);
    if (found !== null) return found;
    at = bytes.lastIndexOf('HVBKTOC1', at - 1, 'latin1');
  }
  return null;
}

function tableAt(bytes: Buffer, at: number, path: string): RecordEntry[] | null {
  const trailer = withRightBit(bytes.subarray(at, at + PACK_TRAILER_LENGTH));
  if (trailer === null) return null;
  try {
    const found: PackTrailer = parseTrailer(trailer, path, at + PACK_TRAILER_LENGTH);
    return parseToc(bytes.subarray(found.tocOffset, at), found, path);
  } catch (error) {
    if (isHvError(error, 'REPOSITORY_DAMAGED')) return null;
    throw error;
  }
}

/** By their headers, one behind the other; behind one that cannot be read the next that can. */
function scanRecords(bytes: Buffer, path: string): RecordEntry[] {
  const found: RecordEntry[] = [];
  for (let at = PACK_HEADER_LENGTH; at >= 0 && at + RECORD_HEADER_LENGTH < bytes.length; ) {
    const record = headerAt(bytes, at, path);
    if (record === null || at + recordLength(record) > bytes.length) {
      at = bytes.indexOf('HVBR', at + 1, 'latin1');
      continue;
    }
    found.push(record);
    at += recordLength(record);
  }
  return found;
}

function headerAt(bytes: Buffer, at: number, path: string): RecordEntry | null {
  const header = withRightBit(bytes.subarray(at, at + RECORD_HEADER_LENGTH));
  if (header === null) return null;
  try {
    return parseRecordHeader(header, 0, path, at);
  } catch (error) {
    if (isHvError(error, 'REPOSITORY_DAMAGED')) return null;
    throw error;
  }
}

/** The record with the header that lies there, or, where that is damaged, with the one that it must have had. */
function provenRecord(
  bytes: Buffer,
  entry: RecordEntry,
  context: RecordContext,
  records: number,
): SalvagedRecord | null {
  const end = entry.offset + recordLength(entry);
  if (end > bytes.length) return null;
  for (const header of headersOf(bytes, entry, context.cipher === undefined ? 1 : records + MORE_SEQUENCES)) {
    const all = Buffer.concat([header, bytes.subarray(entry.offset + RECORD_HEADER_LENGTH, end)]);
    if (decodes(entry, all, context)) return { record: entry, bytes: all, context };
  }
  return null;
}

/**
 * @param sequences that are tried where the header is lost: it is the nonce when encrypted, and of no meaning otherwise
 */
function* headersOf(bytes: Buffer, entry: RecordEntry, sequences: number): Generator<Buffer> {
  const there = withRightBit(bytes.subarray(entry.offset, entry.offset + RECORD_HEADER_LENGTH));
  if (there !== null) yield there;
  for (let sequence = 0; sequence < sequences; sequence++) {
    const made = Buffer.alloc(RECORD_HEADER_LENGTH);
    renderRecordHeader(made, 0, { ...entry, sequence });
    yield made;
  }
}

function decodes(record: RecordEntry, bytes: Buffer, context: RecordContext): boolean {
  const isDelta = record.kind === RecordKind.delta;
  const decoded = isDelta ? decodeDelta(record, bytes, context) : decodeWhole(record, bytes, context);
  if (typeof decoded === 'string') return false;
  decoded.free();
  return true;
}

/**
 * A header or trailer, which end in the CRC-32 of what is before it: as it is, or with the one bit turned that makes it
 * right. @returns null when there is no such bit
 */
function withRightBit(bytes: Buffer): Buffer | null {
  if (bytes.length < PACK_TRAILER_LENGTH) return null;
  const at = bytes.length - 4;
  const isRight = (some: Buffer): boolean => crc32(some.subarray(0, at)) === some.readUInt32LE(at);
  const copy = Buffer.from(bytes);
  if (isRight(copy)) return copy;
  for (let bit = 0; bit < copy.length * 8; bit++) {
    copy[bit >> 3]! ^= 1 << (bit & 7);
    if (isRight(copy)) return copy;
    copy[bit >> 3]! ^= 1 << (bit & 7);
  }
  return null;
}
