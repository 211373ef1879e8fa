/**
 * Disk images on their way to become disks of a VM: always dynamic VHDX files in the end, sparse, with the same
 * content.
 */
import type { BlockDevice } from '../../disk/device.ts';
import { copyContent, createVhdx, createVhdxWriter, inspectDisk, openDisk, parentsAmong } from '../../disk/index.ts';
import { nonZeroStretches } from '../../support/bytes.ts';
import { HvError, isHvError } from '../../support/errors.ts';
import { openFile, removeFile } from '../../support/file.ts';

/** An image that is copied (with the parents that do not lie where it says), or an empty disk of `size` bytes. */
export type DiskSource =
  | { file: string; parents?: readonly string[]; size?: undefined }
  | { size: number; file?: undefined };

/** Bytes read at a time. */
const CHUNK = 4 << 20;
/** Runs of zeros of at least this many bytes become holes. */
const GRAIN = 64 << 10;
const SECTOR = 512;

/**
 * Makes `target` (must not exist) a dynamic VHDX with the content of `source`; durable when it returns. A dynamic VHDX
 * stays as it is, byte for byte, but with its log replayed.
 * @returns warnings
 * @throws FILE_NOT_FOUND, DISK_CORRUPT, DISK_UNSUPPORTED, DISK_PARENT_MISSING, DISK_FULL; `target` is not there then
 */
export async function importDisk(source: DiskSource, target: string): Promise<string[]> {
  try {
    return await importInto(source, target);
  } catch (error) {
    // At once: on a full volume, what comes next needs the room.
    await removeFile(target).catch(() => undefined);
    throw error;
  }
}

async function importInto(source: DiskSource, target: string): Promise<string[]> {
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
  else await convert(source.file, target, source.parents);
  await checkCopy(target).catch((error) => {
    throw namedAs(error, target, source.file);
  });
  if (info.format !== 'raw' || info.fileSize % SECTOR === 0) return [];
  return [
    `${source.file} is no whole number of sectors: ${info.size - info.fileSize} zero bytes were added to its end.`,
  ];
}

/** Replays its log; every entry of the allocation table is checked on the way. */
async function checkCopy(target: string): Promise<void> {
  const disk = await openDisk(target, { writable: true, keepDataWriteGuid: true });
  try {
    await walk(disk);
  } finally {
    await disk.close();
  }
}

/** What is wrong with a copy is wrong with the image: the copy is gone when the person reads of it. */
function namedAs(error: unknown, copy: string, image: string): unknown {
  if (!isHvError(error) || !error.message.includes(copy)) return error;
  const data = error.data.path === copy ? { ...error.data, path: image } : error.data;
  return new HvError(error.code, error.message.replaceAll(copy, image), { advice: error.advice, data, cause: error });
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

async function convert(from: string, to: string, parents: readonly string[] = []): Promise<void> {
  const disk = await openDisk(from, { parent: parentsAmong(parents) });
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
