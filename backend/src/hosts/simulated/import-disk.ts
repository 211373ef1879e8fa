/** Disk images on their way to become disks of a VM: always dynamic VHDX files in the end, sparse, with the same content. */
import type { BlockDevice } from '../../disk/device.ts';
import { copyContent, createVhdx, createVhdxWriter, inspectDisk, openDisk } from '../../disk/index.ts';
import { nonZeroStretches } from '../../support/bytes.ts';
import { HvError } from '../../support/errors.ts';
import { openFile } from '../../support/file.ts';

/** An image that is copied, or an empty disk of `size` bytes. */
export type DiskSource = { file: string; size?: undefined } | { size: number; file?: undefined };

/** Bytes read at a time. */
const CHUNK = 4 << 20;
/** Runs of zeros of at least this many bytes become holes. */
const GRAIN = 64 << 10;
const SECTOR = 512;

/**
 * Makes `target` (must not exist) a dynamic VHDX with the content of `source`; durable when it returns. A dynamic VHDX stays as
 * it is, byte for byte, but with its log replayed.
 * @returns warnings
 * @throws FILE_NOT_FOUND, DISK_CORRUPT, DISK_UNSUPPORTED, DISK_PARENT_MISSING, DISK_FULL; the caller removes `target` then
 */
export async function importDisk(source: DiskSource, target: string): Promise<string[]> {
  if (source.file === undefined) {
    await createVhdx(target, { size: source.size });
    return [];
  }
  const info = await inspectDisk(source.file);
  if (info.size === 0) {
    throw new HvError('DISK_CORRUPT', `The disk image is empty: ${source.file}`, {
      advice: 'Give an image with content, or create a disk of a given size.',
      data: { path: source.file },
    });
  }
  if (info.format === 'vhdx' && info.kind === 'dynamic') await copySparse(source.file, target);
  else await convert(source.file, target);
  const disk = await openDisk(target, { writable: true, keepDataWriteGuid: true });
  try {
    await walk(disk); // every entry of the allocation table is checked on the way
  } finally {
    await disk.close();
  }
  if (info.format !== 'raw' || info.fileSize % SECTOR === 0) return [];
  return [
    `${source.file} is no whole number of sectors: ${info.size - info.fileSize} zero bytes were added to its end.`,
  ];
}

async function walk(device: BlockDevice): Promise<void> {
  for await (const _ of device.extents()) {
    // Nothing to do with them.
  }
}

/** Copies a file, leaving zeros out. */
async function copySparse(from: string, to: string): Promise<void> {
  const source = await openFile(from, 'read');
  try {
    const target = await openFile(to, 'create');
    try {
      const size = await source.size();
      const buffer = Buffer.alloc(Math.min(CHUNK, size));
      for (let at = 0; at < size; at += CHUNK) {
        const chunk = buffer.subarray(0, Math.min(CHUNK, size - at));
        await source.readFully(at, chunk);
        for (const { start, end } of nonZeroStretches(chunk, GRAIN)) {
          await target.writeFully(at + start, chunk.subarray(start, end));
        }
      }
      await target.truncate(size);
      await target.sync();
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

async function convert(from: string, to: string): Promise<void> {
  const disk = await openDisk(from);
  try {
    const { size, logicalSectorSize, physicalSectorSize, info } = disk;
    const blockSize = info.format === 'vhdx' ? (info.blockSize ?? undefined) : undefined;
    const writer = await createVhdxWriter(to, { size, blockSize, logicalSectorSize, physicalSectorSize });
    try {
      await copyContent(disk, writer);
      await writer.finish();
    } catch (error) {
      await writer.abort();
      throw error;
    }
  } finally {
    await disk.close();
  }
}
