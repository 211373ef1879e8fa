/** The VHD images that are mutated: fixed, dynamic and differencing, below 100 KiB. */
import { join } from 'node:path';
import type { Region } from './damage.ts';
import { pattern } from './random.ts';
import { Scratch } from './scratch.ts';
import { type BuiltVhd, buildDynamic, buildFixed, ID } from './vhd-builder.ts';

export const SECTOR = 512;
export const BLOCK = 16_384;
export const BITMAP = SECTOR;
/** File offsets: copy of the footer, dynamic header, table. */
export const HEADER = 512;
export const TABLE = 1536;
export const BLOCKS = 7;
export const SIZE = 6 * BLOCK + SECTOR;

export interface VhdSubject {
  name: string;
  kind: 'fixed' | 'dynamic' | 'differencing';
  file: Scratch;
  content: Scratch;
  payload: { file: number; disk: number; length: number }[];
  /** Of allocated blocks, the file offsets of their bitmaps. */
  blocks: { index: number; at: number }[];
  /** Where most damage goes. */
  hot: Region[];
  parent?: { bytes: Buffer; content: Buffer };
}

const built: NonNullable<BuiltVhd['blocks']> = [3, 0, 4].map((index) => ({
  index,
  data: pattern(index, BLOCK),
  present: (sector: number) => sector % 5 !== 0,
}));
const LOCATORS = [
  { platform: 'W2ru', bytes: Buffer.from('.\\parent.vhdx', 'utf16le') },
  { platform: 'W2ku', bytes: Buffer.from('C:\\VMs\\parent.vhdx', 'utf16le') },
  { platform: 'MacX', bytes: Buffer.from('file://./parent.vhdx') },
];

function fixedSubject(): VhdSubject {
  const content = pattern(1, SIZE);
  const file = buildFixed(content);
  return {
    name: 'fixed',
    kind: 'fixed',
    file: new Scratch(file),
    content: new Scratch(content),
    // Not the first sector: a copy of the footer there means something to some.
    payload: [{ file: SECTOR, disk: SECTOR, length: SIZE - SECTOR }],
    blocks: [],
    hot: [
      [SIZE, SIZE + 100],
      [0, 512],
    ],
  };
}

function sparseSubject(parent?: VhdSubject['parent']): VhdSubject {
  const named = parent && { id: ID, name: 'parent.vhdx', locators: LOCATORS };
  const file = buildDynamic({ size: SIZE, blockSize: BLOCK, blocks: built, parent: named, spareEntries: 5 });
  const content = Buffer.alloc(SIZE);
  parent?.content.copy(content);
  const payload: VhdSubject['payload'] = [];
  const blocks = built.map(({ index }) => ({ index, at: file.readUInt32BE(TABLE + 4 * index) * SECTOR }));
  for (const { index, at } of blocks) {
    for (let sector = 0; sector < BLOCK / SECTOR; sector++) {
      if (sector % 5 === 0) continue;
      const span = { file: at + BITMAP + sector * SECTOR, disk: index * BLOCK + sector * SECTOR, length: SECTOR };
      file.copy(content, span.disk, span.file, span.file + SECTOR);
      payload.push(span);
    }
  }
  const first = Math.min(...blocks.map(({ at }) => at));
  return {
    name: parent ? 'differencing' : 'dynamic',
    kind: parent ? 'differencing' : 'dynamic',
    file: new Scratch(file),
    content: new Scratch(content),
    payload,
    blocks,
    hot: [
      [file.length - 512, file.length - 400],
      [0, 100],
      [HEADER, HEADER + 64],
      [HEADER + 576, HEADER + 768],
      [TABLE, TABLE + 4 * BLOCKS],
      [TABLE + 512, TABLE + 512 + 100],
      [first, first + 8],
    ],
    parent,
  };
}

export const vhdSubjects = (): VhdSubject[] => [fixedSubject(), sparseSubject()];

export function vhdDifferencingSubjects(): VhdSubject[] {
  const content = pattern(1, SIZE);
  const grand = sparseSubject();
  return [
    sparseSubject({ bytes: buildFixed(content), content }),
    sparseSubject({ bytes: grand.file.bytes, content: grand.content.bytes }),
  ];
}

export const pathsIn = (folder: string) => ({
  victim: join(folder, 'victim.avhdx'),
  parent: join(folder, 'parent.vhdx'),
});
