/** Whatever context compresses, what comes out is one zstd frame of what went in. */
import { randomBytes } from 'node:crypto';
import * as zlib from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { compress, paramsOf } from '../../../../backend/src/repository/engine/compress.ts';
import { ZSTD, type ZstdSetting } from '../../../../backend/src/repository/format/constants.ts';
import { sampleBytes } from '../support/model.ts';

const SETTINGS = Object.keys(ZSTD) as ZstdSetting[];

/** Of every length class, compressible and not, in an order that lets a context carry something over if it could. */
function* inputs(): Generator<Buffer> {
  const shared = Buffer.from(new SharedArrayBuffer(5_000_000));
  sampleBytes(shared.length, 11).copy(shared);
  randomBytes(700_000).copy(shared, 3_000_000);
  for (const length of [1, 2, 100, 16_384, 131_071, 131_072, 262_144, 1_048_577, 4_194_304, 262_144, 7, 8192])
    for (const at of [0, 1, 2_900_000 % (5_000_000 - length)]) yield shared.subarray(at, at + length);
  for (const length of [1, 50_000, 262_144]) yield Buffer.alloc(length, 'the same again ');
  for (const length of [1, 1000, 262_144]) yield randomBytes(length);
}

describe.each(SETTINGS)('compress(), %s', (setting) => {
  it('gives a frame that decompresses to the input, or nothing when that is not smaller', () => {
    for (const plain of inputs()) {
      const before = Buffer.from(plain);
      const packed = compress(plain, setting);
      expect(plain.equals(before)).toBe(true);
      if (packed === null) {
        const other = zlib.zstdCompressSync(plain, { params: paramsOf(setting) });
        expect(other.length, `${plain.length} bytes`).toBeGreaterThanOrEqual(plain.length);
        continue;
      }
      expect(packed.length).toBeLessThan(plain.length);
      expect(zlib.zstdDecompressSync(packed).equals(plain), `${plain.length} bytes`).toBe(true);
    }
  });
});

it('makes no one-shot calls on this Node', async () => {
  const oneShot = vi.fn(() => {
    throw new Error('not this one');
  });
  vi.resetModules();
  vi.doMock('node:zlib', () => ({ ...zlib, zstdCompressSync: oneShot }));
  try {
    const fresh = await import('../../../../backend/src/repository/engine/compress.ts');
    for (const setting of SETTINGS) expect(fresh.compress(sampleBytes(100_000, 5), setting)).not.toBeNull();
    expect(oneShot).not.toHaveBeenCalled();
  } finally {
    vi.doUnmock('node:zlib');
    vi.resetModules();
  }
});

describe('without the inside of Node that is counted on', () => {
  const broken: Record<string, unknown> = {
    'it is not there': {},
    'it does nothing': {
      _handle: { writeSync: () => undefined },
      _writeState: new Uint32Array(2),
      on: () => undefined,
    },
    'it throws': {
      _handle: {
        writeSync: () => {
          throw new Error('no');
        },
      },
      _writeState: new Uint32Array(2),
      on: () => undefined,
    },
  };
  // It says that it wrote three bytes, and did not.
  const liar = { _handle: { writeSync: () => undefined }, _writeState: new Uint32Array(2), on: () => undefined };
  liar._handle.writeSync = ((...args: unknown[]) => {
    liar._writeState[0] = (args[6] as number) - 3;
  }) as () => undefined;
  broken['it lies'] = liar;

  it.each(Object.keys(broken))('%s: the one-shot call does it', async (name) => {
    vi.resetModules();
    vi.doMock('node:zlib', () => ({ ...zlib, createZstdCompress: () => broken[name] }));
    try {
      const fresh = await import('../../../../backend/src/repository/engine/compress.ts');
      expect(fresh.compress).not.toBe(compress);
      const plain = sampleBytes(300_000, 5);
      for (const setting of SETTINGS)
        expect(zlib.zstdDecompressSync(fresh.compress(plain, setting)!).equals(plain)).toBe(true);
      expect(fresh.compress(randomBytes(1000), 'default')).toBeNull();
    } finally {
      vi.doUnmock('node:zlib');
      vi.resetModules();
    }
  });
});
