/**
 * Exporting what differs from another restore point, as a differencing disk (AVHDX) over that point's image: full +
 * differences make a chain that Hyper-V can attach.
 */
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageWriter } from '../../disk/device.ts';
import { createDifferencingVhdxWriter, inspectDisk } from '../../disk/index.ts';
import type { ContentReader, ContentRef } from '../../repository/port/contents.ts';
import type { Repository } from '../../repository/port/repository.ts';
import type { ManifestDisk } from '../../schema/manifest.ts';
import { HvError, isHvError, throwIfCancelled } from '../../support/errors.ts';
import type { OperationContext, ProgressEvent } from '../../support/progress.ts';
import type { Point } from '../points/point.ts';

/** Bytes read and written at a time. */
const CHUNK = 4 * 1024 * 1024;

/**
 * The DataWriteGuid of every image we export of this content: derived from it, so that a child exported another day, or
 * by another machine, names its parent rightly, and a parent that was changed since does not fit any more.
 */
export function imageIdentity(content: ContentRef): string {
  const digest = createHash('sha256').update(`HyperVBackup image ${content.size} ${content.root}`).digest('hex');
  // RFC 9562, version 8: the bits are ours to choose.
  const variant = ((Number.parseInt(digest[16]!, 16) & 3) | 8).toString(16);
  const parts = [digest.slice(0, 8), digest.slice(8, 12), `8${digest.slice(13, 16)}`];
  return `${parts.join('-')}-${variant}${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
}

/** The same disk in the base restore point. @throws POINT_INCOMPLETE, NOT_SUPPORTED when it was resized since */
export function baseContent(base: Point, disk: ManifestDisk): ContentRef {
  const content = base.body.disks.find((entry) => entry.id === disk.id)?.content;
  if (!content) {
    throw new HvError('POINT_INCOMPLETE', `Disk ${disk.index} is not in restore point ${base.manifest.id}.`, {
      advice: 'Export the disk whole, without a base.',
      data: { pointId: base.manifest.id, disk: disk.index },
    });
  }
  if (content.size === disk.size) return content;
  throw new HvError(
    'NOT_SUPPORTED',
    `Disk ${disk.index} was resized from ${content.size} to ${disk.size} bytes since restore point ${base.manifest.id}.`,
    { advice: 'Export the disk whole, without a base.', data: { pointId: base.manifest.id, disk: disk.index } },
  );
}

/** The image of `content` in `directory`, whatever its name. @throws DISK_PARENT_MISSING */
export async function findImage(directory: string, content: ContentRef, pointId: string): Promise<string> {
  const identity = imageIdentity(content);
  for (const name of (await readdir(directory)).toSorted()) {
    if (!/\.a?vhdx$/i.test(name)) continue;
    const path = join(directory, name);
    try {
      if ((await inspectDisk(path)).dataWriteGuid === identity) return path;
    } catch (error) {
      if (!isHvError(error)) throw error; // a broken file of another program is not our concern
    }
  }
  throw new HvError('DISK_PARENT_MISSING', `There is no unchanged image of restore point ${pointId} in ${directory}.`, {
    advice: `Export ${pointId} to that folder as vhdx first.`,
    data: { directory, pointId },
  });
}

/** Writes the blocks that differ. @param source stays open @returns bytes written */
export async function writeDifference(
  repository: Repository,
  base: ContentRef,
  source: ContentReader,
  target: { path: string; parent: string },
  context: OperationContext,
  about: Pick<ProgressEvent, 'phase' | 'vmName' | 'disk'>,
  onHole?: (offset: number, length: number) => void,
): Promise<number> {
  const options = { dataWriteGuid: imageIdentity(source.ref) };
  const writer = await createDifferencingVhdxWriter(target.path, target.parent, options);
  try {
    const writtenBytes = await copyDifference(repository, base, source, writer, context, about, onHole);
    await writer.finish();
    return writtenBytes;
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

async function copyDifference(
  repository: Repository,
  base: ContentRef,
  source: ContentReader,
  writer: ImageWriter,
  context: OperationContext,
  about: Pick<ProgressEvent, 'phase' | 'vmName' | 'disk'>,
  onHole?: (offset: number, length: number) => void,
): Promise<number> {
  const buffer = Buffer.alloc(CHUNK);
  let writtenBytes = 0;
  for await (const { offset, length } of repository.differences(base, source.ref)) {
    for (let at = 0; at < length; at += CHUNK) {
      throwIfCancelled(context.signal);
      const part = buffer.subarray(0, Math.min(CHUNK, length - at));
      await readOver(source, repository.blockSize, offset + at, part, onHole);
      await writer.write(offset + at, part);
      writtenBytes += part.length;
      context.progress?.({ ...about, doneBytes: offset + at + part.length, totalBytes: source.size });
    }
  }
  return writtenBytes;
}

/**
 * Reads a part; where holes are allowed, block by block around them, as zeros: the parent's data must not show through.
 */
async function readOver(
  reader: ContentReader,
  blockSize: number,
  offset: number,
  part: Buffer,
  onHole?: (offset: number, length: number) => void,
): Promise<void> {
  try {
    await reader.read(offset, part);
    return;
  } catch (error) {
    if (onHole === undefined || !isHvError(error, 'REPOSITORY_DAMAGED')) throw error;
  }
  for (let at = 0; at < part.length; at += blockSize) {
    const block = part.subarray(at, at + blockSize);
    try {
      await reader.read(offset + at, block);
    } catch (error) {
      if (!isHvError(error, 'REPOSITORY_DAMAGED')) throw error;
      block.fill(0);
      onHole(offset + at, block.length);
    }
  }
}
