/**
 * A segment: records of many packs, sorted by id, in pages that prove themselves. A file of pages, then one number a
 * page (the first six bytes of its first id), by which the page of an id is found without reading any other.
 */
import { crc32 } from 'node:zlib';
import type { Encoding, RecordKind } from '../../repository/format/constants.ts';
import type { CatalogRecord } from '../../repository/port/catalog.ts';

/** Bytes of an id that are kept: 160 bits of a SHA-256 do not collide. */
export const KEY_LENGTH = 20;
/** Key, pack (4), offset (4), ordinal (3), kind and encoding (1), raw length (4), stored length (4). */
export const ENTRY_LENGTH = 40;
export const ENTRY_WORDS = ENTRY_LENGTH / 4;
export const PAGE_LENGTH = 4096;
export const PAGE_WORDS = PAGE_LENGTH / 4;
export const PAGE_ENTRIES = 102;
/** Of an entry, in 32-bit words. */
export const PACK_WORD = KEY_LENGTH / 4;

const COUNT_AT = PAGE_ENTRIES * ENTRY_LENGTH;
const TAG_AT = COUNT_AT + 4;
const NUMBER_AT = TAG_AT + 4;
const CRC_AT = NUMBER_AT + 4;

/** A segment is not what it was written as: the catalog has to be built anew. */
export class SegmentDamage extends Error {}

/** What the catalog notes of a segment. */
export interface SegmentInfo {
  name: string;
  /** Random; in every page, so that a page of another segment is not taken for one of this. */
  tag: number;
  pages: number;
  entries: number;
}

export type EntryFields = Omit<CatalogRecord, 'base'>;

/**
 * Writes an entry at word `at`. By words, which is how packs are renumbered too: bytes would take twice as long.
 * @param idAt where the id begins in `id`; @param ordinal below 2^24: a pack has room for fewer records
 */
export function writeEntry(
  words: Uint32Array,
  at: number,
  id: DataView,
  idAt: number,
  pack: number,
  ordinal: number,
  record: Pick<EntryFields, 'offset' | 'kind' | 'encoding' | 'rawLength' | 'storedLength'>,
): void {
  for (let i = 0; i < PACK_WORD; i++) words[at + i] = id.getUint32(idAt + i * 4, true);
  words[at + PACK_WORD] = pack;
  words[at + PACK_WORD + 1] = record.offset;
  words[at + PACK_WORD + 2] = ordinal + record.kind * 0x1000000 + record.encoding * 0x10000000;
  words[at + PACK_WORD + 3] = record.rawLength;
  words[at + PACK_WORD + 4] = record.storedLength;
}

export function readEntry(page: Buffer, at: number): EntryFields {
  const packed = page.readUInt32LE(at + 28);
  return {
    pack: page.readUInt32LE(at + 20),
    offset: page.readUInt32LE(at + 24),
    ordinal: packed & 0xffffff,
    kind: ((packed >>> 24) & 0xf) as RecordKind,
    encoding: (packed >>> 28) as Encoding,
    rawLength: page.readUInt32LE(at + 32),
    storedLength: page.readUInt32LE(at + 36),
  };
}

/** First six bytes of the id at `at`: what pages are found by. */
export const prefixOf = (bytes: Uint8Array, at = 0): number =>
  (bytes[at]! * 0x100 + bytes[at + 1]!) * 0x100000000 +
  bytes[at + 2]! * 0x1000000 +
  ((bytes[at + 3]! << 16) | (bytes[at + 4]! << 8) | bytes[at + 5]!);

export function sealPage(page: Buffer, count: number, tag: number, number: number): void {
  page.fill(0, count * ENTRY_LENGTH, COUNT_AT);
  page.writeUInt32LE(count, COUNT_AT);
  page.writeUInt32LE(tag, TAG_AT);
  page.writeUInt32LE(number, NUMBER_AT);
  page.writeUInt32LE(crc32(page.subarray(0, CRC_AT)), CRC_AT);
}

/** @returns number of entries. @throws SegmentDamage */
export function checkPage(page: Buffer, { name, tag }: SegmentInfo, number: number): number {
  const count = page.readUInt32LE(COUNT_AT);
  const sound =
    page.readUInt32LE(TAG_AT) === tag &&
    page.readUInt32LE(NUMBER_AT) === number &&
    count <= PAGE_ENTRIES &&
    crc32(page.subarray(0, CRC_AT)) === page.readUInt32LE(CRC_AT);
  if (!sound) throw new SegmentDamage(`page ${number} of segment ${name} is not what was written`);
  return count;
}

/**
 * The numbers behind the pages, as this machine has them in memory (a catalog never leaves it), closed by a checksum.
 */
export function renderFences(fences: Float64Array, tag: number): Buffer {
  const bytes = Buffer.alloc(fences.length * 8 + 4);
  Buffer.from(fences.buffer, fences.byteOffset, fences.byteLength).copy(bytes);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, -4), tag), bytes.length - 4);
  return bytes;
}

export const fencesLength = (pages: number): number => pages * 8 + 4;

/** @throws SegmentDamage */
export function parseFences(bytes: Buffer, { name, tag, pages }: SegmentInfo): Float64Array {
  if (crc32(bytes.subarray(0, -4), tag) !== bytes.readUInt32LE(bytes.length - 4))
    throw new SegmentDamage(`the page table of segment ${name} is not what was written`);
  const fences = new Float64Array(pages);
  bytes.copy(Buffer.from(fences.buffer), 0, 0, pages * 8);
  return fences;
}
