/** Exporting disks of a restore point as disk images, on any machine. */
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { ContentRef } from '../../repository/port/contents.ts';
import type { Repository } from '../../repository/port/repository.ts';
import type { ExportedFile, ExportFormat, ExportPointParams, ExportPointResult } from '../../schema/export.ts';
import type { ManifestDisk } from '../../schema/manifest.ts';
import { HvError } from '../../support/errors.ts';
import { PRIVATE_FOLDER } from '../../support/file.ts';
import { makeFolder } from '../../support/make-folder.ts';
import type { OperationContext } from '../../support/progress.ts';
import { rateLimiter } from '../../support/rate-limiter.ts';
import { removeDeadTemporaries } from '../../support/temporary-files.ts';
import { contentNeed } from '../data/content-need.ts';
import { type Image, requireRoom } from '../data/target-room.ts';
import { writeDisk } from '../data/write-disk.ts';
import { HoleReport, namingDamage } from '../points/holes.ts';
import type { Point } from '../points/point.ts';
import { openPointDisk } from '../points/point-disk.ts';
import { readPoint } from '../points/points.ts';
import { whileReading } from '../points/reading.ts';
import { selectDisks } from '../restore/restore.ts';
import { withContent } from '../with.ts';
import { baseContent, findImage, writeDifference } from './export-difference.ts';
import { checkFormat, formatWarnings, imageSize, isFullLength, openWriter } from './export-format.ts';

/** One image to write. */
interface Target {
  disk: ManifestDisk;
  path: string;
  /** Set for a differencing image. */
  base?: { content: ContentRef; image: string };
}

/**
 * @throws POINT_NOT_FOUND, FILE_EXISTS (nothing is ever overwritten), NOT_SUPPORTED, DISK_FULL, FILE_TOO_LARGE,
 *   DISK_PARENT_MISSING (base), REPOSITORY_DAMAGED
 */
export async function exportPoint(params: ExportPointParams, context: OperationContext): Promise<ExportPointResult> {
  const clock = performance.now();
  checkFormat(params);
  return withContent(
    params,
    context,
    async (repository) => {
      const point = await readPoint(repository, params.point);
      const directory = resolve(params.directory);
      const base = params.base === undefined ? undefined : await readPoint(repository, params.base);
      const files: ExportedFile[] = [];
      const holes = new HoleReport();
      const warnings = point.body.disks
        .filter((disk) => disk.content === null)
        .map((disk) => `Disk ${disk.index} is not in the restore point: ${disk.skipped}.`);
      await whileReading(repository, base ? [point, base] : [point], 'export', context, async () => {
        const targets = await planTargets(repository, point, base, directory, params, context, warnings);
        warnings.push(...targets.flatMap(({ disk }) => formatWarnings(point, disk, params)));
        for (const target of targets) files.push(await exportDisk(repository, point, target, params, context, holes));
      });
      return {
        restorePointId: point.manifest.id,
        vmName: point.body.vm.name,
        files,
        ...holes.result,
        durationMs: Math.round(performance.now() - clock),
        warnings,
      };
    },
    { limiter: rateLimiter(params.limitRate), signal: context.signal },
  );
}

/** All that can be refused is refused before the first byte is written. */
async function planTargets(
  repository: Repository,
  point: Point,
  base: Point | undefined,
  directory: string,
  params: ExportPointParams,
  context: OperationContext,
  warnings: string[],
): Promise<Target[]> {
  const disks = selectDisks(point, params.disks);
  await makeFolder(directory, PRIVATE_FOLDER);
  const targets: Target[] = [];
  for (const disk of disks) {
    const path = join(directory, imageName(point, disk, base ? 'avhdx' : params.format));
    // What a killed export left goes first: its room counts.
    await removeDeadTemporaries(path);
    await requireAbsent(path);
    const content = base && baseContent(base, disk);
    const image = content && (await findImage(directory, content, base.manifest.id));
    targets.push({ disk, path, base: content && image ? { content, image } : undefined });
  }
  const sizes = targets.map((target) =>
    sizeUp(repository, target, params, context).catch((error) => {
      throw namingDamage(error, point, target.disk.index);
    }),
  );
  const advice = 'Free space there, export to another place, or only some of the disks.';
  await requireRoom(directory, await Promise.all(sizes), { advice, warn: (message) => warnings.push(message) });
  return targets;
}

async function sizeUp(
  repository: Repository,
  { disk, path, base }: Target,
  params: ExportPointParams,
  { signal }: OperationContext,
): Promise<Image> {
  const { allowHoles } = params;
  const need = await contentNeed(repository, disk.content!, { base: base?.content, allowHoles, signal });
  return { ...need, path, fileBytes: isFullLength(params) ? imageSize(disk, params) : need.most };
}

async function exportDisk(
  repository: Repository,
  point: Point,
  { disk, path, base }: Target,
  params: ExportPointParams,
  context: OperationContext,
  holes: HoleReport,
): Promise<ExportedFile> {
  const { body } = point;
  const { format, allowHoles } = params;
  const onHole = allowHoles ? (offset: number, length: number) => holes.add(disk.index, offset, length) : undefined;
  const about = { phase: 'export', vmName: body.vm.name, disk: disk.index };
  let writtenBytes: number;
  try {
    const source = await openPointDisk(repository, point, disk);
    try {
      if (base) {
        const target = { path, parent: base.image };
        writtenBytes = await writeDifference(repository, base.content, source, target, context, about, onHole);
      } else {
        const writer = await openWriter(path, params, point, disk);
        writtenBytes = await writeDisk(source, writer, context, about, onHole);
      }
    } finally {
      await source.close();
    }
  } catch (error) {
    throw namingDamage(error, point, disk.index);
  }
  const fileSize = (await stat(path)).size;
  return { disk: disk.index, path, format, size: imageSize(disk, params), fileSize, writtenBytes, parent: base?.image };
}

/** `<vm>-disk<index>.<format>`, a difference with its point's id: what no file system accepts in a name is replaced. */
function imageName({ manifest, body }: Point, disk: ManifestDisk, extension: ExportFormat | 'avhdx'): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must go.
  const safe = body.vm.name.replace(/[<>:"/\\|?*\u0000-\u001f]/g, '_').replace(/[. ]+$/, '_');
  const difference = extension === 'avhdx' ? `-${manifest.id}` : '';
  return `${safe.slice(0, 80)}-disk${disk.index}${difference}.${extension}`;
}

async function requireAbsent(path: string): Promise<void> {
  const there = await stat(path).catch(() => null);
  if (there === null) return;
  throw new HvError('FILE_EXISTS', `The file exists already: ${path}.`, {
    advice: 'Remove it, or export to another folder.',
    data: { path },
  });
}
