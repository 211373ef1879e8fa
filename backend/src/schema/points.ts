/** Restore points of a repository: list, show, remove. */
import * as z from 'zod';
import { BackupDiskResult } from './backup-disk.ts';
import { BlockedPoints } from './blocked.ts';
import {
  BackupKind,
  ByteCount,
  OfRepository,
  OverrideDoubt,
  PointSelector,
  ReadMode,
  Timestamp,
  Warnings,
} from './common.ts';
import { storageRetries } from './storage-retries.ts';
import { Consistency, Guid, VmDescription } from './vm.ts';

export const PointSummary = z
  .object({
    id: z.string().describe('Id of the restore point; it begins with the time that the clock of its writer showed.'),
    sequence: z
      .number()
      .int()
      .nonnegative()
      .describe(
        'Its place among the restore points: the higher, the newer, whatever clocks said; of equal ones the ids decide.',
      ),
    vmId: Guid.describe('Id of the VM.'),
    vmName: z.string().describe('Name of the VM at the time of the backup.'),
    createdAt: Timestamp.describe('When the content was frozen, UTC.'),
    kind: BackupKind.describe('`vm`: configuration and disks; `data`: disks alone.'),
    mode: ReadMode.describe('How it was read; every restore point is complete on its own.'),
    consistency: Consistency.describe('The consistency that was reached.'),
    size: ByteCount.describe('Virtual sizes of its disks, summed, bytes.'),
    newBytes: ByteCount.optional().describe('Bytes stored for it: data, block maps and metadata.'),
    held: z.boolean().describe('Whether a hold keeps it from being removed.'),
  })
  .meta({ id: 'PointSummary' });

export const PointDisk = BackupDiskResult.omit({ method: true, methodReason: true })
  .extend({
    path: z.string().describe('Path on the host at the time of the backup.'),
    stored: z.boolean().describe('Whether the restore point holds the content of this disk.'),
  })
  .meta({ id: 'PointDisk' });

export const PointDetail = PointSummary.extend({
  host: z.string().describe('Address of the host it was taken from.'),
  metadataBytes: ByteCount.describe(
    'Bytes stored for its configuration files when it was made; 0 when they were stored already. Manifest and indexes come on top.',
  ),
  disks: z.array(PointDisk).describe('Its disks, by index.'),
  configuration: z
    .array(
      z.object({
        name: z.string().describe('File name as Hyper-V gives it.'),
        kind: z.enum(['vmcx', 'vmrs', 'vmgs', 'other']).describe('What the file is.'),
        size: ByteCount.describe('Bytes.'),
      }),
    )
    .describe('Configuration files it holds; none for kind `data`.'),
  vm: VmDescription.describe('The VM as it was at the time of the backup.'),
  warnings: Warnings,
  copiedFrom: z
    .object({
      repositoryId: z.string().describe('Id of the repository it was copied from.'),
      location: z.string().describe('Where that repository was then.'),
      copiedAt: Timestamp.describe('When it was copied, UTC.'),
    })
    .optional()
    .describe('Where it was copied from; absent when it was made here.'),
}).meta({ id: 'PointDetail' });

export const ListPointsParams = z.strictObject({
  ...OfRepository,
  vm: z.string().min(1).optional().describe('Only restore points of the VM of this name (case-insensitive) or id.'),
  cursor: z.string().max(200).optional().describe('`nextCursor` of the page before; the first page when absent.'),
  limit: z.number().int().min(1).max(10_000).default(1000).describe('Largest number of restore points in a page.'),
});
export const ListPointsResult = z.object({
  points: z
    .array(PointSummary)
    .describe('Restore points, oldest first by their sequence; from page to page they go by id.'),
  nextCursor: z.string().optional().describe('Where the next page starts; absent on the last page.'),
  warnings: Warnings.describe(
    'On the first page: what the person should know, such as restore points that are missing.',
  ),
});

export const ShowPointParams = z.strictObject({ ...OfRepository, point: PointSelector });
export const ShowPointResult = z.object({ point: PointDetail.describe('The restore point.') });

export const RemovePointParams = z.strictObject({
  ...OfRepository,
  point: PointSelector,
  overrideDoubt: OverrideDoubt,
});
export const RemovePointResult = z.object({
  pointId: z.string().describe('Id of the restore point that was removed.'),
  blocked: BlockedPoints,
  freedBytes: ByteCount.describe('Bytes freed now.'),
  pendingBytes: ByteCount.describe('Bytes that a later prune will free, because another session is active.'),
  ...storageRetries,
});

export const HoldPointParams = z.strictObject({
  ...OfRepository,
  point: PointSelector,
  release: z.boolean().default(false).describe('Release the hold.'),
});
export const HoldPointResult = z.object({
  pointId: z.string().describe('Id of the restore point.'),
  vmId: Guid.describe('Id of its VM.'),
  vmName: z.string().describe('Name of its VM.'),
  held: z.boolean().describe('Whether it is held now.'),
  changed: z.boolean().describe('Whether that is new.'),
});

export type PointSummary = z.infer<typeof PointSummary>;
export type PointDisk = z.infer<typeof PointDisk>;
export type PointDetail = z.infer<typeof PointDetail>;
export type ListPointsParams = z.infer<typeof ListPointsParams>;
export type ListPointsResult = z.infer<typeof ListPointsResult>;
export type ShowPointParams = z.infer<typeof ShowPointParams>;
export type ShowPointResult = z.infer<typeof ShowPointResult>;
export type RemovePointParams = z.infer<typeof RemovePointParams>;
export type RemovePointResult = z.infer<typeof RemovePointResult>;
export type HoldPointParams = z.infer<typeof HoldPointParams>;
export type HoldPointResult = z.infer<typeof HoldPointResult>;
