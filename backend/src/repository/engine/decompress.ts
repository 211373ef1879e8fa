/**
 * Reading zstd frames in a context that is kept, into memory that is there: see compress.ts for why and how far it is
 * trusted.
 */
import { constants, createZstdDecompress, type ZstdDecompress, zstdCompressSync } from 'node:zlib';
import { knowsNativeZstd } from './kept-contexts.ts';
import { claimedLength } from './zstd-frame.ts';

/** What is used of the stream behind createZstdDecompress(). */
interface Inside {
  _handle: {
    writeSync(
      flush: number,
      from: Uint8Array,
      fromAt: number,
      fromLength: number,
      to: Uint8Array,
      toAt: number,
      toLength: number,
    ): void;
  };
  /** Bytes left of the output, bytes left of the input. */
  _writeState: Uint32Array;
}

/** @returns whether the frame gave exactly as many bytes as `to` has */
type Kept = (frame: Uint8Array, to: Buffer) => boolean;

/** null: does not work here. */
let kept: Kept | null | undefined;

/**
 * Decompresses a frame to the beginning of `to`.
 * @returns bytes written; -1 when that could not be done this way, whether by damage or otherwise: Node's one-shot call
 *   has the last word. What `to` holds then is anything.
 */
export function decompressInto(frame: Buffer, to: Buffer): number {
  const length = claimedLength(frame);
  if (length === undefined || length > to.length || length === 0) return -1;
  if (kept === undefined) kept = tried();
  if (kept === null) return -1;
  if (kept(frame, to.subarray(0, length))) return length;
  // In the middle of a frame it would take the next one for its rest.
  kept = undefined;
  return -1;
}

/**
 * A context that has shown that it gives what was compressed, also after a frame that was cut short; null: there is
 * none.
 */
function tried(): Kept | null {
  if (!knowsNativeZstd()) return null;
  try {
    const plain = Buffer.alloc(70_001);
    for (let i = 0; i < plain.length; i++) plain[i] = (i * i) >> 8;
    const frame = zstdCompressSync(plain);
    const context = open();
    for (const filler of [1, 2]) {
      const to = Buffer.alloc(plain.length, filler);
      if (!context(frame, to) || !to.equals(plain)) return null;
    }
    if (open()(frame.subarray(0, frame.length - 9), Buffer.alloc(plain.length))) return null;
    return context;
  } catch {
    return null;
  }
}

function open(): Kept {
  const stream: ZstdDecompress = createZstdDecompress();
  let failed = false;
  // An error is reported this way and no other; without a listener it would end the process.
  stream.on('error', () => {
    failed = true;
  });
  const { _handle: handle, _writeState: left } = stream as unknown as Inside;
  return (frame, to) => {
    left.fill(1);
    handle.writeSync(constants.ZSTD_e_end, frame, 0, frame.length, to, 0, to.length);
    return !failed && !stream.destroyed && left[0] === 0 && left[1] === 0;
  };
}
