/**
 * Images that Windows wrote: our reader gives what qemu and libvhdi agree on, and refuses what cannot be read rightly.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { createRawWriter, type Disk, inspectDisk, openDisk } from '../../../backend/src/disk/index.ts';
import { hasSamples, type Sample, sampleManifest, unpackSample } from '../support/samples.ts';
import { scratchForEach } from '../support/scratch.ts';
import { requireSameContent } from '../support/sparse.ts';
import { hasTool } from '../support/tools.ts';
import { contentHash } from './support/content.ts';

const scratch = scratchForEach('disk-samples');
const manifest = sampleManifest();
const named = (name: string) => manifest.find((sample) => sample.path.includes(name)) ?? { path: name, kind: '' };
const agreed = manifest.filter(
  (sample) =>
    /^VHDX? (fixed|dynamic)$/.test(sample.kind) &&
    sample.sha256_content_qemu?.length === 64 &&
    sample.sha256_content_qemu === sample.sha256_content_libvhdi,
);

async function fileHash(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Hashing zeros by the ten GiB takes long: such disks are compared by qemu-img, which skips them, unless asked to. */
async function expectContent(disk: Disk, file: string, sample: Sample): Promise<void> {
  if (disk.size <= 2 ** 31 || !hasTool('qemu-img') || process.env.HVBACKUP_THOROUGH) {
    expect(await contentHash(disk)).toBe(sample.sha256_content_qemu);
    return;
  }
  const raw = `${file}.raw`;
  const writer = await createRawWriter(raw, { size: disk.size });
  const buffer = Buffer.alloc(1 << 22);
  for await (const { offset, length, kind } of disk.extents()) {
    for (let at = 0; kind === 'data' && at < length; at += buffer.length) {
      const part = buffer.subarray(0, Math.min(buffer.length, length - at));
      await disk.read(offset + at, part);
      await writer.write(offset + at, part);
    }
  }
  await writer.finish();
  await requireSameContent(file, raw);
}

describe.skipIf(!hasSamples)('samples (skipped without ../shared/samples)', () => {
  it.each(agreed.map((sample) => [path.basename(sample.path), sample] as const))(
    '%s: the agreed content',
    async (_name, sample) => {
      const file = await unpackSample(sample, await scratch());
      const disk = await openDisk(file);
      expect(disk.size).toBe(Number(sample.virtual_size));
      expect(`${disk.info.format.toUpperCase()} ${disk.info.kind}`).toBe(sample.kind);
      expect(disk.info.blockSize).toBe(Number(sample.block_size));
      await expectContent(disk, file, sample);
      await disk.close();
    },
  );

  it('a dirty log: replayed in memory, the file is not touched; replayed for real when written', async () => {
    const sample = named('vhdx-log-replay');
    const file = await unpackSample(sample, await scratch());
    const before = await fileHash(file);
    const disk = await openDisk(file);
    expect(disk.info.log).toBe('dirty');
    await expectContent(disk, file, sample);
    await disk.close();
    expect(await fileHash(file)).toBe(before);

    await (await openDisk(file, { writable: true })).close();
    const replayed = await openDisk(file);
    expect(replayed.info.log).toBe('clean');
    expect(await contentHash(replayed)).toBe(sample.sha256_content_qemu);
    await replayed.close();
  });

  it("Hyper-V's own AVHDX: refused without its parent, read with a stand-in", async () => {
    const file = await unpackSample(named('differencing.avhdx'), await scratch());
    await expect(openDisk(file)).rejects.toMatchObject({
      code: 'DISK_PARENT_MISSING',
      data: { parent: expect.stringContaining('Generation 1_49C4BAF3') },
    });
    const info = await inspectDisk(file, { allocated: true });
    expect(info).toMatchObject({
      kind: 'differencing',
      size: 8 * 2 ** 30,
      parent: { linkage: ['ff34003b-11ed-4cf8-a166-b2be05e20b80'] },
      allocatedBytes: 32 * 2 ** 21,
    });
    const disk = await openDisk(file, { parent: null });
    let present = 0;
    for await (const extent of disk.extents()) if (extent.kind === 'data') present += extent.length;
    expect(present).toBe(6200 * 512);
    await disk.close();
  });

  it('raw images are their own content', async () => {
    const file = await unpackSample(named('charlie.dd'), await scratch());
    const disk = await openDisk(file);
    expect(disk.info.format).toBe('raw');
    expect(await contentHash(disk)).toBe(named('charlie.dd').sha256_unpacked_file);
    await disk.close();
  });

  it('qcow2 is refused by name, never read as raw', async () => {
    const file = await unpackSample(named('vsstest.qcow2'), await scratch());
    await expect(openDisk(file)).rejects.toMatchObject({
      code: 'DISK_UNSUPPORTED',
      message: expect.stringContaining('qcow2'),
    });
  });
});
