/** Memory that starts on a page border, as writing past the page cache asks for (see direct-writes.ts). */

const PAGE = 65536;

/** The part of JavaScript's own that is used here; no WebAssembly program is ever loaded. */
interface MemoryMaker {
  Memory: new (shape: {
    initial: number;
    maximum: number;
    shared?: boolean;
  }) => { buffer: ArrayBuffer | SharedArrayBuffer };
}

const known = new WeakSet<ArrayBufferLike>();

/** Whether `bytes` lies in aligned memory, to a page of `grain` bytes (at most 64 KiB) as `offset` does. */
export const isAligned = (bytes: Uint8Array, offset: number, grain: number): boolean =>
  bytes.byteOffset % grain === offset % grain && known.has(bytes.buffer);

/** At least `bytes` of zeros that threads can share. */
export const alignedSharedMemory = (bytes: number): SharedArrayBuffer =>
  (aligned(bytes, true) as SharedArrayBuffer | undefined) ?? new SharedArrayBuffer(bytes);

/** At least `bytes` of zeros. */
export const alignedMemory = (bytes: number): ArrayBuffer =>
  (aligned(bytes, false) as ArrayBuffer | undefined) ?? new ArrayBuffer(bytes);

/**
 * WebAssembly's memory is the one kind that Node aligns. Where it cannot be had any other serves: each piece takes
 * gigabytes of address space, though not of memory, and that can be limited.
 */
function aligned(bytes: number, shared: boolean): ArrayBuffer | SharedArrayBuffer | undefined {
  const maker = (globalThis as { WebAssembly?: MemoryMaker }).WebAssembly;
  if (maker === undefined || process.platform !== 'linux') return undefined;
  const pages = Math.ceil(bytes / PAGE);
  try {
    const { buffer } = new maker.Memory({ initial: pages, maximum: pages, shared });
    known.add(buffer);
    return buffer;
  } catch {
    // RangeError: no address space.
    return undefined;
  }
}
