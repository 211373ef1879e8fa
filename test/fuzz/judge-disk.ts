/** Does with a disk image all that reads one, and judges what comes of it. */
import { checkDisk, type Disk, inspectDisk, openDisk } from '../../backend/src/disk/index.ts';
import { isZero } from '../../backend/src/support/bytes.ts';
import { HvError } from '../../backend/src/support/errors.ts';
import { GuardedFiles } from './guarded-files.ts';
import { Defect, type DiskMutant, type Outcome } from './mutant.ts';
import { below } from './random.ts';

const MIB = 2 ** 20;
const CODES = new Set([
  'DISK_CORRUPT',
  'DISK_UNSUPPORTED',
  'DISK_FORMAT_UNKNOWN',
  'DISK_PARENT_MISSING',
  'DISK_PARENT_MISMATCH',
  'FILE_NOT_FOUND',
]);
/** Disks up to this size are read whole. */
const WHOLE = 8 * MIB;
const SAMPLES = 12;
const MOST_EXTENTS = 20_000;
/** What may be read: all tables a few times, and the content. An image of tens of MiB never needs more. */
const MOST_BYTES = 256 * MIB;
/** Sparse files claim tables of any size, and tables are walked: so much more for every byte of file that is a hole. */
const MOST_OF_HOLES = 8 * 2 ** 30;

const whole = Buffer.alloc(WHOLE);
const sample = Buffer.alloc(64 * 1024);

/** @throws Defect */
export async function judgeDisk(mutant: DiskMutant, random: () => number): Promise<Outcome> {
  const hole = [...mutant.files.values()].some(({ bytes, size }) => size > bytes.length);
  const files = new GuardedFiles(mutant.files, (hole ? MOST_OF_HOLES : MOST_BYTES) + mutant.files.size * 2 * MIB);
  const found = await attempt(async () => (await checkDisk(mutant.path, { opener: files.open })).length);
  const outcome = await attempt(() => use(mutant, files, random));
  files.settle();
  if (mutant.checkMustFind && found === 0) throw new Defect('the check finds nothing');
  if (outcome instanceof HvError) {
    if (mutant.expect.kind === 'content') throw new Defect(`refused, but it is sound: ${outcome.message}`);
    return { kind: 'error', code: outcome.code };
  }
  if (mutant.expect.kind === 'refused') throw new Defect('read without an error, but it is damaged');
  return { kind: outcome };
}

/** @returns the error when it is one that may come. @throws Defect for any other */
async function attempt<T>(work: () => Promise<T>): Promise<T | HvError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof HvError && CODES.has(error.code)) return error;
    if (error instanceof Defect) throw error;
    throw new Defect(`${error instanceof HvError ? error.code : 'exception'}: ${error}`, { cause: error });
  }
}

async function use(mutant: DiskMutant, files: GuardedFiles, random: () => number): Promise<'right' | 'unjudged'> {
  const opener = files.open;
  const info = await inspectDisk(mutant.path, { opener, allocated: true });
  const disk = await openDisk(mutant.path, { opener, parent: mutant.parent });
  try {
    if (disk.size !== info.size) throw new Defect(`sizes differ: ${disk.size}, ${info.size}`);
    if (!Number.isSafeInteger(disk.size) || disk.size < 0) throw new Defect(`the size is ${disk.size}`);
    const isWhole = disk.size <= WHOLE;
    if (isWhole) await readWhole(disk, random);
    await walk(disk, isWhole, random);
    await readSamples(disk, isWhole, random);
    if (mutant.expect.kind !== 'content') return 'unjudged';
    const { content } = mutant.expect;
    if (content.length !== disk.size) throw new Defect(`the disk has ${disk.size} bytes, not ${content.length}`);
    if (whole.compare(content, 0, content.length, 0, disk.size) !== 0) throw new Defect(firstDifference(content));
    return 'right';
  } finally {
    await disk.close();
  }
}

function firstDifference(content: Buffer): string {
  const at = content.findIndex((byte, index) => whole[index] !== byte);
  return `the content at ${at} is ${whole[at]}, not ${content[at]}`;
}

async function readWhole(disk: Disk, random: () => number): Promise<void> {
  const piece = disk.size <= 65536 ? 1 + below(random, 65536) : 65536 + below(random, 4 * MIB);
  whole.fill(0xa5, 0, disk.size);
  for (let at = 0; at < disk.size; at += piece) {
    await disk.read(at, whole.subarray(at, Math.min(at + piece, disk.size)));
  }
}

/** Extents are gapless, in order, joined, and zero where they say so. */
async function walk(disk: Disk, isWhole: boolean, random: () => number): Promise<void> {
  const from = isWhole ? 0 : below(random, 2) * Math.floor(random() * disk.size);
  let next = from;
  let last: string | undefined;
  let count = 0;
  for await (const { offset, length, kind } of disk.extents(from, disk.size - from)) {
    if (offset !== next || length <= 0) throw new Defect(`an extent of ${length} at ${offset}, not ${next}`);
    if (kind === last) throw new Defect(`two ${kind} extents meet at ${offset}`);
    next = offset + length;
    last = kind;
    if (kind === 'zero' && isWhole && !isZero(whole.subarray(offset, next))) {
      throw new Defect(`the zero extent at ${offset} is not zero`);
    }
    if (++count >= MOST_EXTENTS) return;
  }
  if (next !== disk.size) throw new Defect(`the extents end at ${next} of ${disk.size}`);
}

async function readSamples(disk: Disk, isWhole: boolean, random: () => number): Promise<void> {
  for (let step = 0; step < SAMPLES; step++) {
    const length = Math.min(disk.size, below(random, random() < 0.7 ? 4096 : sample.length));
    const place = step === 0 ? 0 : step === 1 ? disk.size - length : Math.floor(random() * (disk.size - length));
    const target = sample.subarray(0, length).fill(0x5a);
    await disk.read(place, target);
    if (isWhole && whole.compare(target, 0, length, place, place + length) !== 0) {
      throw new Defect(`${length} bytes at ${place} read otherwise alone than with all`);
    }
  }
  for (const [offset, length] of [
    [disk.size, 1],
    [-1, 1],
    [disk.size - 1, 2],
  ] as const) {
    const error = await disk.read(offset, sample.subarray(0, length)).then(
      () => null,
      (reason: unknown) => reason,
    );
    if (!(error instanceof HvError) || error.code !== 'DISK_OUT_OF_RANGE') {
      throw new Defect(`a read of ${length} at ${offset} of ${disk.size}: ${error}`);
    }
  }
}
