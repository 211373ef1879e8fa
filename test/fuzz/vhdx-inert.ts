/** Parts of a VHDX that say nothing about the content of the disk: whatever is in them, it reads the same. */
import { crc32cWithout } from '../../backend/src/support/crc32c.ts';
import { below, pick } from './random.ts';
import { ITEMS, KIB, MIB, PLACES } from './vhdx-image.ts';
import type { VhdxSubject } from './vhdx-subjects.ts';

interface Part {
  name: string;
  start: number;
  end: number;
  /** Structure whose checksum must be made right: offset and length. */
  checksum?: [at: number, length: number];
}

const header: [number, number] = [64 * KIB, 4 * KIB];
const regionTable: [number, number] = [192 * KIB, 64 * KIB];

const ALWAYS: Part[] = [
  { name: 'creator', start: 8, end: 520 },
  { name: 'reserved after the creator', start: 520, end: 64 * KIB },
  { name: 'file write id', start: 64 * KIB + 16, end: 64 * KIB + 32, checksum: header },
  { name: 'reserved in the header', start: 64 * KIB + 80, end: 68 * KIB, checksum: header },
  { name: 'space after the header', start: 68 * KIB, end: 128 * KIB },
  { name: 'old header', start: 128 * KIB, end: 132 * KIB },
  // All but its sequence number, with the right checksum: it stays the old one.
  { name: 'old header, valid', start: 128 * KIB + 16, end: 132 * KIB, checksum: [128 * KIB, 4 * KIB] },
  { name: 'reserved in the region table', start: 192 * KIB + 12, end: 192 * KIB + 16, checksum: regionTable },
  { name: 'space after the regions', start: 192 * KIB + 80, end: 256 * KIB, checksum: regionTable },
  { name: 'second region table', start: 256 * KIB, end: 320 * KIB },
  { name: 'rest of the first megabyte', start: 320 * KIB, end: MIB },
  { name: 'reserved in the metadata table', start: PLACES.metadata + 12, end: PLACES.metadata + 32 },
  { name: 'space after the metadata entries', start: PLACES.metadata + 32 + 6 * 32, end: ITEMS },
  { name: 'disk id', start: ITEMS + 24, end: ITEMS + 40 },
  { name: 'space after the items', start: ITEMS + 4 * KIB, end: PLACES.bat },
];

function partsOf({ spec }: VhdxSubject): Part[] {
  const parts = [...ALWAYS];
  const used = new Set(spec.blocks.map(({ place }) => place));
  if (!spec.dirty) parts.push({ name: 'log of a clean file', start: PLACES.log, end: PLACES.log + MIB });
  else parts.push({ name: 'rest of the log', start: PLACES.log + 128 * KIB, end: PLACES.log + MIB });
  if (spec.bitmap === undefined) parts.push({ name: 'rest of the BAT', start: PLACES.bat + 32, end: PLACES.bat + MIB });
  else {
    parts.push({ name: 'rest of the sector bitmap', start: spec.bitmap * MIB + KIB, end: spec.bitmap * MIB + MIB });
    parts.push({ name: 'rest of the BAT', start: PLACES.bat + 256 * KIB + 8, end: PLACES.bat + MIB });
    used.add(spec.bitmap);
  }
  for (let place = 4; place < spec.end; place++) {
    if (!used.has(place)) parts.push({ name: 'free space', start: place * MIB, end: place * MIB + MIB });
  }
  const last = spec.blocks.find(({ index, state }) => index === 3 && state === 'here');
  if (last) {
    const start = last.place! * MIB;
    parts.push({ name: 'what sticks out of the disk', start: start + 512 * KIB, end: start + MIB });
  }
  return parts;
}

/** Changes one such part. @returns what was done */
export function changeInert(subject: VhdxSubject, random: () => number): string {
  const part = pick(random, partsOf(subject));
  const at = part.start + below(random, part.end - part.start);
  const length = Math.min(part.end - at, 1 + below(random, random() < 0.8 ? 32 : 4096));
  fillRandom(subject.file.bytes, subject.file.touch, at, length, random);
  if (part.checksum) fixChecksum(subject, ...part.checksum);
  return `${part.name}: ${length} bytes at 0x${at.toString(16)}`;
}

export function fixChecksum({ file }: VhdxSubject, at: number, length: number): void {
  file.edit(at + 4, 4, (field) => field.writeUInt32LE(crc32cWithout(file.bytes.subarray(at, at + length), 4)));
}

export function fillRandom(
  bytes: Buffer,
  touch: (start: number, end: number) => void,
  at: number,
  length: number,
  random: () => number,
): void {
  touch(at, at + length);
  const style = below(random, 3);
  for (let index = 0; index < length; index++)
    bytes[at + index] = style === 0 ? 0xff : style === 1 ? 0 : below(random, 256);
}
