/** `disk check` of VHD files: every kind of damage is found and named. */
import { truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkVhd } from '../../../../backend/src/disk/vhd/check.ts';
import { openFile } from '../../../../backend/src/support/file.ts';
import { below, pattern, seeded } from '../../../fuzz/random.ts';
import { buildDynamic, buildFixed, ID } from '../../../fuzz/vhd-builder.ts';
import { scratchForEach } from '../../support/scratch.ts';

const BLOCK = 65_536;
const TABLE = 1536;
const scratch = scratchForEach('vhd-check');

async function problemsOf(bytes: Buffer): Promise<string[]> {
  const file = path.join(await scratch(), 'a.vhd');
  await writeFile(file, bytes);
  return (await checkVhd(await openFile(file, 'read'))).map(({ message }) => message);
}

const image = (blocks = 4): Buffer =>
  buildDynamic({
    size: 8 * BLOCK,
    blockSize: BLOCK,
    blocks: Array.from({ length: blocks }, (_, index) => ({ index, data: pattern(index, BLOCK) })),
  });

describe('checkVhd', () => {
  it('finds nothing in whole files', async () => {
    expect(await problemsOf(image())).toEqual([]);
    expect(await problemsOf(buildFixed(pattern(1, 4096)))).toEqual([]);
    expect(await problemsOf(buildDynamic({ size: BLOCK, parent: { id: ID, name: 'gone.vhd' } }))).toEqual([]);
  });

  it('footers and headers', async () => {
    const wrong = (at: number): Buffer => {
      const bytes = image();
      bytes[at < 0 ? bytes.length + at : at]! ^= 0x10;
      return bytes;
    };
    expect(await problemsOf(wrong(400))).toEqual([expect.stringMatching(/checksum of the footer's copy/)]);
    expect(await problemsOf(wrong(-100))).toEqual([expect.stringMatching(/checksum of the footer is/)]);
    expect(await problemsOf(wrong(512 + 1000))).toEqual([expect.stringMatching(/checksum of the dynamic header/)]);
    expect(await problemsOf(wrong(512))).toEqual([expect.stringMatching(/no dynamic header/)]);
    expect(await problemsOf(wrong(0))).toEqual([expect.stringMatching(/copy .* is missing/)]);
    expect(await problemsOf(image().subarray(0, -512))).toEqual([expect.stringMatching(/at the end .* is missing/)]);
    const resized = buildDynamic({ size: 7 * BLOCK, blockSize: BLOCK }).subarray(0, 512);
    expect(await problemsOf(Buffer.concat([resized, image().subarray(512)]))).toEqual([
      expect.stringMatching(/differ in the disk's size/),
    ]);
  });

  it('places of blocks', async () => {
    const bytes = image();
    bytes.writeUInt32BE(0x7fff_ffff, TABLE + 20);
    bytes.writeUInt32BE(2, TABLE + 24);
    bytes.writeUInt32BE(bytes.length / 512 - 1, TABLE + 28);
    expect(await problemsOf(bytes)).toEqual([
      expect.stringMatching(/block 5 .* beyond the end/),
      expect.stringMatching(/block 6 .* dynamic header/),
      expect.stringMatching(/block 7 .* beyond the end/),
    ]);
  });

  it('no file at all of this format', async () => {
    await expect(problemsOf(pattern(1, 5000))).rejects.toMatchObject({ code: 'DISK_FORMAT_UNKNOWN' });
    await expect(problemsOf(Buffer.alloc(0))).rejects.toMatchObject({ code: 'DISK_FORMAT_UNKNOWN' });
  });

  it('overlapping blocks, as comparing each with each finds them', async () => {
    const random = seeded(11);
    const stride = 1 + BLOCK / 512;
    for (let round = 0; round < 60; round++) {
      const bytes = image(8);
      const first = bytes.readUInt32BE(TABLE);
      for (let moved = below(random, 5); moved > 0; moved--) {
        bytes.writeUInt32BE(first + below(random, 7 * stride), TABLE + 4 * below(random, 8));
      }
      const starts = Array.from({ length: 8 }, (_, block) => bytes.readUInt32BE(TABLE + 4 * block));
      const expected = starts.flatMap((start, block) =>
        starts.some((other, index) => index !== block && Math.abs(other - start) < stride) ? [block] : [],
      );
      const found = (await problemsOf(bytes)).map((message) => Number(/block (\d+) overlaps block/.exec(message)?.[1]));
      expect(found).toEqual(expected);
    }
  });

  it('overlapping blocks in a file so large that its table is walked in parts', async () => {
    // A stride of nine sectors: a part has 2^20 strides, 4.5 GiB. Two blocks meet where the second part begins.
    const stride = 9;
    const boundary = 2 ** 20 * stride;
    const bytes = buildDynamic({ size: 8 * 4096, blockSize: 4096 });
    const starts = [
      boundary - 3,
      boundary + 5,
      boundary - 3 - stride,
      boundary + 5 + stride,
      100,
      100 + stride,
      2 * boundary,
    ];
    starts.forEach((start, block) => {
      bytes.writeUInt32BE(start, TABLE + 4 * block);
    });
    const file = path.join(await scratch(), 'a.vhd');
    await writeFile(file, bytes);
    await truncate(file, (2 * boundary + stride) * 512);
    const messages = (await checkVhd(await openFile(file, 'read'))).map(({ message }) => message);
    expect(messages).toEqual([
      expect.stringMatching(/footer at the end .* is missing/),
      expect.stringMatching(/block 0 overlaps block 1/),
      expect.stringMatching(/block 1 overlaps block 0/),
    ]);
  });

  it('does not list millions', async () => {
    const bytes = buildDynamic({ size: 20_000 * 4096, blockSize: 4096 });
    bytes.fill(0x7f, TABLE, TABLE + 80_000);
    const problems = await problemsOf(bytes);
    expect(problems.length).toBeLessThan(1100);
    expect(problems.at(-1)).toMatch(/more problems/);
  });
});
