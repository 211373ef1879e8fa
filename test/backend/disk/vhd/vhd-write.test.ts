/** VHD files we write: read back by us, qemu-img and libvhdi; nothing half-made under the final name. */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Disk, openDisk } from '../../../../backend/src/disk/index.ts';
import { checkVhd } from '../../../../backend/src/disk/vhd/check.ts';
import { GIB, KIB, MAX_DISK_SIZE, MIB } from '../../../../backend/src/disk/vhd/format/constants.ts';
import { planVhd } from '../../../../backend/src/disk/vhd/plan.ts';
import { createVhdWriter } from '../../../../backend/src/disk/vhd/stream-writer.ts';
import { openFile } from '../../../../backend/src/support/file.ts';
import { pattern, seeded } from '../../../fuzz/random.ts';
import { hasLibvhdi, libvhdiContent } from '../../support/libvhdi.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { hasTool, tool } from '../../support/tools.ts';
import { readAll } from '../support/content.ts';
import { stoppingOpener } from '../support/stopping-opener.ts';
import { writeRuns } from '../support/write-runs.ts';

const scratch = scratchForEach('vhd-write');
const qemu = hasTool('qemu-img');

async function reading<T>(file: string, use: (disk: Disk) => Promise<T>): Promise<T> {
  const disk = await openDisk(file);
  try {
    return await use(disk);
  } finally {
    await disk.close();
  }
}

const check = async (file: string) => checkVhd(await openFile(file, 'read'));
const qemuSize = (file: string): number =>
  JSON.parse(tool('qemu-img', 'info', '-f', 'vpc', '--output=json', file))['virtual-size'];

async function expectSameToOthers(file: string, model: Buffer): Promise<void> {
  if (qemu) {
    const raw = `${file}.raw`;
    await writeFile(raw, model);
    expect(qemuSize(file)).toBe(model.length);
    expect(tool('qemu-img', 'compare', '-f', 'vpc', '-F', 'raw', file, raw)).toContain('identical');
    await rm(raw);
  }
  if (hasLibvhdi) {
    const sha256 = createHash('sha256').update(model).digest('hex');
    expect(libvhdiContent(file)).toEqual({ size: model.length, sha256 });
  }
}

describe('VHD writer', () => {
  it.each([
    { type: 'fixed', size: 9 * MIB + 512 },
    { type: 'dynamic', size: 21 * MIB + 512 },
    { type: 'dynamic', size: 11 * MIB, blockSize: 512 * KIB },
    { type: 'dynamic', size: 3 * MIB + 1536, blockSize: 64 * KIB },
    { type: 'dynamic', size: 512 },
  ] as const)('random runs: $type, $size bytes, blocks of $blockSize', async ({ type, size, ...more }) => {
    const file = path.join(await scratch(), 'a.vhd');
    const writer = await createVhdWriter(file, { size, type, ...more });
    const model = await writeRuns(writer, size, seeded(size), 700_000);
    await writer.finish();
    await reading(file, async (disk) => {
      expect(disk.info).toMatchObject({ kind: type, size, creator: 'win 10.0' });
      expect(disk.info.notes).toBeUndefined();
      expect((await readAll(disk)).equals(model)).toBe(true);
    });
    expect(await check(file)).toEqual([]);
    await expectSameToOthers(file, model);
  });

  it.each([
    [104_448, 'dynamic'],
    [127.5 * GIB + 512, 'dynamic'],
    [127.5 * GIB + 512, 'fixed'],
    [MAX_DISK_SIZE, 'dynamic'],
    [MAX_DISK_SIZE, 'fixed'],
  ] as const)('%i bytes, %s: the exact size for everyone, the last sector in its place', async (size, type) => {
    const file = path.join(await scratch(), 'a.vhd');
    const writer = await createVhdWriter(file, { size, type });
    await writer.write(size - 512, Buffer.alloc(512, 9));
    await writer.finish();
    await reading(file, async (disk) => {
      expect(disk.size).toBe(size);
      const last = Buffer.alloc(1024);
      await disk.read(size - 1024, last);
      expect(last.equals(Buffer.concat([Buffer.alloc(512), Buffer.alloc(512, 9)]))).toBe(true);
    });
    expect((await stat(file)).blocks * 512).toBeLessThan(8 * MIB);
    if (qemu) expect(qemuSize(file)).toBe(size);
    if (hasTool('vhdiinfo')) expect(tool('vhdiinfo', file)).toContain(`(${size} bytes)`);
  });

  it('follows the format: aligned content, both footers alike, a table no longer than needed', async () => {
    const file = path.join(await scratch(), 'a.vhd');
    const writer = await createVhdWriter(file, { size: 10 * MIB, type: 'dynamic' });
    await writer.write(9 * MIB, pattern(1, 100));
    await writer.finish();
    const bytes = await readFile(file);
    expect(bytes.subarray(0, 512).equals(bytes.subarray(-512))).toBe(true);
    expect(bytes.readUInt32BE(512 + 28)).toBe(5);
    const sectors = Array.from({ length: 5 }, (_, index) => bytes.readUInt32BE(1536 + index * 4));
    expect(sectors.slice(0, 4)).toEqual(Array(4).fill(0xffff_ffff));
    expect((sectors[4]! * 512 + 512) % 4096).toBe(0);
    expect(bytes.subarray(sectors[4]! * 512, sectors[4]! * 512 + 512).every((byte) => byte === 0xff)).toBe(true);
    expect(bytes.length).toBe(sectors[4]! * 512 + 512 + 2 * MIB + 512);
  });

  it('rounds odd sizes up to sectors, and refuses what leaves the size asked for', async () => {
    const file = path.join(await scratch(), 'a.vhd');
    const writer = await createVhdWriter(file, { size: 1000, type: 'fixed' });
    await expect(writer.write(999, Buffer.alloc(2))).rejects.toMatchObject({ code: 'DISK_OUT_OF_RANGE' });
    await writer.write(0, pattern(1, 1000));
    await expect(writer.write(10, Buffer.alloc(2))).rejects.toMatchObject({ code: 'DISK_OUT_OF_RANGE' });
    await writer.finish();
    await reading(file, async (disk) => {
      expect((await readAll(disk)).equals(Buffer.concat([pattern(1, 1000), Buffer.alloc(24)]))).toBe(true);
    });
  });

  it('refuses what VHD cannot hold before it writes', async () => {
    const folder = await scratch();
    const file = path.join(folder, 'a.vhd');
    for (const type of ['fixed', 'dynamic'] as const) {
      await expect(createVhdWriter(file, { size: MAX_DISK_SIZE + 512, type })).rejects.toMatchObject({
        code: 'NOT_SUPPORTED',
        message: expect.stringContaining('2040 GiB'),
        data: { limit: MAX_DISK_SIZE },
      });
    }
    for (const [size, blockSize] of [
      [0, MIB],
      [-512, MIB],
      [MIB, 3000],
      [MIB, 512 * MIB],
      [MAX_DISK_SIZE, 4096],
    ] as const) {
      await expect(createVhdWriter(file, { size, type: 'dynamic', blockSize })).rejects.toMatchObject({
        code: 'USAGE',
      });
    }
    expect(await readdir(folder)).toEqual([]);
  });

  it('replaces nothing, and leaves nothing when aborted', async () => {
    const folder = await scratch();
    const file = path.join(folder, 'a.vhd');
    const first = await createVhdWriter(file, { size: MIB, type: 'dynamic' });
    const second = await createVhdWriter(file, { size: MIB, type: 'fixed' });
    await second.write(0, pattern(1, 100));
    await second.finish();
    await expect(first.finish()).rejects.toMatchObject({ code: 'FILE_EXISTS' });
    await first.abort();
    await second.abort();
    await expect(createVhdWriter(file, { size: MIB, type: 'fixed' })).rejects.toMatchObject({ code: 'FILE_EXISTS' });
    expect(await readdir(folder)).toEqual(['a.vhd']);
    expect((await stat(file)).size).toBe(MIB + 512);
  });

  it.each(['fixed', 'dynamic'] as const)(
    '%s: stopped at any operation, the target is absent or whole',
    async (type) => {
      const folder = await scratch();
      const file = path.join(folder, 'a.vhd');
      const write = async (limit: number): Promise<number> => {
        const { opener, count } = stoppingOpener(limit);
        const writer = await createVhdWriter(file, { size: 3 * MIB, type, blockSize: MIB, opener });
        await writer.write(5000, pattern(1, 100_000));
        await writer.write(2 * MIB - 1000, pattern(2, 2000));
        await writer.finish();
        return count();
      };
      const total = await write(Number.POSITIVE_INFINITY);
      await rm(file);
      for (let limit = 0; limit < total; limit++) {
        await expect(write(limit)).rejects.toMatchObject({ message: 'stopped by the test' });
        expect((await readdir(folder)).filter((name) => !name.endsWith('.tmp'))).toEqual([]);
      }
    },
  );
});

describe('sizes', () => {
  it('Azure takes a fixed one of up to 4095 GiB, which Windows does not attach; everything else ends at 2040', () => {
    const plan = (size: number, type: 'fixed' | 'dynamic', azure?: boolean) => planVhd({ size, type, azure });
    expect(plan(4095 * GIB, 'fixed', true).footer.currentSize).toBe(4095 * GIB);
    expect(() => plan(4095 * GIB + 512, 'fixed', true)).toThrow(/at most 4095 GiB/);
    for (const [type, azure] of [
      ['fixed', false],
      ['dynamic', true],
    ] as const) {
      expect(plan(MAX_DISK_SIZE, type, azure).size).toBe(MAX_DISK_SIZE);
      expect(() => plan(MAX_DISK_SIZE + 512, type, azure)).toThrow(/at most 2040 GiB/);
    }
  });
});
