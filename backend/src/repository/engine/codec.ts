/**
 * The work on one block or record: hash, compress, decode, check. Plain functions on plain memory, called by the codec
 * worker threads and, for single records, by the main thread.
 */
import { hash } from 'node:crypto';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { Encoding, RECORD_HEADER_LENGTH, RecordKind } from '../format/constants.ts';
import { nodeId } from '../format/node.ts';
import { renderRecordHeader } from '../format/pack-format.ts';

const ZEROS = Buffer.alloc(64 * 1024);

/** Whether bytes [start, end) are all zero; native comparison, a piece at a time. */
function isZero(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at += ZEROS.length) {
    const length = Math.min(ZEROS.length, end - at);
    if (bytes.compare(ZEROS, 0, length, at, at + length) !== 0) return false;
  }
  return true;
}

/** Length of [start, end) without its trailing zero bytes (docs/format.md §4); 0 for a block of zeros. */
export function trimmedLength(bytes: Buffer, start: number, end: number): number {
  if (start < end && bytes[end - 1] !== 0) return end - start;
  let low = start;
  let high = end;
  // Invariant: everything from `high` on is zero. Halve towards the last byte that is not.
  while (high - low > 64) {
    const middle = low + ((high - low) >> 1);
    if (isZero(bytes, middle, high)) high = middle;
    else low = middle;
  }
  while (high > start && bytes[high - 1] === 0) high -= 1;
  return high - start;
}

/** Id of a block's trimmed content, or of an encoded node. */
export const idOf = (kind: RecordKind, raw: Uint8Array): Buffer =>
  kind === RecordKind.node ? nodeId(raw) : hash('sha256', raw, 'buffer');

/**
 * Size of the one chunk that a result of `length` bytes fits into: with zlib's default it would be many small ones and
 * a copy. Never so small that Node takes it from its shared pool.
 */
const ownChunk = (length: number): number => Math.max(16 * 1024, length + 1);

/**
 * Frees a result's memory now. Garbage outside of the heap is collected only when tens of MB of it have gathered, in
 * each worker.
 */
function release(result: Buffer, chunkSize: number): void {
  const memory = result.buffer;
  if (memory instanceof ArrayBuffer && memory.byteLength === chunkSize) memory.transfer(0);
}

/**
 * Writes a whole record (header and payload) at `at` of `out`, which needs room for header and raw length.
 * @returns encoding and payload length
 */
export function encodeRecord(
  out: Buffer,
  at: number,
  record: { kind: RecordKind; sequence: number; level: number },
  raw: Uint8Array,
  id: Uint8Array,
): { encoding: Encoding; storedLength: number } {
  const chunkSize = ownChunk(raw.length + (raw.length >> 7) + 512);
  const packed = zstdCompressSync(raw, {
    chunkSize,
    params: { [constants.ZSTD_c_compressionLevel]: record.level },
  });
  const pays = packed.length < raw.length;
  const payload = pays ? packed : raw;
  const encoding = pays ? Encoding.zstd : Encoding.stored;
  out.set(payload, at + RECORD_HEADER_LENGTH);
  const storedLength = payload.length;
  release(packed, chunkSize);
  const lengths = { rawLength: raw.length, storedLength };
  renderRecordHeader(out, at, { kind: record.kind, encoding, sequence: record.sequence, ...lengths }, id);
  return { encoding, storedLength };
}

/** Frees what decodePayload() returned, when it has been copied. */
export function releaseDecoded(raw: Buffer, encoding: Encoding): void {
  if (encoding === Encoding.zstd) release(raw, ownChunk(raw.length));
}

/**
 * Decodes a payload and proves that it is what `id` names.
 * @returns the raw content, or a sentence why it is damaged
 */
export function decodePayload(
  kind: RecordKind,
  encoding: Encoding,
  payload: Buffer,
  rawLength: number,
  id: Buffer,
): Buffer | string {
  let raw: Buffer;
  try {
    raw =
      encoding === Encoding.zstd
        ? zstdDecompressSync(payload, { chunkSize: ownChunk(rawLength), maxOutputLength: rawLength })
        : payload;
  } catch (error) {
    return `the record does not decompress (${error instanceof Error ? error.message : String(error)})`;
  }
  if (raw.length !== rawLength) return `the record decodes to ${raw.length} bytes instead of ${rawLength}`;
  if (!idOf(kind, raw).equals(id)) return 'the content of the record does not have the hash it is stored under';
  return raw;
}
