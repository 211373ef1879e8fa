/** Copying at the rate of the machine, also to and from memory that threads share. */

/**
 * Copies all of `source` to `at` of `target`; what does not fit is left out. Copying a whole Buffer is left to V8,
 * which moves shared memory word by word, byte by byte where the two lie differently: 2 GB/s. Of a part Node makes a
 * plain memmove.
 * @returns bytes copied
 */
export function copyBytes(source: Buffer, target: Buffer, at: number): number {
  if (source.length === 0 || at >= target.length) return 0;
  target[at] = source[0]!;
  return 1 + source.copy(target, at + 1, 1);
}

const ZEROS = Buffer.alloc(64 * 1024 + 1);

/** Fills [start, end) with zeros; for the same reason not by fill(), which writes shared memory byte by byte. */
export function zeroBytes(target: Buffer, start: number, end: number): void {
  for (let at = start; at < end; ) at += ZEROS.copy(target, at, 1, Math.min(ZEROS.length, 1 + end - at)) || end;
}
