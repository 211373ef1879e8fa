/**
 * Bytes of an RCT journal (`<disk>.vhdx.rct`): a header, then records that are only ever appended. All numbers
 * little-endian.
 *
 *   header, 80 bytes: magic "HVBRCT01" · u32 granularity · u32 0 · tracker GUID · disk id GUID · u64 disk size ·
 *                     u64 generation · u64 intact length · u32 0 · u32 CRC-32 of the 76 bytes before
 *   record:           u32 type · u32 payload length · u32 CRC-32 · payload
 *
 * A record's CRC also covers its own offset and the file's generation, so bytes left over from an earlier life of the
 * file never pass. The format is this host's own: what Hyper-V writes into its .rct and .mrt files is not documented.
 */
import { crc32 } from 'node:zlib';
import { readGuid, writeGuid } from '../../support/guid.ts';
import type { GranuleSet } from './rct-ranges.ts';

const MAGIC = Buffer.from('HVBRCT01', 'latin1');
export const HEADER_BYTES = 80;
export const RECORD_HEAD_BYTES = 12;
/** A larger payload is damage: the writer splits long before. */
const LARGEST_PAYLOAD = 8 << 20;
/** Changed ranges of the epoch that the last seal began. */
export const RECORD_RANGES = 1;
/** Ends an epoch and begins the next. */
export const RECORD_SEAL = 2;

export interface JournalHeader {
  /** Bytes a granule stands for: changes are rounded out to it. */
  granularity: number;
  tracker: string;
  diskId: string;
  /** Virtual size of the disk when tracking began, bytes. */
  diskSize: number;
  /** Counts rewrites of the file. */
  generation: number;
  /** Bytes that were flushed before the file got its name; less that is readable means damage, never a torn append. */
  intactLength: number;
}

export function encodeHeader(header: JournalHeader): Buffer {
  const out = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(out);
  out.writeUInt32LE(header.granularity, 8);
  writeGuid(out, 16, header.tracker);
  writeGuid(out, 32, header.diskId);
  out.writeBigUInt64LE(BigInt(header.diskSize), 48);
  out.writeBigUInt64LE(BigInt(header.generation), 56);
  out.writeBigUInt64LE(BigInt(header.intactLength), 64);
  out.writeUInt32LE(crc32(out.subarray(0, 76)), 76);
  return out;
}

/** @returns null when it is no intact header */
export function decodeHeader(bytes: Buffer): JournalHeader | null {
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, 8).equals(MAGIC)) return null;
  if (bytes.readUInt32LE(76) !== crc32(bytes.subarray(0, 76))) return null;
  const granularity = bytes.readUInt32LE(8);
  const [diskSize, generation, intactLength] = [48, 56, 64].map((at) => Number(bytes.readBigUInt64LE(at)));
  if (granularity < 512 || !Number.isSafeInteger(diskSize)) return null;
  return {
    granularity,
    tracker: readGuid(bytes, 16),
    diskId: readGuid(bytes, 32),
    diskSize: diskSize!,
    generation: generation!,
    intactLength: intactLength!,
  };
}

/** A record that will stand at file offset `offset`. */
export function encodeRecord(type: number, payload: Buffer, offset: number, generation: number): Buffer {
  const out = Buffer.alloc(RECORD_HEAD_BYTES + payload.length);
  out.writeUInt32LE(type, 0);
  out.writeUInt32LE(payload.length, 4);
  payload.copy(out, RECORD_HEAD_BYTES);
  out.writeUInt32LE(recordCrc(out, offset, generation), 8);
  return out;
}

/** @returns the record at `offset` of `file`, or null when none is intact there */
export function decodeRecord(
  file: Buffer,
  offset: number,
  generation: number,
): { type: number; payload: Buffer } | null {
  if (file.length - offset < RECORD_HEAD_BYTES) return null;
  const length = file.readUInt32LE(offset + 4);
  if (length > LARGEST_PAYLOAD || file.length - offset - RECORD_HEAD_BYTES < length) return null;
  const record = file.subarray(offset, offset + RECORD_HEAD_BYTES + length);
  if (record.readUInt32LE(8) !== recordCrc(record, offset, generation)) return null;
  return { type: record.readUInt32LE(0), payload: record.subarray(RECORD_HEAD_BYTES) };
}

function recordCrc(record: Buffer, offset: number, generation: number): number {
  const place = Buffer.alloc(16);
  place.writeBigUInt64LE(BigInt(offset), 0);
  place.writeBigUInt64LE(BigInt(generation), 8);
  return crc32(record.subarray(RECORD_HEAD_BYTES), crc32(record.subarray(0, 8), crc32(place)));
}

export function encodeSeal(counter: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(counter);
  return out;
}

/** Ranges as variable-length integers, gap and length in turn: about 4 bytes for one random write. */
export function encodeRanges(set: GranuleSet): Buffer {
  // Two numbers a range, at most 8 bytes each: 53 bits in groups of 7.
  const out = Buffer.allocUnsafe(set.length * 8);
  let at = 0;
  let last = 0;
  for (const edge of set) {
    let rest = edge - last;
    last = edge;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) out[at++] = (rest % 0x80) | 0x80;
    out[at++] = rest;
  }
  return out.subarray(0, at);
}

/** @returns null when the payload is no list of ranges */
export function decodeRanges(payload: Buffer): GranuleSet | null {
  const out = new Float64Array(payload.length);
  let used = 0;
  let last = 0;
  for (let at = 0; at < payload.length; ) {
    let value = 0;
    let scale = 1;
    let byte: number;
    do {
      if (at >= payload.length || scale > 2 ** 49) return null;
      byte = payload[at++]!;
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
    } while (byte & 0x80);
    // Only the first edge may be 0: an empty range or a gap of nothing was never written.
    if (value === 0 && used > 0) return null;
    last += value;
    if (!Number.isSafeInteger(last)) return null;
    out[used++] = last;
  }
  return used % 2 === 0 ? out.slice(0, used) : null;
}
