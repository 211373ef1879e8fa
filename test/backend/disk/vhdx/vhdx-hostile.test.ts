/**
 * Damaged and hostile VHDX files: an error that says what is wrong, or an answer; never a hang, never a defect of ours.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { createDifferencingVhdx, createVhdx, inspectDisk, openDisk } from '../../../../backend/src/disk/index.ts';
import { checkVhdx } from '../../../../backend/src/disk/vhdx/check.ts';
import { updateHeaders } from '../../../../backend/src/disk/vhdx/headers.ts';
import { openLayout } from '../../../../backend/src/disk/vhdx/layout.ts';
import { crc32cWithout } from '../../../../backend/src/support/crc32c.ts';
import { HvError } from '../../../../backend/src/support/errors.ts';
import { openFile } from '../../../../backend/src/support/file.ts';
import { newGuid } from '../../../../backend/src/support/guid.ts';
import { logEntry, placeEntry } from '../../../fuzz/log-builder.ts';
import { mutateVhdx, OUR_STRUCTURES } from '../../../fuzz/mutate-vhdx.ts';
import { pattern, seeded } from '../../../fuzz/random.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { MemoryFiles } from '../support/memory-files.ts';

const MIB = 2 ** 20;
/** Per image; HVBACKUP_FUZZ sets another number. A failure names its seed. */
const MUTATIONS = Number(process.env.HVBACKUP_FUZZ ?? 150);
const scratch = scratchForEach('disk-hostile');
const EXPECTED = /^(DISK_CORRUPT|DISK_UNSUPPORTED|DISK_FORMAT_UNKNOWN|DISK_PARENT_|IO_ERROR|DISK_OUT_OF_RANGE)/;

async function dynamicImage(folder: string): Promise<{ file: string; bytes: Buffer }> {
  const file = path.join(folder, 'base.vhdx');
  await createVhdx(file, { size: 6 * MIB, blockSize: MIB });
  const disk = await openDisk(file, { writable: true });
  await disk.write(100, pattern(1, 2 * MIB));
  await disk.write(5 * MIB, pattern(2, 100));
  await disk.close();
  return { file, bytes: await readFile(file) };
}

async function differencingImage(folder: string, parent: string): Promise<{ file: string; bytes: Buffer }> {
  const file = path.join(folder, 'child.avhdx');
  await createDifferencingVhdx(file, parent, { blockSize: MIB });
  const disk = await openDisk(file, { writable: true });
  await disk.write(4096, pattern(3, 5000));
  await disk.write(3 * MIB, pattern(4, MIB));
  await disk.writeZeros(MIB, MIB);
  await disk.close();
  return { file, bytes: await readFile(file) };
}

async function dirtyImage(file: string): Promise<Buffer> {
  const guid = newGuid();
  const layout = await openLayout(await openFile(file, 'write'), 'write');
  await updateHeaders(layout.file, layout.headers, { logGuid: guid });
  await layout.file.close();
  const bytes = await readFile(file);
  const log = bytes.subarray(MIB, 2 * MIB);
  const common = { guid, tail: 0, flushedSize: bytes.length, lastSize: bytes.length };
  let at = placeEntry(log, 0, logEntry({ ...common, sequence: 1, changes: [{ at: 5 * MIB, data: pattern(5, 8192) }] }));
  at = placeEntry(log, at, logEntry({ ...common, sequence: 2, changes: [{ at: 5 * MIB + 4096, zeros: 65536 }] }));
  placeEntry(log, at, logEntry({ ...common, sequence: 3, changes: [{ at: 4 * MIB, data: pattern(6, 4096) }] }));
  return bytes;
}

/** What a curious program does with an image: look, walk, read, write. Only errors that say what is wrong may come. */
async function exercise(files: MemoryFiles, file: string, parent: string): Promise<'fine' | string> {
  try {
    await checkVhdx(await files.open(file, 'read'));
    await inspectDisk(file, { opener: files.open, allocated: true });
    const disk = await openDisk(file, { opener: files.open, parent });
    const buffer = Buffer.alloc(65536);
    let extents = 0;
    for await (const extent of disk.extents()) {
      if (extents++ > 100) break;
      if (extent.kind === 'data') await disk.read(extent.offset, buffer.subarray(0, Math.min(65536, extent.length)));
    }
    await disk.close();
    const writable = await openDisk(file, { opener: files.copy().open, parent, writable: true });
    await writable.write(Math.max(0, Math.min(writable.size - 600, 4 * MIB)), pattern(1, Math.min(600, writable.size)));
    await writable.close();
    return 'fine';
  } catch (error) {
    if (error instanceof HvError && EXPECTED.test(error.code)) return error.code;
    throw error;
  }
}

describe('hostile VHDX', () => {
  it('mutations: an error that names the fault, or an answer', { timeout: 60_000 + MUTATIONS * 1000 }, async () => {
    const folder = await scratch();
    const base = await dynamicImage(folder);
    const child = await differencingImage(folder, base.file);
    const dirty = { file: base.file, bytes: await dirtyImage(base.file) };
    const outcomes: Record<string, number> = {};
    for (const [index, image] of [base, child, dirty].entries()) {
      for (let seed = 0; seed < MUTATIONS; seed++) {
        const random = seeded(seed * 3 + index);
        const bytes = Buffer.from(image.bytes);
        const done = mutateVhdx(bytes, random, OUR_STRUCTURES);
        const cut = random() < 0.1 ? Math.floor(random() * bytes.length) : bytes.length;
        const files = new MemoryFiles();
        files.put('parent', base.bytes);
        files.put('victim', bytes.subarray(0, cut));
        const started = performance.now();
        try {
          const outcome = await exercise(files, 'victim', 'parent');
          outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
        } catch (error) {
          throw new Error(`image ${index}, seed ${seed}: ${done.join(', ')}`, { cause: error });
        }
        expect(performance.now() - started).toBeLessThan(20_000);
      }
    }
    expect(outcomes.fine).toBeGreaterThan(MUTATIONS / 3);
    expect(outcomes.DISK_CORRUPT).toBeGreaterThan(MUTATIONS / 3);
  });

  it('says what is wrong and where', async () => {
    const { bytes } = await dynamicImage(await scratch());
    const open = async (change: (image: Buffer) => void): Promise<unknown> => {
      const image = Buffer.from(bytes);
      change(image);
      const files = new MemoryFiles();
      files.put('x', image);
      return openDisk('x', { opener: files.open }).then(async (disk) => {
        await disk.read(0, Buffer.alloc(512));
        return 'fine';
      });
    };
    const headers = (image: Buffer, change: (header: Buffer) => void): void => {
      for (const at of [65536, 2 * 65536]) {
        const one = image.subarray(at, at + 4096);
        change(one);
        one.writeUInt32LE(crc32cWithout(one, 4), 4);
      }
    };
    const regions = (image: Buffer, change: (table: Buffer) => void): void => {
      for (const at of [3 * 65536, 4 * 65536]) {
        const table = image.subarray(at, at + 65536);
        change(table);
        table.writeUInt32LE(crc32cWithout(table, 4), 4);
      }
    };
    const corrupt = (text: string) => ({ code: 'DISK_CORRUPT', message: expect.stringContaining(text) });
    await expect(open(() => undefined)).resolves.toBe('fine');
    await expect(open((image) => image.fill(0, 65536, 65540))).resolves.toBe('fine');
    await expect(open((image) => image.fill(1, 65536, 3 * 65536))).rejects.toMatchObject(corrupt('neither header'));
    await expect(open((image) => image.fill(1, 3 * 65536, 4 * 65536))).resolves.toBe('fine');
    await expect(open((image) => image.fill(1, 3 * 65536, 5 * 65536))).rejects.toMatchObject(corrupt('0x30000'));
    await expect(open((image) => headers(image, (one) => one.writeUInt16LE(2, 66)))).rejects.toMatchObject({
      code: 'DISK_UNSUPPORTED',
    });
    await expect(open((image) => headers(image, (one) => one.writeUInt32LE(4096, 72)))).rejects.toMatchObject(
      corrupt('log'),
    );
    await expect(
      open((image) =>
        regions(image, (table) => {
          table.copy(table, 80, 16, 48);
          table.fill(7, 80, 96);
          table.writeUInt32LE(MIB * 9, 96);
          table.writeUInt32LE(3, 8);
        }),
      ),
    ).rejects.toMatchObject({ code: 'DISK_UNSUPPORTED', message: expect.stringContaining('07070707') });
    await expect(open((image) => regions(image, (table) => table.writeUInt32LE(2 * MIB, 32)))).rejects.toMatchObject(
      corrupt('impossible place'),
    );
    await expect(open((image) => image.writeUInt32LE(3 * MIB, 2 * MIB + 65536))).rejects.toMatchObject(
      corrupt('block size'),
    );
    await expect(open((image) => image.writeUInt32LE(2 ** 31, 2 * MIB + 65536 + 12))).rejects.toMatchObject(
      corrupt('disk size'),
    );
    await expect(open((image) => image.writeUInt32LE(7, 2 * MIB + 65536 + 8))).rejects.toMatchObject(
      corrupt('disk size'),
    );
    await expect(open((image) => image.writeUInt32LE(4096, 2 * MIB + 65536 + 12))).rejects.toMatchObject(
      corrupt('BAT has no room'),
    );
    await expect(open((image) => image.fill(9, 2 * MIB + 32, 2 * MIB + 48))).rejects.toMatchObject({
      code: 'DISK_UNSUPPORTED',
    });
    await expect(open((image) => image.writeUInt32LE(5 * 65536 + MIB, 2 * MIB + 48))).rejects.toMatchObject(
      corrupt('metadata item'),
    );
    await expect(open((image) => image.writeUInt32LE(4, 3 * MIB))).rejects.toMatchObject(corrupt('state 4'));
    await expect(open((image) => image.writeUInt32LE(7, 3 * MIB))).rejects.toMatchObject(corrupt('state 7'));
    await expect(open((image) => image.writeBigUInt64LE((2n << 20n) | 6n, 3 * MIB))).rejects.toMatchObject(
      corrupt('0x300000'),
    );
    await expect(open((image) => image.writeBigUInt64LE(((2n ** 43n) << 20n) | 6n, 3 * MIB))).rejects.toMatchObject(
      corrupt('impossible place'),
    );
  });

  it('the check lists what is wrong, and nothing for a sound image', async () => {
    const folder = await scratch();
    const base = await dynamicImage(folder);
    const child = await differencingImage(folder, base.file);
    const check = async (image: Buffer, change: (image: Buffer) => void): Promise<string[]> => {
      const bytes = Buffer.from(image);
      change(bytes);
      const files = new MemoryFiles();
      files.put('x', bytes);
      return (await checkVhdx(await files.open('x', 'read'))).map(({ message }) => message);
    };
    expect(await check(base.bytes, () => undefined)).toEqual([]);
    expect(await check(child.bytes, () => undefined)).toEqual([]);
    expect(await check(base.bytes, (image) => image.fill(0, 65536, 65540))).toEqual([
      expect.stringContaining('headers'),
    ]);
    expect(await check(base.bytes, (image) => image.fill(0, 4 * 65536, 5 * 65536))).toEqual([
      expect.stringContaining('region tables'),
    ]);
    expect(await check(base.bytes, (image) => image.copy(image, 3 * MIB + 8, 3 * MIB, 3 * MIB + 8))).toEqual([
      expect.stringContaining('block 1 overlaps'),
    ]);
    expect(await check(base.bytes, (image) => image.writeUInt32LE(0xff0006, 3 * MIB))).toEqual([
      expect.stringContaining('impossible place'),
    ]);
    expect(await check(base.bytes, (image) => image.writeBigUInt64LE((5n << 20n) | 2n, 3 * MIB + 24))).toEqual([
      expect.stringContaining('Hyper-V refuses'),
    ]);
    expect(await check(child.bytes, (image) => image.fill(0, 3 * MIB + 4096 * 8, 3 * MIB + 4097 * 8))).toEqual([
      expect.stringContaining('no sector bitmap'),
    ]);
    const twice = Buffer.from(base.bytes);
    twice.copy(twice, 3 * MIB + 8, 3 * MIB, 3 * MIB + 8);
    const files = new MemoryFiles();
    files.put('x', twice);
    await expect(openDisk('x', { opener: files.open, writable: true })).rejects.toMatchObject({ code: 'DISK_CORRUPT' });
  });
});
