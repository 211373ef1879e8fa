/**
 * What disks that are copied into a host will take there: from their allocation first, from their content where that
 * may not fit.
 */
import { stat } from 'node:fs/promises';
import type { BlockDevice } from '../../disk/device.ts';
import { inspectDisk, openDisk, parentsAmong } from '../../disk/index.ts';
import { openFile, type RandomAccessFile } from '../../support/file.ts';
import { countStored, type Need, requireFree } from '../../support/free-space.ts';
import type { DiskSource } from './import-disk.ts';

/** Bytes read at a time. */
const CHUNK = 4 << 20;
/** Of `stat`: its unit, whatever the file system's is. */
const STAT_BLOCK = 512;

/**
 * Before anything is copied.
 * @param root the host's folder
 * @returns warnings
 * @throws DISK_FULL, and what is wrong with an image
 */
export async function requireImportsFit(root: string, sources: readonly DiskSource[]): Promise<string[]> {
  const warnings: string[] = [];
  const needs: Need[] = [];
  for (const source of sources) needs.push(await importNeed(source));
  await requireFree(root, needs, {
    advice: "Free space on the host's volume, or use a host on another one.",
    warn: (message) => warnings.push(message),
  });
  return warnings;
}

async function importNeed(source: DiskSource): Promise<Need> {
  // An empty disk has no blocks.
  if (source.file === undefined) return { most: 0 };
  const { file, parents } = source;
  const info = await inspectDisk(file);
  const { size, blocks } = await stat(file);
  // Windows does not report blocks.
  const allocated = blocks === 0 && process.platform === 'win32' ? size : Math.min(size, blocks * STAT_BLOCK);
  if (info.format === 'vhdx' && info.kind === 'dynamic')
    return { most: allocated, count: (limit) => countFile(file, limit) };
  if (info.format === 'raw') return { most: allocated, count: (limit) => countDisk(file, parents, limit) };
  return { most: await dataOf(file, parents), count: (limit) => countDisk(file, parents, limit) };
}

async function dataOf(file: string, parents: readonly string[] | undefined): Promise<number> {
  const disk = await openDisk(file, { parent: parentsAmong(parents ?? []) });
  try {
    let bytes = 0;
    for await (const { kind, length } of disk.extents()) if (kind === 'data') bytes += length;
    return bytes;
  } finally {
    await disk.close();
  }
}

async function countDisk(file: string, parents: readonly string[] | undefined, limit: number): Promise<number> {
  const disk = await openDisk(file, { parent: parentsAmong(parents ?? []) });
  try {
    return await countStored(piecesOfDisk(disk), limit);
  } finally {
    await disk.close();
  }
}

async function countFile(path: string, limit: number): Promise<number> {
  const file = await openFile(path, 'read');
  try {
    return await countStored(piecesOfFile(file), limit);
  } finally {
    await file.close();
  }
}

async function* piecesOfDisk(disk: BlockDevice): AsyncGenerator<Buffer> {
  const buffer = Buffer.alloc(CHUNK);
  for await (const { offset, length, kind } of disk.extents()) {
    for (let at = 0; kind === 'data' && at < length; at += CHUNK) {
      const piece = buffer.subarray(0, Math.min(CHUNK, length - at));
      await disk.read(offset + at, piece);
      yield piece;
    }
  }
}

async function* piecesOfFile(file: RandomAccessFile): AsyncGenerator<Buffer> {
  const buffer = Buffer.alloc(CHUNK);
  const size = await file.size();
  for (let at = 0; at < size; at += CHUNK) {
    const piece = buffer.subarray(0, Math.min(CHUNK, size - at));
    await file.readFully(at, piece);
    yield piece;
  }
}
