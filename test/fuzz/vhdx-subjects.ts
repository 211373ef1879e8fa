/** The VHDX images that are mutated. All small: at most 8 MiB of file, 3.5 MiB of disk. */
import { join } from 'node:path';
import { type Change, logEntry, placeEntry } from './log-builder.ts';
import { pattern } from './random.ts';
import { Scratch } from './scratch.ts';
import {
  BLOCK,
  buildVhdx,
  contentOf,
  DATA_WRITE_GUID,
  type ImageSpec,
  KIB,
  LOG_GUID,
  MIB,
  PLACES,
} from './vhdx-image.ts';

/** Bytes of the file that are bytes of the disk. */
interface Payload {
  file: number;
  disk: number;
  length: number;
}

export interface VhdxSubject {
  name: string;
  spec: ImageSpec;
  file: Scratch;
  /** What the disk reads as; changed along with `file` where a mutation's effect is known. */
  content: Scratch;
  payload: Payload[];
  parent?: { file: Scratch; content: Buffer };
}

const SIZE = 3 * MIB + 512 * KIB;
const block = (tag: number): Buffer => pattern(tag, BLOCK);

const base: ImageSpec = {
  size: SIZE,
  sectorSize: 512,
  end: 6,
  blocks: [
    { index: 3, state: 'here', place: 4, data: block(1) },
    { index: 0, state: 'here', place: 5, data: block(2) },
    { index: 2, state: 'zero' },
  ],
};

const locator = {
  linkage: [DATA_WRITE_GUID],
  relativePath: '.\\parent.vhdx',
  volumePath: '\\\\?\\Volume{26a21bda-a627-11d7-9931-806e6f6e6963}\\parent.vhdx',
  absolutePath: 'C:\\VMs\\parent.vhdx',
};

/** A part of block 0, block 1 whole, block 2 zero, of block 3 the end. */
const child = (sectorSize: 512 | 4096): ImageSpec => ({
  size: SIZE,
  sectorSize,
  end: 8,
  bitmap: 4,
  parent: locator,
  blocks: [
    {
      index: 0,
      state: 'mixed',
      place: 7,
      data: block(3),
      present: [
        [0, 3],
        [9, 40],
        [100, 256],
      ],
    },
    { index: 1, state: 'here', place: 5, data: block(4) },
    { index: 2, state: 'zero' },
    { index: 3, state: 'mixed', place: 6, data: block(5), present: [[64, 128]] },
  ],
});

/** Offsets are of the file. */
const LOGGED: Change[][] = [
  [{ at: 5 * MIB, data: pattern(6, 8192) }],
  [{ at: 5 * MIB + 4096, zeros: 65536 }],
  [
    { at: 4 * MIB + 8192, data: pattern(7, 4096) },
    { at: 5 * MIB + 12288, data: pattern(8, 4096) },
  ],
];

function payloadOf(spec: ImageSpec): Payload[] {
  return spec.blocks.flatMap(({ index, state, place = 0, present = [] }) => {
    const length = Math.min(BLOCK, spec.size - index * BLOCK);
    if (state === 'here') return [{ file: place * MIB, disk: index * BLOCK, length }];
    return present.map(([from, to]) => ({
      file: place * MIB + from * spec.sectorSize,
      disk: index * BLOCK + from * spec.sectorSize,
      length: Math.min(to * spec.sectorSize, length) - from * spec.sectorSize,
    }));
  });
}

function subject(name: string, spec: ImageSpec, parent?: VhdxSubject['parent']): VhdxSubject {
  const file = new Scratch(buildVhdx(spec));
  const content = new Scratch(contentOf(spec, parent?.content));
  return { name, spec, file, content, payload: payloadOf(spec), parent };
}

/** Writes the entries into an empty log and applies them to the content. */
export function applyLog(spec: ImageSpec, file: Buffer, content: Buffer, entries: Change[][], first = 0): void {
  const log = file.subarray(PLACES.log, PLACES.log + MIB);
  let at = first;
  entries.forEach((changes, index) => {
    const common = { guid: LOG_GUID, tail: first, flushedSize: file.length, lastSize: file.length };
    at = placeEntry(log, at, logEntry({ ...common, sequence: index + 1, changes }));
    for (const change of changes) applyChange(spec, content, change);
  });
}

export function applyChange(spec: ImageSpec, content: Buffer, change: Change): void {
  const length = 'zeros' in change ? change.zeros : change.data.length;
  for (const { file, disk, length: size } of payloadOf(spec)) {
    const from = Math.max(file, change.at);
    const to = Math.min(file + size, change.at + length);
    if (from >= to) continue;
    const target = content.subarray(disk + from - file, disk + to - file);
    if ('zeros' in change) target.fill(0);
    else target.set(change.data.subarray(from - change.at, to - change.at));
  }
}

/** What the log writes hides what is in the file. */
function without(payload: Payload[], [from, to]: readonly [number, number]): Payload[] {
  return payload.flatMap(({ file, disk, length }) =>
    [
      { file, disk, length: Math.min(length, from - file) },
      { file: Math.max(file, to), disk: disk + Math.max(0, to - file), length: Math.min(length, file + length - to) },
    ].filter((part) => part.length > 0),
  );
}

function dirtySubject(name: string, clean: ImageSpec, logged: Change[][], parent?: VhdxSubject['parent']): VhdxSubject {
  const spec = { ...clean, dirty: true };
  const file = buildVhdx(spec);
  const content = contentOf(spec, parent?.content);
  applyLog(spec, file, content, logged);
  const touched = logged
    .flat()
    .map((change) => [change.at, change.at + ('zeros' in change ? change.zeros : change.data.length)] as const);
  const payload = touched.reduce(without, payloadOf(spec));
  return { name, spec, file: new Scratch(file), content: new Scratch(content), payload, parent };
}

export function vhdxSubjects(): VhdxSubject[] {
  const large: ImageSpec = { ...base, sectorSize: 4096, fixed: true, end: 8 };
  large.blocks = [0, 1, 2, 3].map((index) => ({ index, state: 'here', place: 7 - index, data: block(10 + index) }));
  return [subject('dynamic', base), subject('fixed, 4096', large), dirtySubject('dirty', base, LOGGED)];
}

export function avhdxSubjects(): VhdxSubject[] {
  const below = { file: new Scratch(buildVhdx(base)), content: contentOf(base) };
  const below4 = { file: new Scratch(buildVhdx({ ...base, sectorSize: 4096 })), content: contentOf(base) };
  const logged: Change[][] = [[{ at: 5 * MIB + 4096, data: pattern(9, 12288) }], [{ at: 7 * MIB, zeros: 4096 }]];
  return [
    subject('differencing', child(512), below),
    subject('differencing, 4096', child(4096), below4),
    dirtySubject('differencing, dirty', child(512), logged, below),
  ];
}

export const VICTIM = 'victim.avhdx';
export const PARENT = 'parent.vhdx';
export const pathsIn = (folder: string) => ({ victim: join(folder, VICTIM), parent: join(folder, PARENT) });
