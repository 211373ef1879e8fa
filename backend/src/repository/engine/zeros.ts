/** Finding zeros: blocks and pages count without their trailing zero bytes (docs/format.md §4). */

const ZEROS = Buffer.alloc(64 * 1024);

/** Bytes looked at one by one. */
const NEAR = 64;

/** Whether bytes [start, end) are all zero; native comparison, a piece at a time. */
function isZero(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at += ZEROS.length) {
    const length = Math.min(ZEROS.length, end - at);
    if (bytes.compare(ZEROS, 0, length, at, at + length) !== 0) return false;
  }
  return true;
}

/** Length of [start, end) without its trailing zero bytes; 0 when all is zero. */
export function trimmedLength(bytes: Buffer, start: number, end: number): number {
  // Most that end with zeros end with few of them: a native comparison costs more than these.
  let high = end;
  const near = Math.max(start, end - NEAR);
  while (high > near && bytes[high - 1] === 0) high -= 1;
  if (high > near) return high - start;
  let low = start;
  // Invariant: everything from `high` on is zero. Halve towards the last byte that is not.
  while (high - low > 64) {
    const middle = low + ((high - low) >> 1);
    if (isZero(bytes, middle, high)) high = middle;
    else low = middle;
  }
  while (high > start && bytes[high - 1] === 0) high -= 1;
  return high - start;
}

/** Sets [start, end) to zeros. Buffer.fill() goes byte by byte in memory that threads share: 20 times as slow. */
export function clear(bytes: Buffer, start: number, end: number): void {
  for (let at = start; at < end; at += ZEROS.length) ZEROS.copy(bytes, at, 0, Math.min(ZEROS.length, end - at));
}
