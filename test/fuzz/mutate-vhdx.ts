/**
 * Mutates VHDX images where it hurts: structures are changed and, half of the time, their checksums made right again.
 */
import { crc32cWithout } from '../../backend/src/support/crc32c.ts';
import { below } from './random.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

export interface Structures {
  bat: number;
  metadata: number;
  log: number;
}

/** The places that files of ours have. */
export const OUR_STRUCTURES: Structures = { log: MIB, metadata: 2 * MIB, bat: 3 * MIB };

const INTERESTING = [
  0,
  1,
  2,
  3,
  4,
  6,
  7,
  8,
  255,
  256,
  512,
  4096,
  65535,
  65536,
  MIB,
  MIB - 1,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
];

/**
 * Changes `image` in one to four places.
 * @param touch told of every range that changes, before it does
 * @returns what was done, to find a failure again
 */
export function mutateVhdx(
  image: Buffer,
  random: () => number,
  places: Structures,
  touch: (start: number, end: number) => void = () => undefined,
): string[] {
  const done: string[] = [];
  const pick = <T>(values: readonly T[]): T => values[below(random, values.length)]!;
  const change = (what: string, start: number, length: number): void => {
    const at = start + below(random, length);
    if (at + 8 > image.length) return;
    touch(at - (at % 8), at + 32);
    switch (below(random, 5)) {
      case 0:
        image[at]! ^= 1 << below(random, 8);
        break;
      case 1:
        image[at] = below(random, 256);
        break;
      case 2:
        image.writeUInt32LE(pick(INTERESTING), at - (at % 4));
        break;
      case 3:
        image.writeBigUInt64LE(BigInt(pick(INTERESTING)) << BigInt(below(random, 33)), at - (at % 8));
        break;
      default:
        image.copy(image, at, start, Math.min(start + length, start + 32));
    }
    done.push(`${what} at 0x${at.toString(16)}`);
  };
  const fix = (at: number, length: number): void => {
    if (random() < 0.8 && at + length <= image.length) {
      touch(at + 4, at + 8);
      image.writeUInt32LE(crc32cWithout(image.subarray(at, at + length), 4), at + 4);
    }
  };
  for (let count = 1 + below(random, 4); count > 0; count--) {
    switch (below(random, 9)) {
      case 0: {
        const at = pick([64 * KIB, 128 * KIB]);
        change('header', at, 80);
        fix(at, 4 * KIB);
        break;
      }
      case 1: {
        const at = pick([192 * KIB, 256 * KIB]);
        change('region table', at, 96);
        fix(at, 64 * KIB);
        break;
      }
      case 2:
        change('metadata table', places.metadata, 32 + 7 * 32);
        break;
      case 3:
        change('metadata items', places.metadata + 64 * KIB, 40);
        break;
      case 4:
        change('locator', places.metadata + 64 * KIB + 40, 400);
        break;
      case 5:
      case 6:
        change('BAT', places.bat, 128);
        break;
      case 7: {
        const entry = findLogEntry(image, places.log, below(random, 8));
        change('log', entry ?? places.log, 256);
        if (entry !== null) fix(entry, image.readUInt32LE(entry + 8));
        break;
      }
      default:
        change('anything', 0, image.length);
    }
  }
  return done;
}

/** The `skip`-th entry of the log, or the first; null when there is none. */
function findLogEntry(image: Buffer, log: number, skip: number): number | null {
  const found: number[] = [];
  for (let at = log; at < log + MIB && at + 64 < image.length; at += 4 * KIB) {
    if (image.toString('latin1', at, at + 4) === 'loge') found.push(at);
  }
  return found[skip % Math.max(1, found.length)] ?? null;
}
