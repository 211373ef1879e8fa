/**
 * Says of most ids that are not in a segment that they are not, without reading a page of it: a Bloom filter whose bits of one id
 * lie within 64 bytes (Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom Filters, 2007).
 */
import { crc32 } from 'node:zlib';
import { prefixOf } from './segment-format.ts';

/** Smaller segments have none: they are read so often that they lie in memory. */
export const FILTER_FROM = 100_000;
/** Of an id: one in a hundred that are not there passes. */
const BITS = 10;
/** Bytes at most, of all filters that are held: from 12 million ids on more of them pass. */
const MOST_BYTES = 16 * 1024 * 1024;
const BLOCK_WORDS = 16;
const BLOCK_BYTES = BLOCK_WORDS * 4;
/** A bit within a block. */
const BIT_BITS = 9;
/** The first six bytes choose the block; what is behind them, the bits. */
const BITS_AT = 6;
const MOST_HASHES = 7;
/** Number of hashes, checksum of what is behind the header. */
const HEADER_LENGTH = 8;
const PREFIXES = 2 ** 48;

export class IdFilter {
  readonly #words: Uint32Array;
  readonly #blocks: number;
  readonly #hashes: number;

  private constructor(words: Uint32Array, hashes: number) {
    this.#words = words;
    this.#blocks = words.length / BLOCK_WORDS;
    this.#hashes = hashes;
  }

  /** An empty one. @param expected number of ids; there may be others, which costs only quality */
  static for(expected: number): IdFilter {
    const bytes = Math.min(MOST_BYTES, Math.ceil((expected * BITS) / 8));
    const blocks = Math.max(1, Math.floor(bytes / BLOCK_BYTES));
    const hashes = Math.round((blocks * BLOCK_BYTES * 8 * Math.LN2) / Math.max(1, expected));
    return new IdFilter(new Uint32Array(blocks * BLOCK_WORDS), Math.min(MOST_HASHES, Math.max(1, hashes)));
  }

  /** @param tag of the segment. @returns null when it is not what was written for it */
  static parse(bytes: Buffer, tag: number): IdFilter | null {
    const length = bytes.length - HEADER_LENGTH;
    if (length < BLOCK_BYTES || length > MOST_BYTES || length % BLOCK_BYTES > 0) return null;
    const hashes = bytes.readUInt32LE(0);
    if (hashes < 1 || hashes > MOST_HASHES) return null;
    if (crc32(bytes.subarray(HEADER_LENGTH), tag) !== bytes.readUInt32LE(4)) return null;
    // Aligned where the header was read to an aligned place, which is up to loadFilter().
    return new IdFilter(new Uint32Array(bytes.buffer, bytes.byteOffset + HEADER_LENGTH, length / 4), hashes);
  }

  /** To be written one behind the other. */
  render(tag: number): Buffer[] {
    const bits = Buffer.from(this.#words.buffer);
    const header = Buffer.alloc(HEADER_LENGTH);
    header.writeUInt32LE(this.#hashes, 0);
    header.writeUInt32LE(crc32(bits, tag), 4);
    return [header, bits];
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
    for (let hash = 0; hash < this.#hashes; hash++) {
      const bit = bitOf(id, 0, hash);
      if ((this.#words[first + (bit >>> 5)]! & (1 << (bit & 31))) === 0) return false;
    }
    return true;
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

/** Bytes of the largest, as render() gives it. */
export const MOST_FILTER_BYTES = MOST_BYTES + HEADER_LENGTH;
