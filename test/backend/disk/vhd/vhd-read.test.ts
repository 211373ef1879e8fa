/** Reading VHD files of any producer, whole and damaged ones. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { inspectDisk, openDisk } from '../../../../backend/src/disk/index.ts';
import { SECTOR, TYPE_FIXED } from '../../../../backend/src/disk/vhd/format/constants.ts';
import { renderFooter } from '../../../../backend/src/disk/vhd/format/footer.ts';
import { openVhdImage } from '../../../../backend/src/disk/vhd/image.ts';
import { openFile } from '../../../../backend/src/support/file.ts';
import { below, pattern, seeded } from '../../../fuzz/random.ts';
import { buildDynamic, buildFixed, footerOf, ID } from '../../../fuzz/vhd-builder.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { readAll } from '../support/content.ts';

const BLOCK = 64 * 1024;
const scratch = scratchForEach('vhd-read');

async function save(bytes: Buffer, name = 'disk.vhd'): Promise<string> {
  const file = path.join(await scratch(), name);
  await writeFile(file, bytes);
  return file;
}

async function contentOf(bytes: Buffer): Promise<Buffer> {
  const disk = await openDisk(await save(bytes));
  try {
    return await readAll(disk);
  } finally {
    await disk.close();
  }
}

/** Three and a half blocks: block 2 first in the file, block 1 not allocated. */
function sample(): { bytes: Buffer; content: Buffer } {
  const size = 3 * BLOCK + BLOCK / 2;
  const blocks = [2, 0, 3].map((index) => ({ index, data: pattern(index, index === 3 ? BLOCK / 2 : BLOCK) }));
  const content = Buffer.alloc(size);
  for (const { index, data } of blocks) data.copy(content, index * BLOCK);
  return { bytes: buildDynamic({ size, blockSize: BLOCK, blocks, spareEntries: 5 }), content };
}

describe('VHD', () => {
  it('fixed', async () => {
    const content = pattern(1, 100 * SECTOR);
    const file = await save(buildFixed(content));
    expect(await inspectDisk(file, { allocated: true })).toEqual({
      path: file,
      format: 'vhd',
      kind: 'fixed',
      size: content.length,
      fileSize: content.length + 512,
      blockSize: null,
      logicalSectorSize: 512,
      physicalSectorSize: 512,
      creator: 'test 1.2',
      diskId: ID,
      dataWriteGuid: null,
      fileWriteGuid: null,
      parent: null,
      log: 'none',
      allocatedBytes: content.length,
    });
    expect(await contentOf(buildFixed(content))).toEqual(content);
  });

  it('dynamic: blocks in any order, the last one in part, entries to spare', async () => {
    const { bytes, content } = sample();
    const file = await save(bytes);
    const disk = await openDisk(file);
    expect((await readAll(disk)).equals(content)).toBe(true);
    const extents: [number, string][] = [];
    for await (const { length, kind } of disk.extents()) extents.push([length, kind]);
    expect(extents).toEqual([
      [BLOCK, 'data'],
      [BLOCK, 'zero'],
      [BLOCK * 1.5, 'data'],
    ]);
    const random = seeded(1);
    for (let step = 0; step < 200; step++) {
      const offset = below(random, content.length);
      const target = Buffer.alloc(below(random, content.length - offset));
      await disk.read(offset, target);
      expect(target.equals(content.subarray(offset, offset + target.length))).toBe(true);
    }
    await expect(disk.read(content.length - 1, Buffer.alloc(2))).rejects.toMatchObject({ code: 'DISK_OUT_OF_RANGE' });
    await disk.close();
    expect((await inspectDisk(file, { allocated: true })).allocatedBytes).toBe(3 * BLOCK);
  });

  it('sectors whose bit is clear were never written: zeros, whatever the block holds', async () => {
    const data = pattern(9, BLOCK);
    const present = (sector: number): boolean => sector % 3 === 0 || (sector > 40 && sector < 90);
    const content = Buffer.from(data);
    for (let sector = 0; sector < BLOCK / SECTOR; sector++) {
      if (!present(sector)) content.fill(0, sector * SECTOR, (sector + 1) * SECTOR);
    }
    const bytes = buildDynamic({ size: BLOCK, blockSize: BLOCK, blocks: [{ index: 0, data, present }] });
    expect((await contentOf(bytes)).equals(content)).toBe(true);
  });

  it("the size is the footer's, not the geometry's, whoever wrote it", async () => {
    const geometry = { cylinders: 1, heads: 4, sectorsPerTrack: 17 };
    for (const creator of ['vpc', 'vs', 'qemu', 'd2v', 'win', 'vbox', 'tap', 'wa']) {
      const bytes = buildDynamic({ size: 3 * BLOCK, blockSize: BLOCK, footer: { creator, geometry } });
      expect((await contentOf(bytes)).length).toBe(3 * BLOCK);
    }
  });

  it('a table of many pages', async () => {
    // 40,000 entries: three pages of 64 KiB, the first one begun in the middle of the file.
    const blockSize = 4096;
    const indices = [39_999, 0, 16_000, 16_001, 32_767];
    const blocks = indices.map((index) => ({ index, data: pattern(index, blockSize) }));
    const disk = await openDisk(await save(buildDynamic({ size: 40_000 * blockSize, blockSize, blocks })));
    const found: number[] = [];
    for await (const { offset, length, kind } of disk.extents()) {
      if (kind === 'data') for (let at = offset; at < offset + length; at += blockSize) found.push(at / blockSize);
    }
    expect(found).toEqual(indices.toSorted((a, b) => a - b));
    const target = Buffer.alloc(blockSize);
    for (const { index, data } of blocks) {
      await disk.read(index * blockSize, target);
      expect(target.equals(data)).toBe(true);
    }
    await disk.close();
  });
});

describe('VHD, odd and damaged', () => {
  it('footers of 511 bytes', async () => {
    const content = pattern(1, 100 * SECTOR);
    const fixed = await save(buildFixed(content).subarray(0, -1));
    const disk = await openDisk(fixed);
    expect(disk.info.notes).toEqual([expect.stringContaining('511 bytes')]);
    expect((await readAll(disk)).equals(content)).toBe(true);
    await disk.close();
    const dynamic = sample();
    expect((await contentOf(dynamic.bytes.subarray(0, -1))).equals(dynamic.content)).toBe(true);
  });

  it("the footer at the end is gone or torn: its copy at the start is used, and it's told", async () => {
    const { bytes, content } = sample();
    for (const damaged of [
      bytes.subarray(0, -512),
      bytes.subarray(0, -100),
      Buffer.concat([bytes, Buffer.alloc(4096)]),
      Buffer.from(bytes).fill(0x55, bytes.length - 400, bytes.length - 300),
    ]) {
      const disk = await openDisk(await save(damaged));
      expect(disk.info.notes).toEqual([expect.stringContaining('copy')]);
      expect((await readAll(disk)).equals(content)).toBe(true);
      await disk.close();
    }
  });

  it('a wrong checksum is told, but what fits the file is read', async () => {
    const { bytes, content } = sample();
    for (const at of [66, bytes.length - 512 + 66, 512 + 38]) bytes[at]! ^= 0xff;
    const disk = await openDisk(await save(bytes));
    expect(disk.info.notes).toEqual([
      expect.stringContaining('footer is wrong'),
      expect.stringContaining('header is wrong'),
    ]);
    expect((await readAll(disk)).equals(content)).toBe(true);
    await disk.close();
    const fixed = buildFixed(content);
    fixed[fixed.length - 1] = 1;
    expect((await contentOf(fixed)).equals(content)).toBe(true);
  });

  it("a guest cannot pass its first sector for the footer of its fixed disk's file", async () => {
    const inner = buildDynamic({ size: 10 * BLOCK, blockSize: BLOCK, parent: { id: ID, name: 'secret' } });
    const content = Buffer.alloc(BLOCK);
    inner.copy(content);
    const outer = buildFixed(content);
    expect((await contentOf(outer)).equals(content)).toBe(true);
    // Not even when the outer footer is a little damaged.
    outer[outer.length - 5] = 7;
    expect((await contentOf(outer)).equals(content)).toBe(true);
  });

  const size = 3 * BLOCK;
  const change = (edit: (bytes: Buffer) => void): Buffer => {
    const bytes = sample().bytes;
    edit(bytes);
    return bytes;
  };
  it.each([
    [
      'a fixed disk cut short',
      Buffer.concat([Buffer.alloc(100), renderFooter(footerOf(512, TYPE_FIXED))]),
      'DISK_CORRUPT',
      'shorter',
    ],
    ['a size that is no whole sectors', buildFixed(Buffer.alloc(512), { currentSize: 500 }), 'DISK_CORRUPT', '0x1f4'],
    ['a size of zero', buildFixed(Buffer.alloc(512), { currentSize: 0 }), 'DISK_CORRUPT', 'size'],
    ['an absurd size', buildDynamic({ size, footer: { currentSize: 2 ** 50 } }), 'DISK_CORRUPT', 'limit'],
    ['another version', buildFixed(Buffer.alloc(512), { version: 0x0002_0000 }), 'DISK_UNSUPPORTED', 'version'],
    ['another type', buildDynamic({ size, footer: { type: 6 } }), 'DISK_UNSUPPORTED', 'type 6'],
    ['a header beyond the file', buildDynamic({ size, footer: { headerOffset: 2 ** 40 } }), 'DISK_CORRUPT', 'header'],
    ['no header offset', buildDynamic({ size, footer: { headerOffset: null } }), 'DISK_CORRUPT', 'header'],
    ['no header', change((bytes) => bytes.fill(0, 512, 520)), 'DISK_CORRUPT', 'no dynamic header at 0x200'],
    ['a block size of zero', change((bytes) => bytes.writeUInt32BE(0, 544)), 'DISK_CORRUPT', 'block size'],
    ['an odd block size', change((bytes) => bytes.writeUInt32BE(BLOCK + 512, 544)), 'DISK_CORRUPT', '0x10200'],
    ['a table too small', change((bytes) => bytes.writeUInt32BE(3, 540)), 'DISK_CORRUPT', '3 entries for 4 blocks'],
    [
      'a table beyond the file',
      change((bytes) => bytes.writeUInt32BE(7 << 20, 532)),
      'DISK_CORRUPT',
      'impossible place',
    ],
    ['a table in the header', change((bytes) => bytes.writeUInt32BE(512, 532)), 'DISK_CORRUPT', 'impossible place'],
    ['another header version', change((bytes) => bytes.writeUInt32BE(0x20000, 536)), 'DISK_UNSUPPORTED', 'version'],
  ])('%s is refused', async (_name, bytes, code, message) => {
    const file = await save(bytes);
    const open = async () => openVhdImage(await openFile(file, 'read'));
    await expect(open()).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
    await expect(open()).rejects.toMatchObject({ message: expect.stringContaining(file) });
  });

  it.each([
    ['beyond the file', 0x00ff_ffff, 'beyond the end of the file'],
    ['on the copy of the footer', 0, "footer's copy"],
    ['on the dynamic header', 2, 'dynamic header'],
    ['on the table', 3, 'block table'],
  ])('a block %s is refused, the others are read', async (_name, sector, message) => {
    const { bytes, content } = sample();
    bytes.writeUInt32BE(sector, 1536 + 4);
    const disk = await openDisk(await save(bytes));
    const target = Buffer.alloc(BLOCK);
    await expect(disk.read(BLOCK, target)).rejects.toMatchObject({
      code: 'DISK_CORRUPT',
      message: expect.stringContaining(message),
      data: { offset: 1540, block: 1 },
    });
    await disk.read(0, target);
    expect(target.equals(content.subarray(0, BLOCK))).toBe(true);
    await disk.close();
  });

  it('blocks that overlap are refused, all of them, the others are read', async () => {
    const { bytes, content } = sample();
    // Block 1 begins a few sectors into block 0, so it reaches into block 3, which follows that in the file.
    bytes.writeUInt32BE(bytes.readUInt32BE(1536) + 3, 1536 + 4);
    const disk = await openDisk(await save(bytes));
    const target = Buffer.alloc(BLOCK);
    for (const block of [0, 1, 3]) {
      await expect(disk.read(block * BLOCK, target.subarray(0, BLOCK / 2))).rejects.toMatchObject({
        code: 'DISK_CORRUPT',
        message: expect.stringMatching(/block \d overlaps block \d/),
      });
    }
    await disk.read(2 * BLOCK, target);
    expect(target.equals(content.subarray(2 * BLOCK, 3 * BLOCK))).toBe(true);
    await disk.close();
  });
});
