/** Every real image with a known content: into a VM, through a backup, out again, the same to the last byte. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ok } from '../support/cli.ts';
import { hasSamples, type Sample, sampleManifest, unpackSample } from '../support/samples.ts';
import { scratchForSuite } from '../support/scratch.ts';
import { requireSameContent, sha256File } from '../support/sparse.ts';
import { hasTool, tool } from '../support/tools.ts';
import { World } from './world.ts';

/** Agreed content hash of a disk in the manifest: both tools say the same, or the file is the content. */
function agreedHash(sample: Sample): string | null {
  if (/^(VHDX|VHD) (fixed|dynamic)/.test(sample.kind)) {
    if (sample.log_dirty === 'yes' || !sample.oracle_note?.startsWith('agree')) return null;
    return sample.sha256_content_qemu === sample.sha256_content_libvhdi ? sample.sha256_content_qemu! : null;
  }
  if (sample.kind === 'raw image') return sample.sha256_unpacked_file!;
  return null;
}

/**
 * Above this, hashing zeros by the ten GiB takes longer than all the rest; unless asked to, qemu-img compares with the
 * sample, which skips them.
 */
const HASHED = 2 ** 31;

/** Throws unless the raw export is what the sample's agreed hash is of. @param image the unpacked sample */
async function requireAgreed(raw: string, sample: Sample, image: string): Promise<void> {
  const known = sample.sha256_content_qemu === agreedHash(sample) && hasTool('qemu-img');
  if (Number(sample.virtual_size) <= HASHED || !known || process.env.HVBACKUP_THOROUGH) {
    expect(await sha256File(raw)).toBe(agreedHash(sample));
    return;
  }
  // The file that qemu's hash in the manifest is of, so what qemu reads from it has that hash.
  expect(await sha256File(image)).toBe(sample.sha256_unpacked_file);
  await requireSameContent(image, raw);
}

const usable = sampleManifest().filter((sample) => agreedHash(sample) !== null);

describe.skipIf(!hasSamples)('samples through a backup (needs ../shared/samples)', async () => {
  const folder = await scratchForSuite('samples');
  const world = await World.create(folder);

  it('are there', () => expect(usable.length).toBeGreaterThanOrEqual(8));

  it.each(usable.map((sample) => [sample.path, sample] as const))('%s', async (_path, sample) => {
    const image = await unpackSample(sample, folder);
    const name = sample.path.replace(/.*\//, '');
    world.vm(name, image);
    const result = world.backup(name);
    expect(result.mode).toBe('full');
    const odd = Number(sample.virtual_size) % 512;
    expect(odd).toBe(0); // an odd size would be padded, and its hash another one
    const from = ['export', '--repository', world.repository, '--point', result.restorePointId];
    const [raw] = ok([...from, '--to', join(folder, 'raw'), '--format', 'raw'], world).files;
    await requireAgreed(raw.path, sample, image);
    const [vhdx] = ok([...from, '--to', join(folder, 'vhdx'), '--format', 'vhdx'], world).files;
    if (hasTool('qemu-img')) {
      expect(tool('qemu-img', 'check', '-f', 'vhdx', vhdx.path)).toMatch(/No errors were found/);
      // What has that hash is in the raw file.
      await requireSameContent(vhdx.path, raw.path, 'vhdx');
    }
    await rm(image);
    for (const to of ['raw', 'vhdx']) await rm(join(folder, to), { recursive: true });
  });
});
