/**
 * Mutations of VHDX structures made on purpose, with right checksums. Where the format says what they mean, the content
 * is changed along, or the image must be refused.
 */
import { writeBatEntry } from '../../backend/src/disk/vhdx/format/bat-entry.ts';
import { setBits } from '../../backend/src/disk/vhdx/sector-bitmap.ts';
import { writeGuid } from '../../backend/src/support/guid.ts';
import type { Change } from './log-builder.ts';
import type { Expectation } from './mutant.ts';
import { below, pattern, pick } from './random.ts';
import { BLOCK, bitmapEntryAt, entryAt, ITEMS, KIB, MIB, PLACES } from './vhdx-image.ts';
import { fixChecksum } from './vhdx-inert.ts';
import { applyChange, applyLog, type VhdxSubject } from './vhdx-subjects.ts';

/** What a mutation did and what must come of it; `size`: the file claims to be so long. */
export interface Structured {
  what: string;
  expect: 'content' | 'refused' | 'any';
  size?: number;
  checkMustFind?: boolean;
}

export type Structure = (subject: VhdxSubject, random: () => number) => Structured;

const ABSURD = [0n, 1n, 511n, 512n, 4096n, 2n ** 31n, 2n ** 32n, 2n ** 46n - 512n, 2n ** 46n, 2n ** 46n + 512n];
const IMPOSSIBLE = [2n ** 53n, 2n ** 63n, 2n ** 64n - 512n, 2n ** 64n - 1n];

/** Which states a block without a place may have, and whether it then is the parent's. */
const blockState: Structure = ({ spec, file, content, parent }, random) => {
  const block = below(random, 4);
  const state = below(random, 6);
  const start = block * BLOCK;
  const length = Math.min(BLOCK, spec.size - start);
  file.edit(entryAt(block), 8, (entry) => writeBatEntry(entry, 0, state, 0));
  const what = `block ${block} has state ${state}`;
  if (state === 4) return { what, expect: 'refused', checkMustFind: true };
  content.edit(start, length, (view) => {
    view.fill(0);
    if (state === 0) parent?.content.copy(view, 0, start, start + length);
  });
  return { what, expect: 'content' };
};

/** Two blocks at one place read the same; the check finds it. */
const overlap: Structure = ({ spec, file, content }, random) => {
  const here = pick(
    random,
    spec.blocks.filter(({ state }) => state === 'here'),
  );
  const block = (here.index + 1 + below(random, 3)) % 4;
  const start = block * BLOCK;
  file.edit(entryAt(block), 8, (entry) => writeBatEntry(entry, 0, 6, here.place! * MIB));
  const expected = Buffer.alloc(Math.min(BLOCK, spec.size - start));
  file.bytes.copy(expected, 0, here.place! * MIB);
  if (spec.dirty)
    return { what: `block ${block} overlaps block ${here.index}, with a log`, expect: 'any', checkMustFind: true };
  content.write(start, expected);
  return { what: `block ${block} overlaps block ${here.index}`, expect: 'content', checkMustFind: true };
};

const misplaced: Structure = ({ spec, file }, random) => {
  const block = below(random, 4);
  const place = pick(random, [0, 1, 2, 3, spec.end, spec.end + 1, 2 ** 20, 2 ** 33 - 1, 2 ** 43]);
  file.edit(entryAt(block), 8, (entry) => {
    entry.writeBigUInt64LE((BigInt(place) << 20n) | 6n);
  });
  return { what: `block ${block} is at ${place} MiB`, expect: 'refused', checkMustFind: true };
};

/** The end of the file cuts through the last block. */
const cut: Structure = ({ spec, file }, random) => {
  const size = below(random, spec.end * MIB);
  void file;
  return { what: `cut to ${size}`, expect: 'any', size };
};

const extended: Structure = ({ spec }, random) => {
  const size = spec.end * MIB + pick(random, [1, 4095, MIB, 2 ** 32, 2 ** 45, 2 ** 52]);
  return { what: `the file claims ${size} bytes`, expect: 'content', size };
};

/** Sizes that no disk has, or with a BAT region to match in a file full of holes. */
const diskSize: Structure = (subject, random) => {
  const { file } = subject;
  const value = random() < 0.3 ? pick(random, IMPOSSIBLE) : pick(random, ABSURD) + BigInt(below(random, 3)) * 512n;
  file.edit(ITEMS + 8, 8, (field) => field.writeBigUInt64LE(BigInt.asUintN(64, value)));
  const what = `disk size ${value}`;
  if (random() < 0.05) {
    const place = 2 ** 40;
    const length = pick(random, [256, 512, 1024]) * MIB;
    bothRegionTables(subject, (table) => {
      table.writeBigUInt64LE(BigInt(place), 32);
      table.writeUInt32LE(length, 40);
    });
    return { what: `${what}, BAT of ${length} bytes in a hole`, expect: 'any', size: place + length };
  }
  return { what, expect: value > 2n ** 46n ? 'refused' : 'any', checkMustFind: value > 2n ** 46n };
};

const blockSize: Structure = ({ file }, random) => {
  const value = pick(random, [
    0,
    1,
    512,
    4096,
    MIB - 1,
    MIB / 2,
    MIB + 1,
    2 * MIB,
    64 * MIB,
    256 * MIB,
    512 * MIB,
    2 ** 31,
    2 ** 32 - 1,
  ]);
  file.edit(ITEMS, 4, (field) => field.writeUInt32LE(value));
  const fine = value >= MIB && value <= 256 * MIB && Number.isInteger(Math.log2(value));
  return { what: `block size ${value}`, expect: fine ? 'any' : 'refused', checkMustFind: !fine };
};

const sectorSize: Structure = ({ file, spec }, random) => {
  const value = pick(random, [0, 1, 256, 513, 1024, 2048, 8192, 2 ** 31, 2 ** 32 - 1]);
  file.edit(ITEMS + (random() < 0.5 ? 16 : 20), 4, (field) => field.writeUInt32LE(value));
  return { what: `sector size ${value}, was ${spec.sectorSize}`, expect: 'refused', checkMustFind: true };
};

function bothRegionTables(subject: VhdxSubject, change: (table: Buffer) => void): void {
  for (const at of [192 * KIB, 256 * KIB]) {
    subject.file.edit(at, 256, change);
    fixChecksum(subject, at, 64 * KIB);
  }
}

const regions: Structure = (subject, random) => {
  const entry = 16 + 32 * below(random, 2);
  const kind = below(random, 7);
  bothRegionTables(subject, (table) => {
    if (kind === 0) table.writeUInt32LE(pick(random, [0, 1, 2048, 2 ** 31, 2 ** 32 - 1]), 8);
    else if (kind === 1)
      table.writeBigUInt64LE(pick(random, [0n, 1n, 65536n, BigInt(MIB) + 1n, 2n ** 40n, 2n ** 63n]), entry + 16);
    else if (kind === 2) table.writeUInt32LE(pick(random, [0, 1, 4096, 2 ** 31, 0xfff00000, 2 ** 32 - 1]), entry + 24);
    else if (kind === 3) table.copy(table, 16, 48, 80);
    else if (kind === 4) table.writeBigUInt64LE(table.readBigUInt64LE(80 - entry + 16 === 80 ? 32 : 64), entry + 16);
    else {
      table.writeUInt32LE(3, 8);
      table.fill(kind, 80, 96);
      table.writeBigUInt64LE(BigInt(pick(random, [0, MIB, 4 * MIB, 2 ** 30])), 96);
      table.writeUInt32LE(MIB, 104);
      table.writeUInt32LE(kind === 5 ? 1 : 0, 108);
    }
  });
  const refused = kind === 0 || kind === 3 || kind === 5;
  return {
    what: `region tables, kind ${kind}, entry ${entry}`,
    expect: refused ? 'refused' : 'any',
    checkMustFind: refused,
  };
};

const headers: Structure = (subject, random) => {
  const kind = below(random, 6);
  const value = pick(random, [0n, 1n, 4096n, BigInt(MIB), BigInt(2 * MIB), 2n ** 40n, 2n ** 63n, 2n ** 64n - 1n]);
  for (const at of random() < 0.5 ? [64 * KIB] : [64 * KIB, 128 * KIB]) {
    subject.file.edit(at, 80, (header) => {
      if (kind === 0) header.writeBigUInt64LE(value, 8);
      else if (kind === 1) header.writeBigUInt64LE(value, 72);
      else if (kind === 2) header.writeUInt32LE(Number(BigInt.asUintN(32, value)), 68);
      else if (kind === 3) header.writeUInt16LE(below(random, 3), 66);
      else if (kind === 4) header.writeUInt16LE(below(random, 3), 64);
      else
        writeGuid(
          header,
          48,
          pick(random, ['0f0f0f0f-1111-4222-8333-444444444444', '0e0e0e0e-1111-4222-8333-444444444444']),
        );
    });
    fixChecksum(subject, at, 4 * KIB);
  }
  return { what: `headers, kind ${kind}, ${value}`, expect: 'any' };
};

const metadataTable: Structure = ({ file }, random) => {
  const kind = below(random, 5);
  const entry = 32 + 32 * below(random, 6);
  file.edit(PLACES.metadata, 256, (table) => {
    if (kind === 0) table.writeUInt16LE(pick(random, [0, 1, 4, 6, 2047, 2048, 65535]), 10);
    else if (kind === 1)
      table.writeUInt32LE(pick(random, [0, 1, 65535, MIB - 4, MIB, 2 ** 31, 2 ** 32 - 8]), entry + 16);
    else if (kind === 2) table.writeUInt32LE(pick(random, [0, 1, 7, 9, 65536, MIB, MIB + 1, 2 ** 32 - 1]), entry + 20);
    else if (kind === 3) table.copy(table, entry, 32, 64);
    else table.writeUInt32LE(below(random, 8), entry + 24);
  });
  return { what: `metadata table, kind ${kind}, entry ${entry}`, expect: 'any' };
};

/** Another log in its place, of random changes: valid ones are what the disk then reads as. */
const anotherLog: Structure = ({ spec, file, content, parent }, random) => {
  if (!spec.dirty || parent) return blockState({ spec, file, content, parent } as VhdxSubject, random);
  file.touch(PLACES.log, PLACES.log + 512 * KIB);
  file.touch(PLACES.bat - 64 * KIB, PLACES.bat);
  file.bytes.fill(0, PLACES.log, PLACES.log + 512 * KIB);
  content.touch(0, content.bytes.length);
  content.bytes.fill(0);
  for (const { index, state, place = 0 } of spec.blocks) {
    if (state === 'here')
      file.bytes.copy(
        content.bytes,
        index * BLOCK,
        place * MIB,
        place * MIB + Math.min(BLOCK, spec.size - index * BLOCK),
      );
  }
  const entries: Change[][] = Array.from({ length: 1 + below(random, 4) }, () =>
    Array.from({ length: 1 + below(random, 3) }, (): Change => {
      const at = 4 * MIB + 4096 * below(random, 512);
      return random() < 0.3
        ? { at, zeros: 4096 * (1 + below(random, 20)) }
        : { at, data: pattern(below(random, 99), 4096) };
    }),
  );
  const bad = random() < 0.3;
  if (bad)
    entries.at(-1)!.push(
      pick<Change>(random, [
        { at: 65536, zeros: 4096 },
        { at: PLACES.log, zeros: 8192 },
        { at: 4 * MIB + 1, zeros: 4096 },
        { at: 4 * MIB, zeros: 2 ** 52 * 4 },
      ]),
    );
  applyLog(spec, file.bytes, bad ? Buffer.alloc(spec.size) : content.bytes, entries, 4096 * below(random, 16));
  // An entry that is not valid was never finished: what is before it counts.
  for (const change of bad ? entries.slice(0, -1).flat() : []) applyChange(spec, content.bytes, change);
  return {
    what: `a log of ${entries.map((entry) => entry.length)} changes${bad ? ', the last one forbidden' : ''}`,
    expect: bad && entries.length === 1 ? 'refused' : 'content',
  };
};

/** Sectors that come or go: the file holds what was there, the parent the rest. */
const bitmapBits: Structure = ({ spec, file, content, parent }, random) => {
  const mixed = spec.blocks.filter(({ state }) => state === 'mixed');
  if (spec.dirty || mixed.length === 0) return misplaced({ spec, file } as VhdxSubject, random);
  const { index, place = 0 } = pick(random, mixed);
  const sectors = Math.min(BLOCK, spec.size - index * BLOCK) / spec.sectorSize;
  const from = below(random, sectors);
  const to = Math.min(sectors, from + 1 + below(random, 100));
  const set = random() < 0.5;
  const slice = spec.bitmap! * MIB + (index * BLOCK) / spec.sectorSize / 8;
  file.edit(slice, 256, (bits) => {
    if (set) setBits(bits, 0, from, to);
    else for (let bit = from; bit < to; bit++) bits[bit >>> 3]! &= ~(1 << (bit & 7));
  });
  const [start, end] = [from * spec.sectorSize, to * spec.sectorSize];
  const source = set
    ? file.bytes.subarray(place * MIB + start, place * MIB + end)
    : parent!.content.subarray(index * BLOCK + start, index * BLOCK + end);
  content.write(index * BLOCK + start, source);
  return { what: `sectors ${from} to ${to} of block ${index} are ${set ? 'here' : "the parent's"}`, expect: 'content' };
};

const bitmapEntry: Structure = (subject, random) => {
  const { spec, file } = subject;
  if (spec.bitmap === undefined) {
    const block = below(random, 4);
    file.edit(entryAt(block), 8, (entry) => writeBatEntry(entry, 0, 7, 4 * MIB));
    return { what: `block ${block} is partially present without a parent`, expect: 'refused', checkMustFind: true };
  }
  const value = pick(random, [0n, 1n, 7n, 6n, (1n << 20n) | 6n, (BigInt(spec.end) << 20n) | 6n, (1n << 63n) | 6n]);
  file.edit(bitmapEntryAt(spec.sectorSize), 8, (entry) => entry.writeBigUInt64LE(value));
  return { what: `sector bitmap entry ${value}`, expect: 'refused', checkMustFind: true };
};

export const STRUCTURES: readonly Structure[] = [
  blockState,
  overlap,
  misplaced,
  cut,
  extended,
  diskSize,
  blockSize,
  sectorSize,
  regions,
  headers,
  metadataTable,
  anotherLog,
  anotherLog,
  bitmapBits,
  bitmapBits,
  bitmapEntry,
];

export const expectation = (expect: Structured['expect'], content: Buffer): Expectation =>
  expect === 'content' ? { kind: 'content', content } : { kind: expect };
