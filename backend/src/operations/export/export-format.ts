/** The image formats of exports: which options go with which, the writer of each, and what a format leaves out. */
import type { ImageWriter } from '../../disk/device.ts';
import { createQcow2Writer, createRawWriter, createVhdWriter, createVhdxWriter } from '../../disk/index.ts';
import type { ExportPointParams } from '../../schema/export.ts';
import type { ManifestDisk } from '../../schema/manifest.ts';
import type { VmDisk } from '../../schema/vm.ts';
import { HvError } from '../../support/errors.ts';
import type { Point } from '../points/point.ts';
import { hardwareOf } from '../points/point-disk.ts';
import { imageIdentity } from './export-difference.ts';

const MIB = 1024 * 1024;

/** What the caller asked the images to be. */
export type Wanted = Pick<ExportPointParams, 'format' | 'subformat' | 'azure' | 'base'>;

/** @throws USAGE for options that contradict each other, NOT_SUPPORTED for a difference in another format than VHDX */
export function checkFormat({ format, subformat, azure, base }: Wanted): void {
  const wrong = (message: string, advice: string): HvError =>
    new HvError('USAGE', message, { advice, data: { format, subformat, azure } });
  if (base !== undefined && format !== 'vhdx') {
    throw new HvError('NOT_SUPPORTED', `A difference cannot be exported as ${format}.`, {
      advice: 'Export it as vhdx, or without a base.',
      data: { format },
    });
  }
  if (azure && format !== 'vhd') throw wrong('Azure takes VHD images only.', 'Choose the format vhd.');
  if (azure && subformat === 'dynamic') throw wrong('Azure takes fixed VHD images only.', 'Leave out the subformat.');
  if (subformat !== undefined && format !== 'vhd')
    throw wrong(
      `A ${format} image is neither fixed nor dynamic here.`,
      'Choose the format vhd, or leave out the subformat.',
    );
}

/** A fixed VHD has the length of its disk, as a raw image has. */
export const isFullLength = ({ format, subformat, azure }: Wanted): boolean =>
  format === 'raw' || azure || subformat === 'fixed';

/** Virtual size of the image, bytes: whole sectors for a VHD, whole MiB for Azure. */
export function imageSize({ size }: ManifestDisk, { format, azure }: Wanted): number {
  const unit = azure ? MIB : format === 'vhd' ? 512 : 1;
  return Math.ceil(size / unit) * unit;
}

/** What a person should know of the image of this disk. */
export function formatWarnings(point: Point, disk: ManifestDisk, wanted: Wanted): string[] {
  const warnings: string[] = [];
  const size = imageSize(disk, wanted);
  if (wanted.azure && size > disk.size)
    warnings.push(
      `The image of disk ${disk.index} was rounded up from ${disk.size} to ${size} bytes (whole MiB, as Azure asks); what was added is zeros.`,
    );
  const sector = hardwareOf(point, disk)?.logicalSectorSize ?? 512;
  if (sector !== 512 && (wanted.format === 'raw' || wanted.format === 'qcow2'))
    warnings.push(
      `Disk ${disk.index} has sectors of ${sector} bytes, and a ${wanted.format} image does not record that: attach it with sectors of ${sector} bytes (QEMU: logical_block_size=${sector}), or its partitions are not found.`,
    );
  return warnings;
}

/**
 * @throws NOT_SUPPORTED for a disk that the format cannot hold, FILE_EXISTS, FILE_TOO_LARGE, DISK_FULL, ACCESS_DENIED
 */
export async function openWriter(path: string, wanted: Wanted, point: Point, disk: ManifestDisk): Promise<ImageWriter> {
  const hardware = hardwareOf(point, disk);
  switch (wanted.format) {
    case 'raw':
      return createRawWriter(path, { size: disk.size });
    case 'vhdx':
      return createVhdxWriter(path, {
        size: disk.size,
        blockSize: hardware?.blockSize,
        logicalSectorSize: hardware?.logicalSectorSize,
        physicalSectorSize: hardware?.physicalSectorSize,
        dataWriteGuid: imageIdentity(disk.content!),
      });
    case 'vhd':
      requireSmallSectors(disk, hardware);
      return createVhdWriter(path, {
        size: imageSize(disk, wanted),
        type: isFullLength(wanted) ? 'fixed' : 'dynamic',
        azure: wanted.azure,
      });
    case 'qcow2':
      return createQcow2Writer(path, { size: disk.size });
  }
}

/** A VHD has sectors of 512 bytes only: the guest would find its partitions at other addresses. */
function requireSmallSectors(disk: ManifestDisk, hardware: VmDisk | undefined): void {
  if (hardware === undefined || hardware.logicalSectorSize === 512) return;
  throw new HvError(
    'NOT_SUPPORTED',
    `Disk ${disk.index} has sectors of ${hardware.logicalSectorSize} bytes; a VHD has sectors of 512 bytes.`,
    { advice: 'Export it as vhdx.', data: { disk: disk.index, logicalSectorSize: hardware.logicalSectorSize } },
  );
}
