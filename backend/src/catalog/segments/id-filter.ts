/**
 * Says of most ids that are not in a segment that they are not, without reading a page of it: a Bloom filter whose bits
 * of one id lie within 64 bytes (Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom Filters, 2007).
 */
import { crc32 } from 'node:zlib';
import { prefixOf } from './segment-format.ts';

/** Smaller segments have none: they are read so often that they lie in memory. */
export const FILTER_FROM = 100_000;
/** Of an id: one in a hundred that are not there passes. */
const BITS = 10;
/** Bytes at most, of each segment's: from 13 million ids on more of them pass. */
const MOST_BYTES = 16 * 1024 * 1024;
const BLOCK_WORDS = 16;
const BLOCK_BYTES = BLOCK_WORDS * 4;
/** A bit within a block. */
const BIT_BITS = 9;
/** The first six bytes choose the block; what is behind them, the bits. */
const BITS_AT = 6;
const MOST_HASHES = 7;
/**
 * Number of hashes, number of blocks, checksum of these and of the section table. The table is behind it, and then the
 * bits.
 */
const HEADER_LENGTH = 12;
/**
 * Bytes that have a checksum of their own: a few hundred look-ups, as an incremental has, look at a few hundred
 * sections of thousands.
 */
const SECTION = 4096;
const BLOCKS_OF_SECTION = SECTION / BLOCK_BYTES;
const UNSEEN = 0;
const SOUND = 1;
const DAMAGED = 2;
const PREFIXES = 2 ** 48;

export class IdFilter {
  readonly #words: Uint32Array;
  readonly #blocks: number;
  readonly #hashes: number;
  /** What is known of each section; null of one that was not read from a file. */
  readonly #sections: Uint8Array | null;
  /** Checksum of each section. */
  readonly #table: Buffer;
  readonly #tag: number;

  private constructor(words: Uint32Array, hashes: number, table: Buffer | null = null, tag = 0) {
    this.#words = words;
    this.#blocks = words.length / BLOCK_WORDS;
    this.#hashes = hashes;
    this.#sections = table && new Uint8Array(table.length / 4);
    this.#table = table ?? Buffer.alloc(0);
    this.#tag = tag;
  }

  /** An empty one. @param expected number of ids; there may be others, which costs only quality */
  static for(expected: number): IdFilter {
    const bytes = Math.min(MOST_BYTES, Math.ceil((expected * BITS) / 8));
    const blocks = Math.max(1, Math.floor(bytes / BLOCK_BYTES));
    const hashes = Math.round((blocks * BLOCK_BYTES * 8 * Math.LN2) / Math.max(1, expected));
    return new IdFilter(new Uint32Array(blocks * BLOCK_WORDS), Math.min(MOST_HASHES, Math.max(1, hashes)));
  }

  /**
   * @param bytes whose memory is kept.
   * @param tag of the segment.
   * @returns null when it is not what was written for it
   */
  static parse(bytes: Buffer, tag: number): IdFilter | null {
    if (bytes.length < HEADER_LENGTH) return null;
    const hashes = bytes.readUInt32LE(0);
    const length = bytes.readUInt32LE(4) * BLOCK_BYTES;
    if (hashes < 1 || hashes > MOST_HASHES || length < BLOCK_BYTES || length > MOST_BYTES) return null;
    const at = HEADER_LENGTH + Math.ceil(length / SECTION) * 4;
    if (bytes.length !== at + length) return null;
    const table = bytes.subarray(HEADER_LENGTH, at);
    if (headerSum(bytes, table, tag) !== bytes.readUInt32LE(8)) return null;
    const from = bytes.byteOffset + at;
    const words =
      from % 4 === 0
        ? new Uint32Array(bytes.buffer, from, length / 4)
        : new Uint32Array(Uint8Array.prototype.slice.call(bytes, at).buffer);
    return new IdFilter(words, hashes, table, tag);
  }

  /** To be written one behind the other. */
  render(tag: number): Buffer[] {
    const bits = this.#bits();
    const table = Buffer.alloc(Math.ceil(bits.length / SECTION) * 4);
    for (let at = 0; at < table.length; at += 4) table.writeUInt32LE(crc32(sectionOf(bits, at / 4), tag), at);
    const header = Buffer.alloc(HEADER_LENGTH);
    header.writeUInt32LE(this.#hashes, 0);
    header.writeUInt32LE(this.#blocks, 4);
    header.writeUInt32LE(headerSum(header, table, tag), 8);
    return [header, table, bits];
  }

  /** Takes the id at `at`, of which there must be 20 bytes. */
  add(bytes: Uint8Array, at = 0): void {
    const first = this.#blockOf(bytes, at);
    for (let hash = 0; hash < this.#hashes; hash++) {
      const bit = bitOf(bytes, at, hash);
      this.#words[first + (bit >>> 5)]! |= 1 << (bit & 31);
    }
  }

  /** False: the id was not added. */
  mayHave(id: Uint8Array): boolean {
    const first = this.#blockOf(id, 0);
    if (this.#sections !== null && !this.#isSound(Math.floor(first / BLOCK_WORDS / BLOCKS_OF_SECTION))) return true;
    for (let hash = 0; hash < this.#hashes; hash++) {
      const bit = bitOf(id, 0, hash);
      if ((this.#words[first + (bit >>> 5)]! & (1 << (bit & 31))) === 0) return false;
    }
    return true;
  }

  #isSound(section: number): boolean {
    const seen = this.#sections!;
    if (seen[section] === UNSEEN) {
      const sum = crc32(sectionOf(this.#bits(), section), this.#tag);
      seen[section] = sum === this.#table.readUInt32LE(section * 4) ? SOUND : DAMAGED;
    }
    return seen[section] === SOUND;
  }

  #bits(): Buffer {
    return Buffer.from(this.#words.buffer, this.#words.byteOffset, this.#words.byteLength);
  }

  /** By order, so that one is filled after the other when ids come sorted. */
  #blockOf(bytes: Uint8Array, at: number): number {
    return Math.floor((prefixOf(bytes, at) / PREFIXES) * this.#blocks) * BLOCK_WORDS;
  }
}

function bitOf(bytes: Uint8Array, at: number, hash: number): number {
  const from = hash * BIT_BITS;
  const first = at + BITS_AT + (from >>> 3);
  return ((bytes[first]! | (bytes[first + 1]! << 8)) >>> (from & 7)) & ((1 << BIT_BITS) - 1);
}

const headerSum = (header: Buffer, table: Buffer, tag: number): number =>
  crc32(table, crc32(header.subarray(0, 8), tag));

const sectionOf = (bits: Buffer, section: number): Buffer => bits.subarray(section * SECTION, (section + 1) * SECTION);

/** Bytes of the largest, as render() gives it. */
export const MOST_FILTER_BYTES = HEADER_LENGTH + (MOST_BYTES / SECTION) * 4 + MOST_BYTES;
