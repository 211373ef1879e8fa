/** Exporting disks of a restore point as disk images. */
import * as z from 'zod';
import { ByteCount, DiskIndex, DurationMs, OfRepository, PointSelector, RateLimit, Warnings } from './common.ts';
import { AllowHoles, holeFields } from './holes.ts';
import { storageRetries } from './storage-retries.ts';

export const ExportFormat = z.enum(['vhdx', 'vhd', 'raw', 'qcow2']);
export type ExportFormat = z.infer<typeof ExportFormat>;

export const ExportPointParams = z.strictObject({
  ...OfRepository,
  point: PointSelector,
  directory: z.string().min(1).describe('Folder for the images; created when missing.'),
  format: ExportFormat.describe('Format of the images.'),
  subformat: z
    .enum(['fixed', 'dynamic'])
    .optional()
    .describe('How a VHD holds its content, `dynamic` when absent; format `vhd` only.'),
  azure: z
    .boolean()
    .default(false)
    .describe('Write what Azure takes: a fixed VHD, its size rounded up to whole MiB; format `vhd` only.'),
  disks: z.array(DiskIndex).optional().describe('Only these disks, from 0; all when absent.'),
  base: PointSelector.optional().describe(
    'Write only what differs from this restore point, as differencing disks (AVHDX) over its images, which must lie in ' +
      'the same folder as this method wrote them; format `vhdx` only.',
  ),
  limitRate: RateLimit.optional().describe(
    'Read at most so many bytes a second from the repository; no limit when absent.',
  ),
  allowHoles: AllowHoles,
});

export const ExportedFile = z
  .object({
    disk: DiskIndex.describe('Index of the disk, from 0.'),
    path: z.string().describe('Absolute path of the image.'),
    format: ExportFormat.describe('Format of the image.'),
    size: ByteCount.describe('Virtual size, bytes.'),
    fileSize: ByteCount.describe('Length of the image file, bytes.'),
    writtenBytes: ByteCount.describe('Bytes of content written; the rest is zeros, or the parent has it.'),
    parent: z.string().optional().describe('Absolute path of the parent image of a differencing disk.'),
  })
  .meta({ id: 'ExportedFile' });

export const ExportPointResult = z.object({
  restorePointId: z.string().describe('Id of the restore point that was exported.'),
  vmName: z.string().describe('Name of its VM.'),
  files: z.array(ExportedFile).describe('The images written, by disk.'),
  ...holeFields,
  ...storageRetries,
  durationMs: DurationMs.describe('Duration, ms.'),
  warnings: Warnings,
});

export type ExportPointParams = z.infer<typeof ExportPointParams>;
export type ExportedFile = z.infer<typeof ExportedFile>;
export type ExportPointResult = z.infer<typeof ExportPointResult>;
