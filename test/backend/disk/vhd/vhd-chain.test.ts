/** Differencing VHDs: found by every way of naming a parent, refused when it is missing or another. */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { createRawWriter, openDisk } from '../../../../backend/src/disk/index.ts';
import { SECTOR } from '../../../../backend/src/disk/vhd/format/constants.ts';
import { below, pattern, seeded } from '../../../fuzz/random.ts';
import { type BuiltParent, buildDynamic, buildFixed, ID } from '../../../fuzz/vhd-builder.ts';
import { hasLibvhdi, libvhdiContent } from '../../support/libvhdi.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { readAll } from '../support/content.ts';

const BLOCK = 2 ** 21;
const CHILD = 'aaaaaaaa-2222-3333-4444-555555555555';
const scratch = scratchForEach('vhd-chain');
const utf16 = (text: string): Buffer => Buffer.from(text, 'utf16le');

/**
 * A child over `parentContent` with random sectors of its own.
 * @param grain sectors that are its own or its parent's together
 * @returns its file and what the chain reads as
 */
function childOver(
  parentContent: Buffer,
  random: () => number,
  parent: BuiltParent,
  id = CHILD,
  grain = 1,
): { bytes: Buffer; content: Buffer } {
  const size = parentContent.length;
  const content = Buffer.from(parentContent);
  const blocks = [];
  for (let index = Math.ceil(size / BLOCK) - 1; index >= 0; index--) {
    if (random() < 0.3) continue;
    const data = pattern(below(random, 1000), BLOCK);
    const own = new Set<number>();
    for (let run = 0; run < 20; run++) {
      const from = below(random, BLOCK / SECTOR / grain) * grain;
      const to = Math.min(BLOCK / SECTOR, from + below(random, 60 / grain) * grain);
      for (let sector = from; sector < to; sector++) own.add(sector);
    }
    for (const sector of own) {
      const at = index * BLOCK + sector * SECTOR;
      if (at < size) data.copy(content, at, sector * SECTOR, (sector + 1) * SECTOR);
    }
    blocks.push({ index, data, present: (sector: number) => own.has(sector) });
  }
  return { bytes: buildDynamic({ size, blockSize: BLOCK, blocks, parent, footer: { uniqueId: id } }), content };
}

describe('differencing VHD', () => {
  it('three deep, sector by sector', async () => {
    const folder = await scratch();
    const random = seeded(5);
    const base = pattern(3, 5 * BLOCK + 100 * SECTOR);
    const name = (depth: number): string => path.join(folder, `${depth}.vhd`);
    await writeFile(name(0), buildFixed(base));
    let content = base;
    for (let depth = 1; depth <= 3; depth++) {
      const parentId = depth === 1 ? ID : `${depth - 1}${CHILD.slice(1)}`;
      const parent = { id: parentId, name: `${depth - 1}.vhd` };
      const child = childOver(content, random, parent, `${depth}${CHILD.slice(1)}`);
      await writeFile(name(depth), child.bytes);
      content = child.content;
      const disk = await openDisk(name(depth));
      expect(disk.chain.map((info) => info.path)).toEqual(
        Array.from({ length: depth + 1 }, (_, index) => name(depth - index)),
      );
      expect((await readAll(disk)).equals(content)).toBe(true);
      await disk.close();
    }
  });

  it.skipIf(!hasLibvhdi)('libvhdi reads the same (skipped without python3 and libvhdi)', async () => {
    const folder = await scratch();
    const files = [path.join(folder, 'child.vhd'), path.join(folder, 'base.vhd')] as const;
    const base = pattern(3, 5 * BLOCK + 100 * SECTOR);
    // By eights: libvhdi (20210425) does not tell the bits of one byte apart.
    const child = childOver(base, seeded(6), { id: ID, name: 'base.vhd' }, CHILD, 8);
    await writeFile(files[0], child.bytes);
    await writeFile(
      files[1],
      buildDynamic({
        size: base.length,
        blockSize: BLOCK,
        blocks: [4, 0, 5, 1, 3, 2].map((index) => ({ index, data: base.subarray(index * BLOCK, (index + 1) * BLOCK) })),
      }),
    );
    const disk = await openDisk(files[0]);
    const content = await readAll(disk);
    await disk.close();
    expect(content.equals(child.content)).toBe(true);
    expect(libvhdiContent(...files)).toEqual({
      size: content.length,
      sha256: createHash('sha256').update(content).digest('hex'),
    });
  });

  const base = pattern(1, BLOCK);
  const absolute = (file: string): Buffer => Buffer.from(`file://${encodeURI(file)}`);
  it.each<[string, (file: string) => Omit<BuiltParent, 'id'>]>([
    ['the name only', () => ({ name: 'base disk.vhd' })],
    ['a relative path of Windows', () => ({ locators: [{ platform: 'W2ru', bytes: utf16('..\\up\\base disk.vhd') }] })],
    [
      'an absolute path of another machine',
      () => ({ locators: [{ platform: 'W2ku', bytes: utf16('Q:\\x\\base disk.vhd') }] }),
    ],
    ['the old locators', () => ({ locators: [{ platform: 'Wi2k', bytes: Buffer.from('Q:\\x\\base disk.vhd') }] })],
    ['a relative URL', () => ({ locators: [{ platform: 'MacX', bytes: Buffer.from('file://./base%20disk.vhd') }] })],
    ['an absolute URL', (file) => ({ locators: [{ platform: 'MacX', bytes: absolute(file) }] })],
    [
      'a broken locator before a good one',
      () => ({
        name: 'base disk.vhd',
        locators: [
          { platform: 'W2ru', bytes: Buffer.from([0, 0]) },
          { platform: 'W2ku', bytes: utf16('.\\base disk.vhd') },
        ],
      }),
    ],
  ])('finds its parent by %s', async (_name, naming) => {
    const folder = path.join(await scratch(), 'up');
    await mkdir(folder);
    const parent = path.join(folder, 'base disk.vhd');
    await writeFile(parent, buildFixed(base));
    const { bytes, content } = childOver(base, seeded(2), { id: ID, ...naming(parent) });
    await writeFile(path.join(folder, 'child.vhd'), bytes);
    const disk = await openDisk(path.join(folder, 'child.vhd'));
    expect((await readAll(disk)).equals(content)).toBe(true);
    await disk.close();
  });

  it('refuses a missing parent and one that is another; takes one that is named', async () => {
    const folder = await scratch();
    const file = path.join(folder, 'child.vhd');
    const { bytes, content } = childOver(base, seeded(3), { id: ID, name: 'base.vhd' });
    await writeFile(file, bytes);
    await expect(openDisk(file)).rejects.toMatchObject({
      code: 'DISK_PARENT_MISSING',
      message: expect.stringContaining('base.vhd'),
    });
    await writeFile(path.join(folder, 'base.vhd'), buildFixed(base, { uniqueId: CHILD }));
    await expect(openDisk(file)).rejects.toMatchObject({
      code: 'DISK_PARENT_MISMATCH',
      data: { expected: [ID], found: CHILD },
    });
    const writer = await createRawWriter(path.join(folder, 'stand-in.raw'), { size: base.length });
    await writer.write(0, base);
    await writer.finish();
    for (const parent of ['base.vhd', 'stand-in.raw']) {
      const disk = await openDisk(file, { parent: path.join(folder, parent) });
      expect((await readAll(disk)).equals(content)).toBe(true);
      await disk.close();
    }
  });

  it('refuses a chain that comes back to itself', async () => {
    const folder = await scratch();
    const file = path.join(folder, 'a.vhd');
    await writeFile(file, childOver(base, seeded(3), { id: CHILD, name: 'a.vhd' }).bytes);
    await expect(openDisk(file)).rejects.toMatchObject({
      code: 'DISK_CORRUPT',
      message: expect.stringContaining('comes back'),
    });
  });
});
