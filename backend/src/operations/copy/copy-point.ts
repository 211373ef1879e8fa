/**
 * Copies one restore point: its contents through a write session of the target, then its manifest under the same id.
 */

import type { ContentRef } from '../../repository/port/contents.ts';
import type { Repository } from '../../repository/port/repository.ts';
import type { WriteSession } from '../../repository/port/writing.ts';
import type { Compression } from '../../schema/backup.ts';
import type { ManifestBody, ManifestDisk, ManifestFile } from '../../schema/manifest.ts';
import { isHvError } from '../../support/errors.ts';
import type { OperationContext } from '../../support/progress.ts';
import { readWhole } from '../data/read-whole.ts';
import { writeWhole } from '../data/write-whole.ts';
import type { Point } from '../points/point.ts';
import { checkedPoint } from '../points/points.ts';
import { goneMeanwhile, pinPoints, pointRemoved } from '../points/reading.ts';
import { copyContent, type SharedContent } from './copy-content.ts';

/** One restore point in both repositories: its disks are the same content there and here. */
export interface CopiedPoint {
  source: Point;
  target: Point;
}

export interface PointCopier {
  from: Repository;
  to: Repository;
  compression: Compression;
  context: OperationContext;
  /** Takes back that the restore points were removed from the target. */
  revive?: boolean;
}

/**
 * @param bases restore points of the same VM that both have, the best first
 * @returns the manifest as it is in the target now; bytes read (decoded) and stored
 * @throws REPOSITORY_DAMAGED, FILE_EXISTS when another copy was quicker, DISK_FULL, …: nothing is listed then
 */
export async function copyPoint(
  copier: PointCopier,
  point: Point,
  bases: readonly CopiedPoint[],
): Promise<CopiedPointFigures> {
  const chosen = chosenBases(point, bases);
  const sources = [point, ...chosen.map(({ source }) => source)];
  const pin = await pinPoints(copier.from, sources, 'copy', copier.context);
  try {
    const there = chosen.filter(({ source }) => !pin.gone.has(source.manifest.id));
    if (pin.gone.has(point.manifest.id)) throw await goneMeanwhile(point, pin);
    return await copyPinned(copier, point, there);
  } catch (error) {
    if (!isHvError(error, 'REPOSITORY_DAMAGED', 'FILE_NOT_FOUND')) throw error;
    const removed = (await pin.removed()).find((tombstone) => tombstone.point === point.manifest.id);
    throw removed === undefined ? error : pointRemoved([point], removed, error);
  } finally {
    await pin.end();
  }
}

/** The first of `bases` that serves, for each disk. */
function chosenBases({ body }: Point, bases: readonly CopiedPoint[]): CopiedPoint[] {
  const chosen = body.disks.map((disk) => disk.content && bases.find((candidate) => sharedDisk(candidate, disk)));
  return bases.filter((base) => chosen.includes(base));
}

interface CopiedPointFigures {
  copied: Point;
  basePointId: string | null;
  readBytes: number;
  newBytes: number;
}

async function copyPinned(
  copier: PointCopier,
  point: Point,
  bases: readonly CopiedPoint[],
): Promise<CopiedPointFigures> {
  const { from, to, context } = copier;
  const { body, manifest } = await storedPoint(from, point);
  const session = await to.beginSession({
    compression: copier.compression,
    owner: `copy of ${body.vm.name}`,
    signal: context.signal,
    warn: context.warn,
  });
  try {
    let readBytes = 0;
    let basePointId: string | null = null;
    const disks: ManifestDisk[] = [];
    for (const disk of body.disks) {
      if (disk.content === null) {
        disks.push(disk);
        continue;
      }
      const done = await copyDisk(copier, session, point, disk, bases);
      readBytes += done.readBytes;
      basePointId ??= done.basePointId;
      disks.push({ ...disk, content: done.ref, newBytes: done.stats.newBytes });
    }
    const configuration: ManifestFile[] = [];
    let configurationBytes = 0;
    for (const file of body.configuration) {
      const { ref, stats } = await writeWhole(session, to.blockSize, await readWhole(from, file.content));
      configurationBytes += stats.newBytes;
      readBytes += ref.size;
      configuration.push({ ...file, content: ref });
    }
    const copiedBody: ManifestBody = {
      ...body,
      disks,
      configuration,
      configurationBytes,
      copiedFrom: originOf(body, from, to),
    };
    const { id, group, createdAt, sequence } = manifest;
    const contents = [...disks.map((disk) => disk.content), ...configuration.map((file) => file.content)].filter(
      (content): content is ContentRef => content !== null,
    );
    // In the target it has the place that it has in the source, among whatever else is there.
    const place = sequence === undefined ? {} : { sequence };
    const envelope = { id, group, createdAt, ...place, contents, body: copiedBody };
    const { manifestBytes, indexBytes } = await session.publish(envelope, { revive: copier.revive });
    const newBytes = disks.reduce((sum, disk) => sum + (disk.content ? disk.newBytes : 0), configurationBytes);
    return {
      copied: { manifest: envelope, body: copiedBody },
      basePointId,
      readBytes,
      newBytes: newBytes + manifestBytes + indexBytes,
    };
  } finally {
    await session.close();
  }
}

/** What comes home is no copy: the host it was made on may build on it. */
function originOf(body: ManifestBody, from: Repository, to: Repository): ManifestBody['copiedFrom'] {
  if (from.id === to.id) return body.copiedFrom;
  if (body.copiedFrom?.repositoryId === to.id) return undefined;
  return { repositoryId: from.id, location: from.location, copiedAt: new Date().toISOString() };
}

/** Over the first base that serves; one that was removed from the target meanwhile, or is damaged, does not. */
async function copyDisk(
  { from, to, context }: PointCopier,
  session: WriteSession,
  { body }: Point,
  disk: ManifestDisk,
  bases: readonly CopiedPoint[],
) {
  const progress = (doneBytes: number, totalBytes: number) =>
    context.progress?.({ phase: 'copy', vmName: body.vm.name, disk: disk.index, doneBytes, totalBytes });
  const copy = (base: SharedContent | null) =>
    copyContent(from, session, to.blockSize, disk.content!, base, { signal: context.signal, progress });
  const base = await findShared({ from, to }, disk, bases);
  if (base) {
    try {
      return { ...(await copy(base.shared)), basePointId: base.candidate.source.manifest.id };
    } catch (error) {
      if (!isHvError(error, 'POINT_NOT_FOUND', 'REPOSITORY_DAMAGED')) throw error;
    }
  }
  return { ...(await copy(null)), basePointId: null };
}

/** As the repository has it: the listing it was chosen from may come from a catalog. */
async function storedPoint(repository: Repository, { manifest }: Point): Promise<Point> {
  return checkedPoint(await repository.readStored(manifest));
}

/** The first base that has the disk. One that was removed meanwhile, or cannot be read, is none. */
async function findShared(
  { from, to }: Pick<PointCopier, 'from' | 'to'>,
  disk: ManifestDisk,
  bases: readonly CopiedPoint[],
): Promise<{ candidate: CopiedPoint; shared: SharedContent } | null> {
  for (const candidate of bases) {
    if (sharedDisk(candidate, disk) === null) continue;
    try {
      const [source, target] = [await storedPoint(from, candidate.source), await storedPoint(to, candidate.target)];
      const shared = sharedDisk({ source, target }, disk);
      if (shared !== null) return { candidate, shared };
    } catch (error) {
      if (!isHvError(error, 'FILE_NOT_FOUND', 'REPOSITORY_DAMAGED', 'REPOSITORY_VERSION')) throw error;
    }
  }
  return null;
}

/** The disk in a restore point that both have; null when it is not in it, or had another size. */
function sharedDisk({ source, target }: CopiedPoint, disk: ManifestDisk): SharedContent | null {
  const contentIn = ({ body }: Point) =>
    body.disks.find((entry) => entry.id === disk.id && entry.size === disk.size)?.content ?? null;
  const [there, here] = [contentIn(source), contentIn(target)];
  return there && here && there.size === here.size ? { source: there, target: here } : null;
}
