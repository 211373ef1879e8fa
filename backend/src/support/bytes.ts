/** Little things about bytes: 64-bit fields as numbers, zero tests, alignment. */
const TWO_32 = 0x1_0000_0000;

/**
 * Unsigned 64-bit little-endian as a number. Above 2^53 the value is rounded, yet stays above 2^53: a bound check still
 * refuses it.
 */
export const readU64LE = (bytes: Buffer, offset: number): number =>
  bytes.readUInt32LE(offset + 4) * TWO_32 + bytes.readUInt32LE(offset);

/** Unsigned 64-bit big-endian as a number; see readU64LE. */
export const readU64BE = (bytes: Buffer, offset: number): number =>
  bytes.readUInt32BE(offset) * TWO_32 + bytes.readUInt32BE(offset + 4);

/** @param value a safe non-negative integer */
export function writeU64LE(bytes: Buffer, value: number, offset: number): void {
  bytes.writeUInt32LE(value % TWO_32, offset);
  bytes.writeUInt32LE(Math.floor(value / TWO_32), offset + 4);
}

/** @param value a safe non-negative integer */
export function writeU64BE(bytes: Buffer, value: number, offset: number): void {
  bytes.writeUInt32BE(Math.floor(value / TWO_32), offset);
  bytes.writeUInt32BE(value % TWO_32, offset + 4);
}

const ZEROS = Buffer.alloc(1 << 20);

/** Whether every byte is zero. Runs at memory speed. */
export function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const length = Math.min(ZEROS.length, bytes.length - at);
    if (ZEROS.compare(bytes, at, at + length, 0, length) !== 0) return false;
  }
  return true;
}

/** A shared view of `length` zeros, at most 1 MiB. Never write to it. */
export const zeros = (length: number): Buffer => ZEROS.subarray(0, length);

/** The stretches of `bytes` that must be written when zeros need not be: whole grains, joined where they touch. */
export function* nonZeroStretches(bytes: Uint8Array, grain: number): Generator<{ start: number; end: number }> {
  let start = -1;
  for (let at = 0; at < bytes.length; at += grain) {
    const zero = isZero(bytes.subarray(at, Math.min(at + grain, bytes.length)));
    if (!zero && start < 0) start = at;
    if (zero && start >= 0) {
      yield { start, end: at };
      start = -1;
    }
  }
  if (start >= 0) yield { start, end: bytes.length };
}

export const alignUp = (value: number, alignment: number): number => Math.ceil(value / alignment) * alignment;
export const alignDown = (value: number, alignment: number): number => Math.floor(value / alignment) * alignment;
export const isPowerOfTwo = (value: number): boolean => Number.isInteger(Math.log2(value));
