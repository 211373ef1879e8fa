/** Exporting disks of a restore point as disk images, on any machine. */
import { mkdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { ImageWriter } from '../disk/device.ts';
import { createQcow2Writer, createRawWriter, createVhdWriter, createVhdxWriter } from '../disk/index.ts';
import type { Repository } from '../repository/port.ts';
import type { ExportedFile, ExportFormat, ExportPointParams, ExportPointResult } from '../schema/export.ts';
import type { ManifestDisk } from '../schema/manifest.ts';
import { HvError, toHvError } from '../support/errors.ts';
import type { OperationContext } from '../support/progress.ts';
import { type Point, readPoint } from './points.ts';
import { selectDisks } from './restore.ts';
import { withRepository } from './with.ts';
import { writeDisk } from './write-disk.ts';

/** @throws POINT_NOT_FOUND, FILE_EXISTS (nothing is ever overwritten), NOT_SUPPORTED, DISK_FULL, REPOSITORY_DAMAGED */
export async function exportPoint(params: ExportPointParams, context: OperationContext): Promise<ExportPointResult> {
  const clock = performance.now();
  return withRepository(params.repository, async (repository) => {
    const point = await readPoint(repository, params.point);
    const disks = selectDisks(point, params.disks);
    const directory = resolve(params.directory);
    await createDirectory(directory);
    const targets = disks.map((disk) => ({ disk, path: join(directory, imageName(point, disk, params.format)) }));
    for (const { path } of targets) await requireAbsent(path);
    const files: ExportedFile[] = [];
    for (const { disk, path } of targets)
      files.push(await exportDisk(repository, point, disk, path, params.format, context));
    const warnings = point.body.disks
      .filter((disk) => disk.content === null)
      .map((disk) => `Disk ${disk.index} is not in the restore point: ${disk.skipped}.`);
    return {
      restorePointId: point.manifest.id,
      vmName: point.body.vm.name,
      files,
      durationMs: Math.round(performance.now() - clock),
      warnings,
    };
  });
}

async function exportDisk(
  repository: Repository,
  { body }: Point,
  disk: ManifestDisk,
  path: string,
  format: ExportFormat,
  context: OperationContext,
): Promise<ExportedFile> {
  const writer = await openWriter(
    path,
    format,
    disk,
    body.vm.disks.find((entry) => entry.index === disk.index),
  );
  const about = { phase: 'export', vmName: body.vm.name, disk: disk.index };
  const writtenBytes = await writeDisk(repository, disk.content!, writer, context, about);
  const fileSize = (await stat(path)).size;
  return { disk: disk.index, path, format, size: disk.size, fileSize, writtenBytes };
}

type Hardware = Point['body']['vm']['disks'][number] | undefined;

async function openWriter(
  path: string,
  format: ExportFormat,
  disk: ManifestDisk,
  hardware: Hardware,
): Promise<ImageWriter> {
  switch (format) {
    case 'raw':
      return createRawWriter(path, { size: disk.size });
    case 'vhdx':
      return createVhdxWriter(path, {
        size: disk.size,
        blockSize: hardware?.blockSize,
        logicalSectorSize: hardware?.logicalSectorSize,
        physicalSectorSize: hardware?.physicalSectorSize,
      });
    case 'vhd':
      requireSmallSectors(disk, hardware);
      return createVhdWriter(path, { size: disk.size, type: 'dynamic' });
    case 'qcow2':
      return createQcow2Writer(path, { size: disk.size });
  }
}

/** A VHD has sectors of 512 bytes only: the guest would find its partitions at other addresses. */
function requireSmallSectors(disk: ManifestDisk, hardware: Hardware): void {
  if (hardware === undefined || hardware.logicalSectorSize === 512) return;
  throw new HvError(
    'NOT_SUPPORTED',
    `Disk ${disk.index} has sectors of ${hardware.logicalSectorSize} bytes; a VHD has sectors of 512 bytes.`,
    { advice: 'Export it as vhdx.', data: { disk: disk.index, logicalSectorSize: hardware.logicalSectorSize } },
  );
}

/** `<vm>-disk<index>.<format>`: what no file system accepts in a name is replaced. */
function imageName({ body }: Point, disk: ManifestDisk, format: ExportFormat): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must go.
  const safe = body.vm.name.replace(/[<>:"/\\|?*\u0000-\u001f]/g, '_').replace(/[. ]+$/, '_');
  return `${safe.slice(0, 80)}-disk${disk.index}.${format}`;
}

async function createDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw toHvError(error, path);
  }
}

async function requireAbsent(path: string): Promise<void> {
  const there = await stat(path).catch(() => null);
  if (there === null) return;
  throw new HvError('FILE_EXISTS', `The file exists already: ${path}.`, {
    advice: 'Remove it, or export to another folder.',
    data: { path },
  });
}
