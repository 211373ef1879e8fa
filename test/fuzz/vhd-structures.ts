/** Mutations of VHD structures made on purpose, with right checksums. */
import { vhdChecksum } from '../../backend/src/disk/vhd/format/checksum.ts';
import { below, pick } from './random.ts';
import { BITMAP, BLOCK, BLOCKS, HEADER, SECTOR, SIZE, TABLE, type VhdSubject } from './vhd-subjects.ts';
import { fillRandom } from './vhdx-inert.ts';
import type { Structured } from './vhdx-structures.ts';

type Structure = (subject: VhdSubject, random: () => number) => Structured;

/** Makes the checksums of footer, its copy and the dynamic header right. Never fails: what is not there stays. */
export function repairVhd(bytes: Buffer, touch: (start: number, end: number) => void = () => undefined): void {
  const fix = (at: number, length: number, field: number): void => {
    if (at < 0 || at + length > bytes.length) return;
    touch(at + field, at + field + 4);
    bytes.writeUInt32BE(vhdChecksum(bytes.subarray(at, at + length), field), at + field);
  };
  fix(bytes.length - SECTOR, SECTOR, 64);
  if (bytes.toString('latin1', 0, 8) !== 'conectix') return;
  fix(0, SECTOR, 64);
  fix(HEADER, 1024, 36);
}

/** Both footers and, with its checksum, the dynamic header. */
function edit(subject: VhdSubject, change: (footer: Buffer, header: Buffer) => void): void {
  const { file, kind } = subject;
  const end = file.bytes.length - SECTOR;
  const header = file.bytes.subarray(HEADER, TABLE);
  file.touch(end, end + SECTOR);
  if (kind !== 'fixed') file.touch(0, TABLE);
  change(file.bytes.subarray(end), kind === 'fixed' ? Buffer.alloc(1024) : header);
  if (kind !== 'fixed') file.bytes.copy(file.bytes, 0, end, end + SECTOR);
  repairVhd(file.bytes, file.touch);
}

/** Content of a block as if it were not allocated. */
function below0(subject: VhdSubject, from: number, to: number): Buffer {
  const { parent } = subject;
  return parent ? parent.content.subarray(from, to) : Buffer.alloc(to - from);
}

const unallocate: Structure = (subject, random) => {
  const { index } = pick(random, subject.blocks);
  subject.file.edit(TABLE + 4 * index, 4, (entry) => entry.fill(0xff));
  const [from, to] = [index * BLOCK, Math.min(SIZE, index * BLOCK + BLOCK)];
  subject.content.write(from, below0(subject, from, to));
  return { what: `block ${index} is not allocated`, expect: 'content' };
};

const overlap: Structure = (subject, random) => {
  const { index, at } = pick(random, subject.blocks);
  const other = (index + 1 + below(random, BLOCKS - 2)) % (BLOCKS - 1);
  const shift = below(random, 3);
  subject.file.edit(TABLE + 4 * other, 4, (entry) => entry.writeUInt32BE(at / SECTOR + shift));
  return {
    what: `block ${other} overlaps block ${index}, ${shift} sectors on`,
    expect: 'refused',
    checkMustFind: true,
  };
};

const misplaced: Structure = (subject, random) => {
  const block = below(random, BLOCKS);
  const end = subject.file.bytes.length / SECTOR;
  const sector = pick(random, [0, 1, 2, 3, end - 1, end, end + 1, 2 ** 31, 2 ** 32 - 2]);
  subject.file.edit(TABLE + 4 * block, 4, (entry) => entry.writeUInt32BE(sector));
  return { what: `block ${block} is at sector ${sector}`, expect: 'refused', checkMustFind: true };
};

/** Sectors that come or go. */
const bitmapBits: Structure = (subject, random) => {
  const { file, content } = subject;
  const { index, at } = pick(random, subject.blocks);
  const from = below(random, BLOCK / SECTOR);
  const to = Math.min(BLOCK / SECTOR, from + 1 + below(random, 10));
  const set = random() < 0.5;
  file.touch(at, at + 4);
  for (let bit = from; bit < to; bit++) {
    if (set) file.bytes[at + (bit >>> 3)]! |= 0x80 >>> (bit & 7);
    else file.bytes[at + (bit >>> 3)]! &= ~(0x80 >>> (bit & 7));
  }
  const [start, end] = [index * BLOCK + from * SECTOR, index * BLOCK + to * SECTOR];
  const place = at + BITMAP - index * BLOCK;
  content.write(
    start,
    set ? Buffer.from(file.bytes.subarray(place + start, place + end)) : below0(subject, start, end),
  );
  return { what: `sectors ${from} to ${to} of block ${index} are ${set ? 'set' : 'clear'}`, expect: 'content' };
};

const SIZES = [
  0n,
  1n,
  511n,
  512n,
  BigInt(SIZE) - 512n,
  BigInt(SIZE) + 512n,
  2n ** 32n,
  2n ** 41n - 2n ** 33n,
  2n ** 41n,
  2n ** 63n,
  2n ** 64n - 512n,
];

const diskSize: Structure = (subject, random) => {
  const value = pick(random, SIZES);
  const hole = subject.kind !== 'fixed' && random() < 0.02;
  edit(subject, (footer, header) => {
    footer.writeBigUInt64BE(hole ? 2n ** 41n - 2n ** 33n : value, 48);
    if (!hole) return;
    // A table as large as can be, in a hole; the footer is then missing and its copy counts.
    header.writeBigUInt64BE(2n ** 40n, 16);
    header.writeUInt32BE(2 ** 32 - 1, 28);
    header.writeUInt32BE(pick(random, [2 ** 16, 2 ** 18, 2 ** 21]), 32);
  });
  if (hole) return { what: 'a table in a hole, 2040 GiB', expect: 'any', size: 2 ** 40 + 2 ** 31 };
  return { what: `disk size ${value}`, expect: 'any' };
};

const footerField: Structure = (subject, random) => {
  const at = pick(random, [8, 12, 16, 20, 28, 32, 36, 40, 44, 56, 60, 68, 84]);
  const value = pick(random, [0, 1, 2, 3, 4, 5, 6, 0x0002_0000, 2 ** 31, 2 ** 32 - 1]);
  edit(subject, (footer) => footer.writeUInt32BE(value, at));
  return { what: `footer field ${at} is ${value}`, expect: 'any' };
};

const headerField: Structure = (subject, random) => {
  const at = pick(random, [8, 16, 20, 24, 28, 32, 40, 56]);
  const value = pick(random, [
    0,
    1,
    511,
    512,
    513,
    1024,
    1536,
    4096,
    BLOCK,
    2 ** 21,
    2 ** 28,
    2 ** 29,
    2 ** 31,
    2 ** 32 - 1,
  ]);
  edit(subject, (_footer, header) => header.writeUInt32BE(value, at));
  return { what: `dynamic header field ${at} is ${value}`, expect: 'any' };
};

const PLATFORMS = ['W2ru', 'W2ku', 'Wi2r', 'Wi2k', 'MacX', 'Mac ', '\0\0\0\0', 'Abcd'];

const locator: Structure = (subject, random) => {
  const entry = 576 + 24 * below(random, 8);
  const platform = pick(random, PLATFORMS);
  const length = pick(random, [0, 1, 2, 51, 64, 512, 65536, 65537, 2 ** 31, 2 ** 32 - 1]);
  const offset = pick(random, [
    0n,
    1n,
    2048n,
    BigInt(subject.file.bytes.length) - 10n,
    BigInt(subject.file.bytes.length),
    2n ** 53n,
    2n ** 64n - 1n,
  ]);
  edit(subject, (_footer, header) => {
    header.write(platform, entry, 'latin1');
    header.writeUInt32BE(length, entry + 4);
    header.writeUInt32BE(length, entry + 8);
    header.writeBigUInt64BE(offset, entry + 16);
  });
  return {
    what: `locator ${JSON.stringify(platform)} of ${length} bytes at ${offset}`,
    expect: subject.parent ? 'any' : 'content',
  };
};

const parentName: Structure = (subject, random) => {
  edit(subject, (_footer, header) => fillRandom(header, () => undefined, 64, 512, random));
  return { what: 'name of the parent', expect: subject.parent ? 'any' : 'content' };
};

/** Does not influence the content. */
const inert: Structure = (subject, random) => {
  const { file, kind } = subject;
  if (kind === 'fixed' || random() < 0.4) {
    const [from, to] = pick(random, [
      [24, 48],
      [56, 60],
      [85, 512],
    ] as const);
    edit(subject, (footer) => fillRandom(footer, () => undefined, from, to - from, random));
    return { what: `footer ${from} to ${to}, checksum right`, expect: 'content' };
  }
  if (random() < 0.3) {
    file.edit(8, 504, (copy) => fillRandom(copy, () => undefined, 0, 1 + below(random, 504), random));
    return { what: "the footer's copy", expect: 'content' };
  }
  if (random() < 0.5) {
    file.edit(file.bytes.length - SECTOR, SECTOR, (footer) => fillRandom(footer, () => undefined, 0, SECTOR, random));
    return { what: 'the footer: its copy counts', expect: 'content' };
  }
  const [from, to] = pick(random, [
    [TABLE + 4 * BLOCKS, TABLE + 512],
    [HEADER + 768, HEADER + 1024],
  ] as const);
  fillRandom(file.bytes, file.touch, from, to - from, random);
  repairVhd(file.bytes, file.touch);
  return { what: `space ${from} to ${to}`, expect: 'content' };
};

const SPARSE: readonly Structure[] = [
  unallocate,
  overlap,
  misplaced,
  bitmapBits,
  bitmapBits,
  headerField,
  headerField,
  locator,
  parentName,
];
const ANY: readonly Structure[] = [diskSize, footerField, inert, inert, inert];

export const changeStructure: Structure = (subject, random) =>
  pick(random, subject.kind === 'fixed' ? ANY : [...ANY, ...SPARSE])(subject, random);
