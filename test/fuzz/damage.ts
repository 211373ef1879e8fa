/** Damages images of any format at random, mostly where it matters. A seeded generator makes every one repeatable. */
import { below } from './random.ts';

/** Numbers that break careless arithmetic. */
const ODD = [0, 1, 2, 0x7f, 0xff, 0x1ff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];

/** A part of the image, [start, end) in bytes. */
export type Region = readonly [start: number, end: number];

/**
 * A copy of `image` with one to four changes: bits, bytes, odd 32- and 64-bit numbers in either byte order, parts
 * zeroed, filled or copied elsewhere, the end cut off or extended.
 * @param hot regions that most changes fall into; anywhere when empty
 */
export function damage(image: Buffer, random: () => number, hot: readonly Region[] = []): Buffer {
  let bytes: Buffer = Buffer.from(image);
  for (let changes = 1 + below(random, 4); changes > 0; changes--) bytes = change(bytes, random, hot);
  return bytes;
}

function change(bytes: Buffer, random: () => number, hot: readonly Region[]): Buffer {
  if (bytes.length === 0) return bytes;
  const at = place(bytes, random, hot);
  const length = Math.min(bytes.length - at, 1 + below(random, random() < 0.8 ? 16 : 4096));
  switch (below(random, 12)) {
    case 0:
    case 1:
      bytes[at]! ^= 1 << below(random, 8);
      return bytes;
    case 2:
      bytes[at] = below(random, 256);
      return bytes;
    case 3:
    case 4:
    case 5:
      return number(bytes, at, random);
    case 6:
      return bytes.fill(0, at, at + length);
    case 7:
      return bytes.fill(0xff, at, at + length);
    case 8:
    case 9:
      bytes.copy(bytes, place(bytes, random, hot), at, at + length);
      return bytes;
    case 10:
      return bytes.subarray(0, random() < 0.5 ? at : Math.max(0, bytes.length - below(random, 4096)));
    default:
      return Buffer.concat([bytes, Buffer.alloc(1 + below(random, 2048), below(random, 2) * 0xff)]);
  }
}

function place(bytes: Buffer, random: () => number, hot: readonly Region[]): number {
  const region = hot.length > 0 && random() < 0.9 ? hot[below(random, hot.length)] : undefined;
  const [start, end] = region ?? [0, bytes.length];
  const at = start + below(random, Math.max(1, end - start));
  // Fields are mostly aligned.
  return Math.min(bytes.length - 1, random() < 0.7 ? at - (at % 4) : at);
}

function number(bytes: Buffer, at: number, random: () => number): Buffer {
  const value = random() < 0.5 ? ODD[below(random, ODD.length)]! : below(random, 2 * bytes.length);
  const wide = random() < 0.3;
  const field = Buffer.alloc(wide ? 8 : 4);
  if (wide) field.writeBigUInt64BE(BigInt(value) * (random() < 0.2 ? 0x1_0000_0001n : 1n));
  else field.writeUInt32BE(value);
  if (random() < 0.3) field.reverse();
  bytes.set(field.subarray(0, bytes.length - at), at);
  return bytes;
}
