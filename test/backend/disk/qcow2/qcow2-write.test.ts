/**
 * qcow2 images we write: read by a checker of the specification and by qemu-img; nothing half-made under the final
 * name.
 */
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { createQcow2Writer } from '../../../../backend/src/disk/qcow2/stream-writer.ts';
import { below, pattern, seeded } from '../../../fuzz/random.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { hasTool, tool } from '../../support/tools.ts';
import { readQcow2 } from '../support/qcow2-reader.ts';
import { stoppingOpener } from '../support/stopping-opener.ts';
import { writeRuns } from '../support/write-runs.ts';

const MIB = 2 ** 20;
const TIB = 2 ** 40;
const scratch = scratchForEach('qcow2');
const qemu = hasTool('qemu-img');

async function expectSameToQemu(file: string, model: Buffer): Promise<void> {
  if (!qemu) return;
  expect(tool('qemu-img', 'check', '-f', 'qcow2', file)).toContain('No errors');
  const raw = `${file}.raw`;
  await writeFile(raw, model);
  expect(tool('qemu-img', 'compare', '-f', 'qcow2', '-F', 'raw', file, raw)).toContain('identical');
}

const cases = (['none', 'zstd', 'zlib'] as const).flatMap((compression) => [
  { compression, clusterSize: 512, size: 2 * MIB + 512 },
  { compression, clusterSize: 4096, size: 9 * MIB },
  { compression, clusterSize: 65_536, size: 25 * MIB + 1536 },
  { compression, clusterSize: 2 * MIB, size: 31 * MIB },
]);

describe('qcow2 writer', () => {
  it.each(cases)('random runs: $compression, clusters of $clusterSize', async ({ compression, clusterSize, size }) => {
    const file = path.join(await scratch(), 'a.qcow2');
    const writer = await createQcow2Writer(file, { size, compression, clusterSize });
    const model = await writeRuns(writer, size, seeded(clusterSize), clusterSize * 5);
    await writer.finish();
    const read = readQcow2(await readFile(file));
    expect(read.content.equals(model)).toBe(true);
    expect(read.compressed > 0).toBe(compression !== 'none');
    if (compression === 'none' || clusterSize < MIB) expect(read.plain).toBeGreaterThan(0);
    await expectSameToQemu(file, model);
  });

  it('many small runs that never fill a cluster at once', async () => {
    const file = path.join(await scratch(), 'a.qcow2');
    const size = 2 * MIB;
    const random = seeded(4);
    for (const compression of ['none', 'zstd'] as const) {
      const writer = await createQcow2Writer(file, { size, compression });
      const model = Buffer.alloc(size);
      for (let at = 0; at < size; at += below(random, 9000)) {
        const data = pattern(at, Math.min(size - at, 1 + below(random, 700)));
        await writer.write(at, data);
        data.copy(model, at);
        at += data.length;
      }
      await writer.finish();
      expect(readQcow2(await readFile(file)).content.equals(model)).toBe(true);
      await rm(file);
    }
  });

  it('tables larger than what one block of reference counts describes', async () => {
    // Clusters of 512 bytes: a block counts 128 KiB, the L1 table of this disk has 512 KiB.
    const file = path.join(await scratch(), 'a.qcow2');
    const size = 2 ** 31;
    for (const filled of [0, 127 * 1024, 128 * 1024, 200 * 1024]) {
      const writer = await createQcow2Writer(file, { size, clusterSize: 512 });
      await writer.write(0, pattern(1, filled));
      await writer.write(size - 10, pattern(2, 10));
      await writer.finish();
      const { content } = readQcow2(await readFile(file));
      expect(content.subarray(0, filled).equals(pattern(1, filled))).toBe(true);
      expect(content.subarray(-10).equals(pattern(2, 10))).toBe(true);
      if (qemu) expect(tool('qemu-img', 'check', '-f', 'qcow2', file)).toContain('No errors');
      await rm(file);
    }
  });

  it.each(['none', 'zstd'] as const)(
    'a disk of 64 TiB with data at both ends takes little: %s',
    async (compression) => {
      const file = path.join(await scratch(), 'a.qcow2');
      const writer = await createQcow2Writer(file, { size: 64 * TIB, compression });
      await writer.write(0, pattern(1, 100));
      await writer.write(64 * TIB - 100, pattern(2, 100));
      await writer.finish();
      expect((await stat(file)).size).toBeLessThan(2 * MIB);
      if (!qemu) return;
      expect(tool('qemu-img', 'check', '-f', 'qcow2', file)).toContain('No errors');
      const info = JSON.parse(tool('qemu-img', 'info', '-f', 'qcow2', '--output=json', file));
      expect(info['virtual-size']).toBe(64 * TIB);
      expect(info['format-specific'].data).toMatchObject({
        compat: '1.1',
        'compression-type': compression === 'zstd' ? 'zstd' : 'zlib',
        corrupt: false,
      });
    },
  );

  it('is small where it can be', async () => {
    const file = path.join(await scratch(), 'a.qcow2');
    const text = Buffer.alloc(16 * MIB, 'the same line again and again\n');
    const sizes: number[] = [];
    for (const compression of ['none', 'zlib', 'zstd'] as const) {
      const writer = await createQcow2Writer(file, { size: text.length, compression });
      await writer.write(0, text);
      await writer.finish();
      sizes.push((await stat(file)).size);
      await rm(file);
    }
    expect(sizes[0]).toBeLessThan(text.length + MIB);
    expect(sizes[1]).toBeLessThan(MIB);
    expect(sizes[2]).toBeLessThan(MIB);
  });

  it('refuses impossible sizes before it writes, and runs that do not fit', async () => {
    const folder = await scratch();
    const file = path.join(folder, 'a.qcow2');
    for (const [size, clusterSize, code] of [
      [-1, 65_536, 'USAGE'],
      [0, 65_536, 'USAGE'],
      [0.5, 65_536, 'USAGE'],
      [MIB, 1000, 'USAGE'],
      [MIB, 4 * MIB, 'USAGE'],
      [64 * TIB, 4096, 'NOT_SUPPORTED'],
      [200 * 2 ** 30, 512, 'NOT_SUPPORTED'],
    ] as const) {
      await expect(createQcow2Writer(file, { size, clusterSize })).rejects.toMatchObject({ code });
    }
    expect(await readdir(folder)).toEqual([]);
    const writer = await createQcow2Writer(file, { size: MIB });
    await writer.write(1000, pattern(1, 10));
    await expect(writer.write(1009, pattern(1, 10))).rejects.toMatchObject({ code: 'DISK_OUT_OF_RANGE' });
    await expect(writer.write(MIB, pattern(1, 1))).rejects.toMatchObject({ code: 'DISK_OUT_OF_RANGE' });
    await writer.abort();
    await writer.abort();
    expect(await readdir(folder)).toEqual([]);
  });

  it.each(['none', 'zstd'] as const)(
    '%s: stopped at any operation, the target is absent or whole',
    async (compression) => {
      const folder = await scratch();
      const file = path.join(folder, 'a.qcow2');
      const write = async (limit: number): Promise<number> => {
        const { opener, count, close } = stoppingOpener(limit);
        try {
          const writer = await createQcow2Writer(file, { size: 3 * MIB, clusterSize: 4096, compression, opener });
          await writer.write(5000, pattern(1, 300_000));
          await writer.write(2 * MIB - 1000, pattern(2, 200_000));
          await writer.finish();
          return count();
        } finally {
          await close();
        }
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
