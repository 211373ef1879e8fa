/** Seeded damage to configuration files. The same seed gives the same file. */
import { repairChecksums } from './configuration-checksums.ts';

export type Random = (below: number) => number;

/** Mulberry32: small, good enough, the same everywhere. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const INTERESTING = [0n, 1n, 0x7fn, 0x80n, 0xffn, 0x1000n, 0x2000n, 0x3000n, 0xfffn, 0xffffn, 0x7fffffffn, 0x80000000n];
const LARGE = [0xffffffffn, 0x100000000n, 1n << 40n, (1n << 53n) - 1n, 1n << 53n, 1n << 63n, (1n << 64n) - 1n];

export interface Mutation {
  file: Buffer;
  /** Whether checksums were made right again: then other content is a right answer. */
  repaired: boolean;
}

export function mutate(original: Uint8Array, random: Random): Mutation {
  let file: Buffer = Buffer.from(original);
  for (let count = 1 + random(4); count > 0; count--) file = change(file, random);
  const repaired = random(2) === 1;
  if (repaired) repairChecksums(file);
  return { file, repaired };
}

function change(file: Buffer, random: Random): Buffer {
  if (file.length < 0x3000) return file;
  const at = place(file, random);
  switch (random(8)) {
    case 0:
      file[at]! ^= 1 << random(8);
      return file;
    case 1:
      file[at] = random(256);
      return file;
    case 2:
    case 3:
    case 4:
      writeInteresting(file, at, random);
      return file;
    case 5: {
      const from = place(file, random);
      file.copy(file, at, from, from + 1 + random(64));
      return file;
    }
    case 6: {
      const [from, to] = [random(file.length >> 12), random(file.length >> 12)];
      file.copy(file, to << 12, from << 12, (from + 1) << 12);
      return file;
    }
    default:
      return random(4) === 0 ? file.subarray(0, at) : file;
  }
}

/** Most of a file is empty: two of three changes go to where the structures begin. */
function place(file: Buffer, random: Random): number {
  if (random(3) === 0) return random(file.length);
  const page = random(file.length >> 12) << 12;
  return Math.min(file.length - 1, page + random(random(2) === 0 ? 64 : 1024));
}

function writeInteresting(file: Buffer, at: number, random: Random): void {
  const values = random(3) === 0 ? LARGE : INTERESTING;
  const value = values[random(values.length)]!;
  const size = [1, 2, 4, 8][random(4)]!;
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
  bytes.copy(file, at, 0, Math.min(size, file.length - at));
}
