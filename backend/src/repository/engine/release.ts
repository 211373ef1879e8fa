/** Memory outside of the heap: as garbage it is collected only when tens of MB of it have gathered, in each worker. */

/**
 * Size of the one chunk that a zlib result of `length` bytes fits into: with zlib's default it would be many small ones
 * and a copy. Never so small that Node takes it from the pool that its buffers share.
 */
export const ownChunk = (length: number): number => Math.max(Buffer.poolSize / 2, length + 1);

/** Frees a result now, when it has memory of `size` bytes to itself. */
export function release(result: Buffer, size: number): void {
  const memory = result.buffer;
  const own = result.byteOffset === 0 && memory.byteLength === size && size !== Buffer.poolSize;
  if (own && memory instanceof ArrayBuffer) memory.transfer(0);
}
