/** Copying a disk into an image in the making: what arrives, and how failures of either side end. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type BlockDevice,
  copyContent,
  createRawWriter,
  createVhdx,
  type ImageWriter,
  openDisk,
} from '../../../backend/src/disk/index.ts';
import { pattern } from '../../fuzz/random.ts';
import { scratchForEach } from '../support/scratch.ts';

const MIB = 2 ** 20;
const scratch = scratchForEach('disk-copy');

function collector(failAt = Number.POSITIVE_INFINITY): ImageWriter & { pieces: [number, number][]; busy: number } {
  const writer = {
    pieces: [] as [number, number][],
    busy: 0,
    async write(offset: number, data: Uint8Array) {
      writer.busy++;
      await new Promise((resolve) => setTimeout(resolve, 5));
      writer.busy--;
      if (writer.pieces.length >= failAt) throw new Error('the target failed');
      writer.pieces.push([offset, data.length]);
    },
    finish: async () => {},
    abort: async () => {},
  };
  return writer;
}

const device = (size: number, failFrom = Number.POSITIVE_INFINITY): BlockDevice => ({
  size,
  logicalSectorSize: 512,
  physicalSectorSize: 512,
  async read(offset) {
    if (offset >= failFrom) throw new Error('the source failed');
  },
  async *extents() {
    yield { offset: 0, length: size, kind: 'data' as const };
  },
  close: async () => {},
});

describe('copyContent', () => {
  it('brings every byte over, and reads no zeros', async () => {
    const folder = await scratch();
    const source = path.join(folder, 'a.vhdx');
    const model = Buffer.alloc(37 * MIB);
    await createVhdx(source, { size: model.length, blockSize: MIB });
    const disk = await openDisk(source, { writable: true });
    for (const [offset, length] of [
      [5, 9 * MIB],
      [20 * MIB - 7, 100],
      [37 * MIB - 1, 1],
    ] as const) {
      const data = pattern(offset, length);
      await disk.write(offset, data);
      model.set(data, offset);
    }
    const target = path.join(folder, 'a.raw');
    const writer = await createRawWriter(target, { size: model.length });
    await copyContent(disk, writer);
    await writer.finish();
    expect((await readFile(target)).equals(model)).toBe(true);
    const seen = collector();
    await copyContent(disk, seen);
    expect(seen.pieces.reduce((sum, [, length]) => sum + length, 0)).toBe(13 * MIB);
    await disk.close();
  });

  it.each([0, 1, 3])('a target that fails after %i pieces is told, with nothing under way', async (pieces) => {
    const writer = collector(pieces);
    await expect(copyContent(device(20 * MIB), writer)).rejects.toThrow('the target failed');
    expect(writer.busy).toBe(0);
  });

  it('a source that fails is told when the piece before is written', async () => {
    const writer = collector();
    await expect(copyContent(device(20 * MIB, 9 * MIB), writer)).rejects.toThrow('the source failed');
    expect(writer.busy).toBe(0);
    expect(writer.pieces).toHaveLength(3);
  });
});
