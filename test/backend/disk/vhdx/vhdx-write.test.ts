/**
 * VHDX written in place and in a stream: against a plain-array model, qemu-img, libvhdi and the rules of the format.
 */
import { createHash } from 'node:crypto';
import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import {
  createRawWriter,
  createVhdx,
  createVhdxWriter,
  type ImageWriter,
  inspectDisk,
  openDisk,
  resizeVhdx,
  setVhdxDataWriteGuid,
  setVhdxDiskId,
} from '../../../../backend/src/disk/index.ts';
import { HvError } from '../../../../backend/src/support/errors.ts';
import { type FileOpener, openFile } from '../../../../backend/src/support/file.ts';
import { newGuid } from '../../../../backend/src/support/guid.ts';
import { below, pattern, seeded } from '../../../fuzz/random.ts';
import { hasLibvhdi, libvhdiContent } from '../../support/libvhdi.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { hasTool, tool } from '../../support/tools.ts';
import { readAll } from '../support/content.ts';
import { checkVhdxRules } from '../support/vhdx-rules.ts';

const MIB = 2 ** 20;
const scratch = scratchForEach('disk-write');
const qemu = hasTool('qemu-img');
const LAYOUTS = [
  { sector: 512, block: MIB, size: 21 * MIB + 512 },
  { sector: 512, block: 32 * MIB, size: 70 * MIB },
  { sector: 4096, block: MIB, size: 9 * MIB + 4096 },
  { sector: 4096, block: 2 * MIB, size: 16 * MIB },
];

/** qemu-img 7.2 opens no disks with sectors of 4096 bytes; libvhdi does. */
async function expectSameToOthers(file: string, model: Buffer, sector: number): Promise<void> {
  if (hasLibvhdi) {
    const sha256 = createHash('sha256').update(model).digest('hex');
    expect(libvhdiContent(file)).toEqual({ size: model.length, sha256 });
  }
  if (!qemu || sector !== 512) return;
  const raw = `${file}.expected.raw`;
  await writeFile(raw, model);
  expect(tool('qemu-img', 'check', file)).toContain('No errors');
  expect(tool('qemu-img', 'compare', '-F', 'raw', file, raw)).toContain('identical');
}

describe('VHDX written in place', () => {
  it.each(LAYOUTS)('random writes: sectors of $sector, blocks of $block', async ({ sector, block, size }) => {
    const file = path.join(await scratch(), 'a.vhdx');
    const random = seeded(sector + block);
    const model = Buffer.alloc(size);
    await createVhdx(file, { size, blockSize: block, logicalSectorSize: sector });
    for (let round = 0; round < 4; round++) {
      const disk = await openDisk(file, { writable: true });
      for (let step = 0; step < 12; step++) {
        const offset = below(random, size);
        const data = pattern(round * 100 + step, Math.min(size - offset, 1 + below(random, 300_000)));
        if (step % 5 === 4) data.fill(0);
        await disk.write(offset, data);
        model.set(data, offset);
        if (step % 4 === 0) await disk.flush();
      }
      const at = below(random, size / 2);
      const third = Math.floor(size / 3);
      await disk.writeZeros(at, third);
      model.fill(0, at, at + third);
      expect((await readAll(disk)).equals(model)).toBe(true);
      await disk.close();
      const again = await openDisk(file);
      expect((await readAll(again)).equals(model)).toBe(true);
      await again.close();
    }
    checkVhdxRules(file);
    await expectSameToOthers(file, model, sector);
  });

  it('zeros take no space; a fixed disk has all of it from the start', async () => {
    const folder = await scratch();
    const file = path.join(folder, 'zero.vhdx');
    await createVhdx(file, { size: 64 * MIB, blockSize: MIB });
    const disk = await openDisk(file, { writable: true });
    await disk.write(5 * MIB - 100, Buffer.alloc(3 * MIB));
    await disk.writeZeros(0, 64 * MIB);
    await disk.close();
    expect((await inspectDisk(file, { allocated: true })).allocatedBytes).toBe(0);

    const fixed = path.join(folder, 'fixed.vhdx');
    await createVhdx(fixed, { size: 9 * MIB, blockSize: 2 * MIB, fixed: true });
    expect(await inspectDisk(fixed, { allocated: true })).toMatchObject({ kind: 'fixed', allocatedBytes: 10 * MIB });
    const model = pattern(3, 9 * MIB);
    const writable = await openDisk(fixed, { writable: true });
    await writable.write(0, model);
    await writable.close();
    expect(checkVhdxRules(fixed).allocated).toBe(5);
    await expectSameToOthers(fixed, model, 512);
  });

  it('tells by its GUIDs what changed, and leaves the DataWriteGuid alone when asked to', async () => {
    const file = path.join(await scratch(), 'guid.vhdx');
    await createVhdx(file, { size: 4 * MIB });
    const made = await inspectDisk(file);
    await (await openDisk(file, { writable: true })).close();
    expect(await inspectDisk(file)).toEqual(made);

    const write = async (options: { keepDataWriteGuid?: boolean }): Promise<void> => {
      const disk = await openDisk(file, { ...options, writable: true });
      await disk.write(0, Buffer.from('x'));
      await disk.close();
    };
    await write({});
    const changed = await inspectDisk(file);
    expect(changed.dataWriteGuid).not.toBe(made.dataWriteGuid);
    await write({ keepDataWriteGuid: true });
    const kept = await inspectDisk(file);
    expect(kept.dataWriteGuid).toBe(changed.dataWriteGuid);
    expect(kept.fileWriteGuid).not.toBe(changed.fileWriteGuid);
    const guid = newGuid();
    await setVhdxDataWriteGuid(file, guid);
    expect(await inspectDisk(file)).toMatchObject({ dataWriteGuid: guid, diskId: made.diskId });
    const diskId = newGuid();
    await setVhdxDiskId(file, diskId);
    expect(await inspectDisk(file)).toMatchObject({ dataWriteGuid: guid, diskId });
    checkVhdxRules(file);
  });

  it('grows, with zeros behind the old end whatever the last block held there', async () => {
    const file = path.join(await scratch(), 'grow.vhdx');
    await createVhdx(file, { size: 3 * MIB + 512, blockSize: 2 * MIB });
    const model = Buffer.alloc(40 * MIB);
    const disk = await openDisk(file, { writable: true });
    const data = pattern(1, 3 * MIB + 512);
    await disk.write(0, data);
    await disk.close();
    model.set(data);
    await resizeVhdx(file, 3 * MIB + 512);
    await resizeVhdx(file, 40 * MIB);
    const grown = await openDisk(file, { writable: true });
    expect((await readAll(grown)).equals(model)).toBe(true);
    await grown.write(39 * MIB, data.subarray(0, 4096));
    model.set(data.subarray(0, 4096), 39 * MIB);
    await grown.close();
    checkVhdxRules(file);
    await expectSameToOthers(file, model, 512);
    await expect(resizeVhdx(file, MIB)).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
    await expect(resizeVhdx(file, 2 ** 50)).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('grows past what its BAT has room for', async () => {
    const file = path.join(await scratch(), 'bat.vhdx');
    await createVhdx(file, { size: 8 * MIB, blockSize: MIB });
    const disk = await openDisk(file, { writable: true });
    await disk.write(7 * MIB, pattern(1, MIB));
    await disk.close();
    await resizeVhdx(file, 2 ** 40);
    const grown = await openDisk(file, { writable: true });
    await grown.write(2 ** 40 - 4096, pattern(2, 4096));
    await grown.close();
    expect(checkVhdxRules(file).allocated).toBe(2);
    const again = await openDisk(file);
    const extents = [];
    for await (const extent of again.extents())
      if (extent.kind === 'data') extents.push([extent.offset, extent.length]);
    expect(extents).toEqual([
      [7 * MIB, MIB],
      [2 ** 40 - MIB, MIB],
    ]);
    const end = Buffer.alloc(4096);
    await again.read(2 ** 40 - 4096, end);
    expect(end.equals(pattern(2, 4096))).toBe(true);
    await again.close();
    if (qemu) expect(tool('qemu-img', 'check', file)).toContain('No errors');
  });

  it('64 TiB: created, written and walked without reading or writing the table as a whole', async () => {
    const file = path.join(await scratch(), 'huge.vhdx');
    const size = 2 ** 46;
    await createVhdx(file, { size });
    const disk = await openDisk(file, { writable: true });
    await disk.write(size - 4096, pattern(1, 4096));
    await disk.write(2 ** 45 + 1, pattern(2, 10));
    await disk.flush();
    const data = [];
    for await (const extent of disk.extents()) if (extent.kind === 'data') data.push(extent.offset);
    expect(data).toEqual([2 ** 45, size - 32 * MIB]);
    await disk.close();
    expect((await stat(file)).blocks * 512).toBeLessThan(MIB);
  });

  it('more places than the table cache holds, written and read side by side', async () => {
    const file = path.join(await scratch(), 'wide.vhdx');
    // A page of the BAT describes 8 GiB: every place has its own.
    const step = 2 ** 33 + 2 ** 20;
    await createVhdx(file, { size: 2 ** 41, blockSize: MIB });
    const disk = await openDisk(file, { writable: true });
    const places = Array.from({ length: 200 }, (_, index) => index * step + index * 4096);
    const check = async (index: number): Promise<void> => {
      const found = Buffer.alloc(3000);
      await disk.read(places[index]!, found);
      expect(found.equals(pattern(index, 3000))).toBe(true);
    };
    const random = seeded(12);
    for (let start = 0; start < places.length; start += 20) {
      await Promise.all(
        places
          .slice(start, start + 20)
          .flatMap((at, index) => [
            disk.write(at, pattern(start + index, 3000)).then(() => check(start + index)),
            ...(start === 0 ? [] : [check(below(random, start)), check(below(random, start))]),
          ]),
      );
    }
    await disk.close();
    const again = await openDisk(file);
    const extents = [];
    for await (const extent of again.extents()) if (extent.kind === 'data') extents.push(extent.offset);
    expect(extents).toEqual(places.map((at) => at - (at % MIB)));
    const found = Buffer.alloc(3000);
    for (const [index, at] of places.entries()) {
      await again.read(at, found);
      expect(found.equals(pattern(index, 3000))).toBe(true);
    }
    await again.close();
  });

  it('refuses ranges outside the disk', async () => {
    const file = path.join(await scratch(), 'range.vhdx');
    await createVhdx(file, { size: MIB });
    const disk = await openDisk(file, { writable: true });
    await expect(disk.write(MIB - 1, Buffer.alloc(2))).rejects.toMatchObject({ code: 'DISK_OUT_OF_RANGE' });
    await expect(disk.read(-1, Buffer.alloc(2))).rejects.toMatchObject({ code: 'DISK_OUT_OF_RANGE' });
    await expect(disk.read(0.5, Buffer.alloc(2))).rejects.toMatchObject({ code: 'DISK_OUT_OF_RANGE' });
    await disk.close();
  });
});

describe('streaming writers', () => {
  /** Ascending runs of arbitrary sizes, holes between some. */
  async function stream(writer: ImageWriter, model: Buffer, random: () => number): Promise<void> {
    for (let at = 0; at < model.length; ) {
      const length = Math.min(model.length - at, 1 + below(random, 3 * MIB));
      const run = model.subarray(at, at + length);
      if (!run.every((byte) => byte === 0)) await writer.write(at, run);
      at += length;
    }
    await writer.finish();
  }

  function someModel(size: number, random: () => number): Buffer {
    const model = Buffer.alloc(size);
    for (let step = 0; step < 12; step++) {
      const at = below(random, size);
      model.set(pattern(step, Math.min(size - at, 1 + below(random, MIB))), at);
    }
    return model;
  }

  it.each(LAYOUTS)('VHDX: sectors of $sector, blocks of $block', async ({ sector, block, size }) => {
    const folder = await scratch();
    const file = path.join(folder, 'out.vhdx');
    const random = seeded(7);
    const model = someModel(size, random);
    const diskId = newGuid();
    await stream(
      await createVhdxWriter(file, { size, blockSize: block, logicalSectorSize: sector, diskId }),
      model,
      random,
    );
    const { allocated } = checkVhdxRules(file);
    let blocks = 0;
    for (let at = 0; at < size; at += block) if (model.subarray(at, at + block).some((byte) => byte !== 0)) blocks++;
    expect(allocated).toBe(blocks);
    const disk = await openDisk(file);
    expect(disk.info).toMatchObject({
      size,
      blockSize: block,
      logicalSectorSize: sector,
      physicalSectorSize: 4096,
      diskId,
    });
    expect((await readAll(disk)).equals(model)).toBe(true);
    await disk.close();
    await expectSameToOthers(file, model, sector);
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('fixed VHDX: every block in its place', async () => {
    const file = path.join(await scratch(), 'fixed.vhdx');
    const random = seeded(11);
    const model = someModel(13 * MIB + 512, random);
    await stream(await createVhdxWriter(file, { size: model.length, blockSize: 2 * MIB, fixed: true }), model, random);
    expect(checkVhdxRules(file).allocated).toBe(7);
    expect(await inspectDisk(file)).toMatchObject({ kind: 'fixed', size: model.length });
    await expectSameToOthers(file, model, 512);
  });

  it('raw: sparse, the same bytes', async () => {
    const file = path.join(await scratch(), 'out.raw');
    const random = seeded(9);
    const model = someModel(64 * MIB, random);
    await stream(await createRawWriter(file, { size: model.length }), model, random);
    const disk = await openDisk(file);
    expect((await readAll(disk)).equals(model)).toBe(true);
    await disk.close();
    const { size, blocks } = await stat(file);
    expect(size).toBe(model.length);
    expect(blocks * 512).toBeLessThan(20 * MIB);
  });

  it('leaves nothing under the final name before finish() nor after abort()', async () => {
    const folder = await scratch();
    for (const make of [createVhdxWriter, createRawWriter]) {
      const file = path.join(folder, 'x');
      const writer = await make(file, { size: MIB });
      await writer.write(0, pattern(1, 4096));
      await expect(writer.write(0, pattern(1, 4096))).rejects.toMatchObject({ code: 'DISK_OUT_OF_RANGE' });
      expect(await readdir(folder)).toHaveLength(1);
      expect((await readdir(folder))[0]).not.toBe('x');
      await writer.abort();
      await writer.abort();
      expect(await readdir(folder)).toEqual([]);
      await writeFile(file, 'mine');
      await expect(make(file, { size: MIB })).rejects.toMatchObject({ code: 'FILE_EXISTS' });
      expect(await readdir(folder)).toEqual(['x']);
      await rm(file);
    }
  });

  it('a part that fails while the next block gets its place is told by the write, and nothing else', async () => {
    const file = path.join(await scratch(), 'x.vhdx');
    const full = new HvError('DISK_FULL', 'no room, by the test');
    let pages = 0;
    const opener: FileOpener = async (where, mode) => {
      const inner = await openFile(where, mode);
      return {
        path: inner.path,
        size: () => inner.size(),
        readFully: (offset, target) => inner.readFully(offset, target),
        readUpTo: (offset, target) => inner.readUpTo(offset, target),
        truncate: (size) => inner.truncate(size),
        sync: () => inner.sync(),
        close: () => inner.close(),
        writeFully: async (offset, data) => {
          if (data.length === MIB) throw full;
          // A page of the BAT takes its time.
          if (data.length === 65536 && ++pages > 0) await sleep(20);
          await inner.writeFully(offset, data);
        },
      };
    };
    const writer = await createVhdxWriter(file, { size: 9000 * MIB, blockSize: MIB, opener });
    const before = pages;
    // The entries of block 8190 and of the next one lie in different pages.
    await expect(writer.write(8190 * MIB, pattern(1, 2 * MIB))).rejects.toBe(full);
    expect(pages).toBe(before + 1);
    await writer.abort();
    expect(await readdir(path.dirname(file))).toEqual([]);
  });

  it('says what cannot be', async () => {
    const file = path.join(await scratch(), 'x.vhdx');
    for (const options of [
      { size: 0 },
      { size: 2 ** 47 },
      { size: Number.NaN },
      { size: MIB, blockSize: 3 * MIB },
      { size: MIB, blockSize: 512 * MIB },
      { size: MIB, logicalSectorSize: 520 },
    ]) {
      await expect(createVhdxWriter(file, options)).rejects.toMatchObject({ code: 'USAGE' });
    }
  });
});
