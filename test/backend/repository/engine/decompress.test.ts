/** The kept zstd context gives what Node's one-shot call gives, whatever came before; else it says so. */
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decompressInto } from '../../../../backend/src/repository/engine/decompress.ts';
import { claimedLength } from '../../../../backend/src/repository/engine/zstd-frame.ts';
import { alignedSharedMemory } from '../../../../backend/src/support/aligned-memory.ts';

let state = 99;
const random = (below: number): number => {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
};

function sample(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const noise = random(4);
  for (let i = 0; i < length; i++) bytes[i] = random(4) < noise ? random(256) : (i >> 5) & 255;
  return bytes;
}

describe('zstd frames', () => {
  it('say how long their content is', () => {
    for (const length of [0, 1, 255, 256, 257, 65_791, 65_792, 65_793, 262_144, 5_000_000])
      expect(claimedLength(zstdCompressSync(Buffer.alloc(length, 3)))).toBe(length);
    const frame = zstdCompressSync(Buffer.alloc(300, 3));
    for (let cut = 0; cut < 6; cut++) expect(claimedLength(frame.subarray(0, cut))).toBeUndefined();
    expect(claimedLength(Buffer.alloc(100, 7))).toBeUndefined();
  });

  it('are read into shared memory, good ones between cut, changed and lengthened ones', () => {
    const to = Buffer.from(alignedSharedMemory(300_000));
    let read = 0;
    let refused = 0;
    for (let round = 0; round < 500; round++) {
      const plain = sample(1 + random(round % 10 === 0 ? 262_144 : 9000));
      const params = { [constants.ZSTD_c_checksumFlag]: random(2) };
      const frame = zstdCompressSync(plain, { params });
      const kind = random(4);
      let given = frame;
      if (kind === 1) given = frame.subarray(0, frame.length - 1 - random(Math.min(12, frame.length - 1)));
      if (kind === 2) given = Buffer.concat([frame, frame.subarray(0, 1 + random(20))]);
      if (kind === 3) {
        given = Buffer.from(frame);
        given[random(given.length)]! ^= 1 << random(8);
      }
      const length = decompressInto(given, to);
      if (kind === 0) {
        read += 1;
        // A good frame may be refused after a bad one, never misread; the next one is read again.
        if (length < 0) refused += 1;
        else expect(to.subarray(0, length).equals(plain)).toBe(true);
      } else if (length >= 0 && kind !== 3) {
        // All of the content is there, and only what proves it was cut off.
        expect(kind).toBe(1);
        expect(to.subarray(0, length).equals(plain)).toBe(true);
      }
    }
    expect(read).toBeGreaterThan(80);
    expect(refused).toBeLessThan(read / 4);
  });

  it('never reach beyond the room they are given', () => {
    const plain = sample(50_000);
    const to = Buffer.alloc(60_000, 0xaa);
    expect(decompressInto(zstdCompressSync(plain), to.subarray(0, 49_999))).toBe(-1);
    expect(decompressInto(zstdCompressSync(plain), to.subarray(0, 50_000))).toBe(50_000);
    expect(to.subarray(50_000).every((byte) => byte === 0xaa)).toBe(true);
    expect(zstdDecompressSync(zstdCompressSync(plain)).equals(to.subarray(0, 50_000))).toBe(true);
  });
});
