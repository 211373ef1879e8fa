/** Random guest writes that the same seed repeats exactly: content that does not compress, anywhere on the disk. */
import type { GuestWrite } from './guest-writes.ts';

export interface RandomWrites {
  count: number;
  /** Bytes a write. */
  length: number;
  /** Same seed, disk size and sector size: same writes. */
  seed: number;
}

/**
 * @param size bytes of the disk; a write longer than the disk is cut to it
 * @param sectors logical and physical sector size: like a guest, whole physical sectors are written where they lie
 */
export function* randomWrites(
  { count, length, seed }: RandomWrites,
  size: number,
  sectors: { logicalSectorSize: number; physicalSectorSize: number },
): Generator<GuestWrite> {
  const next = generator(seed);
  const bytes = Math.min(length, size);
  const sector = bytes % sectors.physicalSectorSize === 0 ? sectors.physicalSectorSize : sectors.logicalSectorSize;
  const places = Math.floor((size - bytes) / sector) + 1;
  for (let i = 0; i < count; i++) {
    const offset = Math.floor(((next() * 0x200000 + (next() >>> 11)) / 2 ** 53) * places) * sector;
    const words = new Uint32Array(Math.ceil(bytes / 4));
    for (let at = 0; at < words.length; at++) words[at] = next();
    yield { offset, data: Buffer.from(words.buffer, 0, bytes) };
  }
}

/**
 * xoshiro128** (Blackman and Vigna 2018), state filled by a Weyl sequence through a mixing function. 32-bit numbers.
 */
function generator(seed: number): () => number {
  let weyl = Math.trunc(seed % 2 ** 32) ^ Math.trunc(seed / 2 ** 32);
  const mix = (): number => {
    weyl = (weyl + 0x9e3779b9) | 0;
    let z = weyl;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return z ^ (z >>> 15);
  };
  let a = mix();
  let b = mix();
  let c = mix();
  let d = mix() | 1;
  return () => {
    const product = Math.imul(b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9);
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return result >>> 0;
  };
}
