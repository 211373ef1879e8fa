/**
 * zstd in contexts that are kept. Node's one-shot call makes a stream object, a context and memory for the result each
 * time, which is a tenth of the work on a block of 256 KiB. So a thread keeps one stream for each setting and has its
 * native part compress into memory that is used again. That part is not documented: it is tried out before it is relied
 * on, and where it is not what it was, the one-shot call does the work.
 */
import { constants, createZstdCompress, type ZstdCompress, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { ZSTD, type ZstdSetting } from '../format/constants.ts';
import { knowsNativeZstd } from './kept-contexts.ts';

/** What is used of the stream behind createZstdCompress(). */
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

/** @returns length of the frame written to the beginning of `to`; -1 when it did not work */
type Kept = (plain: Uint8Array, to: Buffer) => number;

const kept = new Map<ZstdSetting, Kept | null>();
let scratch = Buffer.alloc(0);

/** Most bytes of a frame of `length` bytes: what zstd needs to write the frame in one go (ZSTD_compressBound). */
const bound = (length: number): number => length + (length >> 8) + 64;

/** @returns one zstd frame, to be used before the next call; null when it is not smaller than `plain` */
export function compress(plain: Uint8Array, setting: ZstdSetting): Buffer | null {
  let context = kept.get(setting);
  if (context === undefined) {
    context = tried(setting);
    kept.set(setting, context);
  }
  if (context !== null) {
    const to = room(plain.length);
    const length = context(plain, to);
    if (length >= 0) return length < plain.length ? to.subarray(0, length) : null;
    kept.set(setting, null);
  }
  const packed = zstdCompressSync(plain, { chunkSize: Math.max(64, bound(plain.length)), params: paramsOf(setting) });
  return packed.length < plain.length ? packed : null;
}

function room(length: number): Buffer {
  if (scratch.length < bound(length)) scratch = Buffer.allocUnsafeSlow(bound(length));
  return scratch;
}

/** The setting as Node names it. */
export function paramsOf(setting: ZstdSetting): Record<number, number> {
  const { level, windowLog, hashLog, chainLog, searchLog, minMatch } = ZSTD[setting];
  return {
    [constants.ZSTD_c_compressionLevel]: level,
    ...(windowLog === undefined ? {} : { [constants.ZSTD_c_windowLog]: windowLog }),
    ...(hashLog === undefined ? {} : { [constants.ZSTD_c_hashLog]: hashLog }),
    ...(chainLog === undefined ? {} : { [constants.ZSTD_c_chainLog]: chainLog }),
    ...(searchLog === undefined ? {} : { [constants.ZSTD_c_searchLog]: searchLog }),
    ...(minMatch === undefined ? {} : { [constants.ZSTD_c_minMatch]: minMatch }),
  };
}

/** A context that has shown that it gives what the one-shot call gives; null when there is none. */
function tried(setting: ZstdSetting): Kept | null {
  if (!knowsNativeZstd()) return null;
  try {
    const context = open(setting);
    for (const [plain, seed] of [sample(100_000, 7), sample(20, 3), sample(0, 1), sample(70_001, 250)].entries()) {
      const to = Buffer.alloc(bound(seed.length) + 8, plain);
      const length = context(seed, to.subarray(0, bound(seed.length)));
      const frame = to.subarray(0, Math.max(0, length));
      if (length < 0 || !zstdDecompressSync(frame).equals(seed)) return null;
    }
    return context;
  } catch {
    return null;
  }
}

/** Bytes that compress in part, not the same from call to call. */
function sample(length: number, step: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0, state = step; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[i] = i % 3 === 0 ? state >>> 24 : i % step;
  }
  return bytes;
}

function open(setting: ZstdSetting): Kept {
  const stream: ZstdCompress = createZstdCompress({ params: paramsOf(setting) });
  let failed = false;
  // An error is reported this way and no other; without a listener it would end the process.
  stream.on('error', () => {
    failed = true;
  });
  const { _handle: handle, _writeState: left } = stream as unknown as Inside;
  return (plain, to) => {
    left.fill(0);
    handle.writeSync(constants.ZSTD_e_end, plain, 0, plain.length, to, 0, to.length);
    // With room left in the output the frame has ended.
    if (failed || stream.destroyed || left[1] !== 0 || left[0]! <= 0 || left[0]! > to.length) return -1;
    return to.length - left[0]!;
  };
}
