/** Differencing VHDX: chains of any depth, merging, and what is refused. */
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  createDifferencingVhdx,
  createDifferencingVhdxWriter,
  createRawWriter,
  createVhdx,
  inspectDisk,
  mergeIntoParent,
  openDisk,
  resizeVhdx,
  setVhdxParent,
  type WritableDisk,
} from '../../../../backend/src/disk/index.ts';
import { below, pattern, seeded } from '../../../fuzz/random.ts';
import { hasLibvhdi, libvhdiContent } from '../../support/libvhdi.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { readAll } from '../support/content.ts';
import { checkVhdxRules } from '../support/vhdx-rules.ts';

const MIB = 2 ** 20;
const scratch = scratchForEach('disk-chain');

async function randomWrites(disk: WritableDisk, model: Buffer, random: () => number, count: number): Promise<void> {
  for (let step = 0; step < count; step++) {
    const offset = below(random, model.length);
    const long = random() < 0.2;
    const data = pattern(step + offset, Math.min(model.length - offset, 1 + below(random, long ? 3 * MIB : 20_000)));
    if (random() < 0.2) data.fill(0);
    await disk.write(offset, data);
    model.set(data, offset);
    if (random() < 0.2) await disk.flush();
  }
  const at = below(random, model.length / 2);
  const length = below(random, 3 * MIB);
  await disk.writeZeros(at, length);
  model.fill(0, at, at + length);
}

describe('differencing VHDX', () => {
  it.each([
    { sector: 512, parentBlock: 2 * MIB, childBlock: MIB },
    { sector: 512, parentBlock: MIB, childBlock: 4 * MIB },
    { sector: 4096, parentBlock: 2 * MIB, childBlock: 2 * MIB },
  ])('random writes through a chain, merged from the top down: $sector, $parentBlock, $childBlock', async (layout) => {
    const folder = await scratch();
    const random = seeded(layout.sector + layout.childBlock);
    const size = 11 * MIB + 4096;
    const model = Buffer.alloc(size);
    const files = [path.join(folder, 'base.vhdx')];
    await createVhdx(files[0]!, { size, blockSize: layout.parentBlock, logicalSectorSize: layout.sector });
    const snapshots: Buffer[] = [];
    for (let depth = 0; depth < 4; depth++) {
      if (depth > 0) {
        files.push(path.join(folder, `${depth}.avhdx`));
        await createDifferencingVhdx(files[depth]!, files[depth - 1]!, { blockSize: layout.childBlock });
      }
      const disk = await openDisk(files[depth]!, { writable: true });
      await randomWrites(disk, model, random, 25);
      await disk.close();
      snapshots.push(Buffer.from(model));
    }
    for (let depth = 0; depth < 4; depth++) {
      const disk = await openDisk(files[depth]!);
      expect(disk.chain).toHaveLength(depth + 1);
      expect((await readAll(disk)).equals(snapshots[depth]!)).toBe(true);
      await disk.close();
      checkVhdxRules(files[depth]!);
      if (hasLibvhdi) {
        const sha256 = createHash('sha256').update(snapshots[depth]!).digest('hex');
        expect(libvhdiContent(...files.slice(0, depth + 1).reverse())).toEqual({ size, sha256 });
      }
    }
    for (let depth = 3; depth > 0; depth--) {
      let last = 0;
      const { copiedBytes } = await mergeIntoParent(files[depth]!, { progress: (bytes) => (last = bytes) });
      expect(last).toBe(copiedBytes);
      await mergeIntoParent(files[depth]!);
      for (const upper of [depth, depth - 1]) {
        const disk = await openDisk(files[upper]!);
        expect((await readAll(disk)).equals(model)).toBe(true);
        await disk.close();
      }
      checkVhdxRules(files[depth - 1]!);
      checkVhdxRules(files[depth]!);
      await rm(files[depth]!);
    }
  });

  it('keeps the identity the guest sees, and takes space only for what is written', async () => {
    const folder = await scratch();
    const base = path.join(folder, 'base.vhdx');
    const child = path.join(folder, 'sub', 'child.avhdx');
    await mkdir(path.dirname(child));
    await createVhdx(base, { size: 64 * MIB, physicalSectorSize: 512 });
    await createDifferencingVhdx(child, base);
    const [parent, info] = [await inspectDisk(base), await inspectDisk(child)];
    expect(info).toMatchObject({
      kind: 'differencing',
      size: parent.size,
      diskId: parent.diskId,
      physicalSectorSize: 512,
      blockSize: 2 * MIB,
      parent: { linkage: [parent.dataWriteGuid], relativePath: '..\\base.vhdx' },
    });
    const disk = await openDisk(child, { writable: true });
    await disk.write(5 * MIB + 3, pattern(1, 10));
    await disk.writeZeros(8 * MIB, 4 * MIB);
    await disk.close();
    expect((await inspectDisk(child, { allocated: true })).allocatedBytes).toBe(2 * MIB);
    expect(checkVhdxRules(child).partial).toBe(1);
    const top = await openDisk(child, { parent: null });
    const extents = [];
    for await (const extent of top.extents()) if (extent.kind === 'data') extents.push(extent);
    expect(extents).toEqual([{ offset: 5 * MIB, length: 512, kind: 'data' }]);
    await top.close();
  });

  it('a missing, changed or wrong parent is refused by name; an explicit one is taken', async () => {
    const folder = await scratch();
    const base = path.join(folder, 'base.vhdx');
    const child = path.join(folder, 'child.avhdx');
    await createVhdx(base, { size: 4 * MIB });
    await createDifferencingVhdx(child, base);
    const changed = await openDisk(base, { writable: true });
    await changed.write(0, Buffer.from('changed behind its child'));
    await changed.close();
    await expect(openDisk(child)).rejects.toMatchObject({
      code: 'DISK_PARENT_MISMATCH',
      message: expect.stringContaining(base),
    });
    const explicit = await openDisk(child, { parent: base });
    const start = Buffer.alloc(7);
    await explicit.read(0, start);
    expect(start.toString()).toBe('changed');
    await explicit.close();
    await setVhdxParent(child, base);
    await (await openDisk(child)).close();

    await rename(base, path.join(folder, 'elsewhere.vhdx'));
    await expect(openDisk(child)).rejects.toMatchObject({
      code: 'DISK_PARENT_MISSING',
      data: { tried: expect.arrayContaining([base]) },
    });
    const raw = path.join(folder, 'standin.raw');
    await (await createRawWriter(raw, { size: 4 * MIB })).finish();
    await (await openDisk(child, { parent: raw })).close();
    await (await openDisk(child, { parent: () => path.join(folder, 'elsewhere.vhdx') })).close();
  });

  it('a stale copy where the parent is looked for first does not hide the right one', async () => {
    const folder = await scratch();
    await mkdir(path.join(folder, 'disks'));
    const base = path.join(folder, 'disks', 'base.vhdx');
    const child = path.join(folder, 'child.avhdx');
    await createVhdx(base, { size: 4 * MIB });
    await createDifferencingVhdx(child, base);
    await copyFile(base, path.join(folder, 'base.vhdx'));
    const stale = await openDisk(base, { writable: true });
    await stale.write(0, Buffer.from('x'));
    await stale.close();
    const disk = await openDisk(child);
    expect(disk.chain[1]!.path).toBe(path.join(folder, 'base.vhdx'));
    await disk.close();
  });

  it('a chain that comes back to itself is refused', async () => {
    const folder = await scratch();
    const [base, one, two] = ['base.vhdx', 'one.avhdx', 'two.avhdx'].map((name) => path.join(folder, name));
    await createVhdx(base!, { size: 4 * MIB });
    await createDifferencingVhdx(one!, base!);
    await createDifferencingVhdx(two!, one!);
    await setVhdxParent(one!, two!);
    await setVhdxParent(two!, one!);
    await expect(openDisk(two!)).rejects.toMatchObject({
      code: 'DISK_CORRUPT',
      message: expect.stringContaining('comes back'),
    });
    await expect(openDisk(two!, { parent: two! })).rejects.toMatchObject({ code: 'DISK_CORRUPT' });
  });

  it('a grown child reads zeros behind its parent, and merging grows the parent', async () => {
    const folder = await scratch();
    const base = path.join(folder, 'base.vhdx');
    const child = path.join(folder, 'child.avhdx');
    const model = Buffer.alloc(9 * MIB);
    model.set(pattern(1, 3 * MIB + 512));
    await createVhdx(base, { size: 3 * MIB + 512, blockSize: 2 * MIB });
    const disk = await openDisk(base, { writable: true });
    await disk.write(0, model.subarray(0, 3 * MIB + 512));
    await disk.close();
    await createDifferencingVhdx(child, base);
    const writable = await openDisk(child, { writable: true });
    await writable.write(3 * MIB, pattern(2, 512));
    model.set(pattern(2, 512), 3 * MIB);
    await writable.close();
    await resizeVhdx(child, 9 * MIB);
    const grown = await openDisk(child, { writable: true });
    await grown.write(7 * MIB + 100, pattern(3, 100));
    model.set(pattern(3, 100), 7 * MIB + 100);
    expect((await readAll(grown)).equals(model)).toBe(true);
    await grown.close();
    await mergeIntoParent(child);
    const merged = await openDisk(base);
    expect((await readAll(merged)).equals(model)).toBe(true);
    await merged.close();
    checkVhdxRules(base);
    checkVhdxRules(child);
  });

  it('merging names the parent anew at the end, or keeps its name, and can be cancelled', async () => {
    const folder = await scratch();
    const base = path.join(folder, 'base.vhdx');
    const child = path.join(folder, 'child.avhdx');
    await createVhdx(base, { size: 40 * MIB, blockSize: MIB });
    await createDifferencingVhdx(child, base);
    const disk = await openDisk(child, { writable: true });
    await disk.write(0, pattern(1, 20 * MIB));
    await disk.close();
    const before = await inspectDisk(base);
    const controller = new AbortController();
    await expect(
      mergeIntoParent(child, { signal: controller.signal, progress: () => controller.abort() }),
    ).rejects.toMatchObject({ code: 'CANCELLED' });
    expect((await inspectDisk(base)).dataWriteGuid).toBe(before.dataWriteGuid);
    await (await openDisk(child)).close();
    await mergeIntoParent(child, { dataWriteGuid: 'keep' });
    expect((await inspectDisk(base)).dataWriteGuid).toBe(before.dataWriteGuid);
    await mergeIntoParent(child);
    expect((await inspectDisk(base)).dataWriteGuid).not.toBe(before.dataWriteGuid);
    await (await openDisk(child)).close();
    await expect(mergeIntoParent(base)).rejects.toMatchObject({ code: 'DISK_UNSUPPORTED' });
  });

  it.each([
    { sector: 512, block: 256 * MIB },
    { sector: 512, block: MIB },
    { sector: 4096, block: 32 * MIB },
  ])('writes on both sides of where one sector bitmap ends and the next begins: $sector, $block', async (layout) => {
    const folder = await scratch();
    const [base, child] = [path.join(folder, 'base.vhdx'), path.join(folder, 'child.avhdx')];
    const chunk = 2 ** 23 * layout.sector;
    const size = 2 * chunk + 3 * MIB;
    await createVhdx(base, { size, blockSize: layout.block, logicalSectorSize: layout.sector });
    await createDifferencingVhdx(child, base, { blockSize: layout.block });
    const places = [chunk - 10_000, 2 * chunk - 5000, size - 20_000];
    const [lower, upper] = [
      await openDisk(base, { writable: true }),
      await openDisk(child, { writable: true, parent: null }),
    ];
    for (const [index, at] of places.entries()) {
      await lower.write(at - 30_000, pattern(index, 40_000));
      await upper.write(at, pattern(index + 10, 15_000));
    }
    await lower.close();
    await upper.close();
    await setVhdxParent(child, base);
    const check = async (file: string): Promise<void> => {
      const disk = await openDisk(file);
      for (const [index, at] of places.entries()) {
        const expected = Buffer.alloc(50_000);
        expected.set(pattern(index, 40_000));
        expected.set(pattern(index + 10, 15_000), 30_000);
        const found = Buffer.alloc(Math.min(50_000, size - at + 30_000));
        await disk.read(at - 30_000, found);
        // What the child filled up to whole sectors came from no parent: zeros.
        const from = 30_000 - (at % layout.sector);
        expected.fill(0, from, 30_000);
        const end = at + 15_000;
        const filled = Math.ceil(end / layout.sector) * layout.sector - end;
        expected.fill(0, 45_000, 45_000 + filled);
        expect(found.equals(expected.subarray(0, found.length))).toBe(true);
      }
      await disk.close();
    };
    await check(child);
    await mergeIntoParent(child);
    await check(base);
  });

  it.each([
    { sector: 512, block: MIB, size: 13 * MIB + 512 },
    { sector: 4096, block: 2 * MIB, size: 13 * MIB + 4096 },
  ])('streamed over a parent: $sector, $block', async ({ sector, block, size }) => {
    const folder = await scratch();
    const random = seeded(block);
    const model = Buffer.alloc(size);
    const files = ['base.vhdx', 'one.avhdx', 'two.avhdx'].map((name) => path.join(folder, name));
    await createVhdx(files[0]!, { size, blockSize: 2 * MIB, logicalSectorSize: sector });
    const base = await openDisk(files[0]!, { writable: true });
    await randomWrites(base, model, random, 20);
    await base.close();
    for (const depth of [1, 2]) {
      const writer = await createDifferencingVhdxWriter(files[depth]!, files[depth - 1]!, { blockSize: block });
      for (let at = 0; at < size; ) {
        const length = Math.min(size - at, 1 + below(random, random() < 0.3 ? 3 * MIB : 100_000));
        const end = Math.min(size, at + Math.ceil(length / sector) * sector);
        if (random() < 0.5) {
          const data = random() < 0.4 ? Buffer.alloc(end - at) : pattern(at, end - at);
          await writer.write(at, data);
          model.set(data, at);
        }
        at = end;
      }
      await expect(writer.write(0, Buffer.alloc(sector))).rejects.toMatchObject({ code: 'DISK_OUT_OF_RANGE' });
      await writer.finish();
      checkVhdxRules(files[depth]!);
      const disk = await openDisk(files[depth]!);
      expect((await readAll(disk)).equals(model)).toBe(true);
      await disk.close();
    }
    if (hasLibvhdi) {
      const sha256 = createHash('sha256').update(model).digest('hex');
      expect(libvhdiContent(...files.reverse())).toEqual({ size, sha256 });
    }
  });

  it('never changes a parent while its child is written', async () => {
    const folder = await scratch();
    const base = path.join(folder, 'base.vhdx');
    const child = path.join(folder, 'child.avhdx');
    await createVhdx(base, { size: 8 * MIB, blockSize: MIB });
    await createDifferencingVhdx(child, base);
    const before = await readFile(base);
    const disk = await openDisk(child, { writable: true });
    await randomWrites(disk, Buffer.alloc(8 * MIB), seeded(5), 20);
    await disk.close();
    expect((await readFile(base)).equals(before)).toBe(true);
  });
});
