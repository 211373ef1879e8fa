/** A file that is named as a VHD or VHDX and is none is never taken for a raw image. */
import { rename, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkDisk, createVhdx, inspectDisk, openDisk } from '../../../backend/src/disk/index.ts';
import { openFile } from '../../../backend/src/support/file.ts';
import { pattern } from '../../fuzz/random.ts';
import { buildFixed } from '../../fuzz/vhd-builder.ts';
import { scratchForEach } from '../support/scratch.ts';

const scratch = scratchForEach('disk-detect');
const content = pattern(7, 256 * 1024);

async function expectRefused(file: string): Promise<void> {
  const refusal = { code: 'DISK_FORMAT_UNKNOWN', advice: expect.stringContaining('.raw') };
  await expect(openDisk(file)).rejects.toMatchObject(refusal);
  await expect(openDisk(file, { writable: true })).rejects.toMatchObject(refusal);
  await expect(inspectDisk(file)).rejects.toMatchObject(refusal);
  expect(await checkDisk(file)).toHaveLength(1);
}

describe('a file that lost what tells its format', () => {
  it('a fixed VHD whose footer is gone or destroyed', async () => {
    const file = path.join(await scratch(), 'a.vhd');
    await writeFile(file, buildFixed(content));
    expect(await inspectDisk(file)).toMatchObject({ format: 'vhd', size: content.length });
    const bytes = await openFile(file, 'write');
    await bytes.writeFully(content.length, Buffer.alloc(512, 0x55));
    await bytes.close();
    await expectRefused(file);
    await truncate(file, content.length);
    await expectRefused(file);
    const raw = path.join(path.dirname(file), 'a.raw');
    await rename(file, raw);
    expect(await inspectDisk(raw)).toMatchObject({ format: 'raw', size: content.length });
    expect(await checkDisk(raw)).toEqual([]);
  });

  it.each(['a.vhdx', 'A.VHDX', 'a.avhdx', 'a.avhd'])('%s without its signature', async (name) => {
    const file = path.join(await scratch(), name);
    await createVhdx(file, { size: 4 << 20 });
    const bytes = await openFile(file, 'write');
    await bytes.writeFully(0, Buffer.alloc(8));
    await bytes.close();
    await expectRefused(file);
  });

  it('an empty file', async () => {
    const folder = await scratch();
    const file = path.join(folder, 'empty.vhdx');
    await writeFile(file, '');
    await expectRefused(file);
  });
});
