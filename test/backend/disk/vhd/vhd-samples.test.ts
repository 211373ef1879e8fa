/** Real VHD files on which tools disagree: what is right, and why, says the samples' manifest. */
import { rename } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { inspectDisk, openDisk } from '../../../../backend/src/disk/index.ts';
import { checkVhd } from '../../../../backend/src/disk/vhd/check.ts';
import { openFile } from '../../../../backend/src/support/file.ts';
import { hasSamples, type Sample, sampleManifest, unpackSample } from '../../support/samples.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { contentHash } from '../support/content.ts';

const scratch = scratchForEach('vhd-samples');
const manifest = sampleManifest();
const named = (name: string): Sample => manifest.find((sample) => sample.path.includes(name))!;
const problemsOf = async (file: string) => checkVhd(await openFile(file, 'read'));

describe.skipIf(!hasSamples)('VHD samples (skipped without ../shared/samples)', () => {
  it('hand-edited, checksums wrong: read and told, alone and as a chain', async () => {
    const folder = await scratch();
    const sample = named('dfvfs__image.vhd');
    const unpacked = await unpackSample(sample, folder);
    const child = await unpackSample(named('dfvfs__image-differential'), folder);
    await expect(openDisk(child)).rejects.toMatchObject({
      code: 'DISK_PARENT_MISSING',
      message: expect.stringContaining('image.vhd'),
    });
    // The name that the child has for it.
    const base = path.join(folder, 'image.vhd');
    await rename(unpacked, base);
    for (const file of [base, child]) {
      const disk = await openDisk(file);
      expect(disk.info.notes).toContainEqual(expect.stringContaining('checksum of the footer'));
      expect(disk.size).toBe(104_448);
      expect(await contentHash(disk)).toBe(sample.sha256_content_libvhdi);
      await disk.close();
    }
    expect(await inspectDisk(child)).toMatchObject({
      kind: 'differencing',
      diskId: '40d56d36-9ab8-4fe4-a31a-121fe2bf15eb',
      parent: { linkage: ['d49c5c80-350a-4a89-898a-5ad6d10f6578'], relativePath: 'image.vhd' },
    });
    expect((await problemsOf(base)).map(({ message }) => message)).toContainEqual(
      expect.stringContaining('checksum of the footer is wrong'),
    );
  });

  it.each(['virtualpc-dynamic', 'hyperv2012r2-dynamic'])('%s: the size that Hyper-V shows', async (name) => {
    const file = await unpackSample(named(name), await scratch());
    const disk = await openDisk(file);
    expect(disk.size).toBe(136_365_211_648);
    for await (const extent of disk.extents()) expect(extent).toEqual({ offset: 0, length: disk.size, kind: 'zero' });
    await disk.close();
    expect(await problemsOf(file)).toEqual([]);
  });

  it("Hyper-V's own has no problems", async () => {
    const file = await unpackSample(named('dissect-hv__dynamic.vhd'), await scratch());
    expect(await problemsOf(file)).toEqual([]);
    expect((await inspectDisk(file, { allocated: true })).allocatedBytes).toBe(3 * 2 ** 21);
  });
});
