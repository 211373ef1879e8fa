/**
 * Damaged VHDs: an error that says what is wrong, or a disk that can be read to its end; never anything outside the
 * file, never another error. Each mutation can be made again by its seed. HVBACKUP_FUZZ sets how many there are.
 */
import { describe, expect, it } from 'vitest';
import { ChainDevice } from '../../../../backend/src/disk/chain.ts';
import { openDisk } from '../../../../backend/src/disk/index.ts';
import { checkVhd } from '../../../../backend/src/disk/vhd/check.ts';
import { openVhdImage } from '../../../../backend/src/disk/vhd/image.ts';
import { isHvError } from '../../../../backend/src/support/errors.ts';
import { damage, type Region } from '../../../fuzz/damage.ts';
import { below, pattern, seeded } from '../../../fuzz/random.ts';
import { buildDynamic, buildFixed, ID } from '../../../fuzz/vhd-builder.ts';
import { MemoryFiles } from '../support/memory-files.ts';

const MUTATIONS = Number(process.env.HVBACKUP_FUZZ ?? 400);
const BLOCK = 16_384;
const EXPECTED = ['DISK_CORRUPT', 'DISK_UNSUPPORTED', 'DISK_FORMAT_UNKNOWN'] as const;

const blocks = [3, 0, 4].map((index) => ({
  index,
  data: pattern(index, BLOCK),
  present: (sector: number) => sector % 5 !== 0,
}));
const locators = [
  { platform: 'W2ru', bytes: Buffer.from('.\\base.vhd', 'utf16le') },
  { platform: 'MacX', bytes: Buffer.from('file://./base.vhd') },
];
const size = 6 * BLOCK + 512;
const fixed = buildFixed(pattern(1, size));
const dynamic = buildDynamic({ size, blockSize: BLOCK, blocks });
const child = buildDynamic({ size, blockSize: BLOCK, blocks, parent: { id: ID, name: 'base.vhd', locators } });

const hot = (image: Buffer): Region[] => {
  const footer: Region[] = [[image.length - 512, image.length]];
  if (image === fixed) return [...footer, [0, 512]];
  // Copy, header, locators' table and first table entries; then the table, and the first block's bitmap.
  const bitmap = Math.min(...[0, 3, 4].map((block) => image.readUInt32BE(1536 + 4 * block))) * 512;
  return [
    ...footer,
    [0, 100],
    [512, 576],
    [512 + 576, 512 + 768],
    [1536, 1536 + 32],
    [bitmap, bitmap + 16],
    [2048, 2100],
  ];
};

/** Reads a disk at random and to its end. */
async function readThrough(files: MemoryFiles, random: () => number): Promise<void> {
  // openDisk() takes what has no footer any more for a raw disk.
  const disk =
    random() < 0.5
      ? await openDisk('/image', { opener: files.open, parent: '/base' })
      : new ChainDevice([await openVhdImage(await files.open('/image', 'read'))]);
  const target = Buffer.alloc(8192);
  for (let step = 0; step < 20; step++) {
    const length = Math.min(disk.size, below(random, target.length));
    await disk.read(below(random, disk.size - length + 1), target.subarray(0, length)).catch(expectNamed);
  }
  let next = 0;
  for await (const extent of disk.extents()) {
    expect(extent.offset).toBe(next);
    next += extent.length;
    const sample = target.subarray(0, Math.min(extent.length, target.length));
    if (extent.kind === 'data') await disk.read(extent.offset, sample);
  }
  expect(next).toBe(disk.size);
  await disk.close();
}

function expectNamed(error: unknown): void {
  if (!isHvError(error, ...EXPECTED)) throw error;
}

describe('damaged VHDs', () => {
  it.each([
    ['fixed', fixed],
    ['dynamic', dynamic],
    ['differencing', child],
  ])('%s', async (_kind, image) => {
    const regions = hot(image);
    let opened = 0;
    for (let seed = 1; seed <= MUTATIONS; seed++) {
      const random = seeded(seed);
      const files = new MemoryFiles();
      files.put('/image', damage(image, random, regions));
      files.put('/base', fixed);
      try {
        await readThrough(files, random).then(() => opened++, expectNamed);
        await checkVhd(await files.open('/image', 'read')).catch(expectNamed);
      } catch (error) {
        throw new Error(`seed ${seed}: ${error}`, { cause: error });
      }
    }
    // Both happen: otherwise the mutations are too weak or too strong to show anything.
    expect(opened).toBeGreaterThan(MUTATIONS / 20);
    expect(opened).toBeLessThan(MUTATIONS);
  });
});
