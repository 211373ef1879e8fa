/** Copying restore points between repositories. */
import * as z from 'zod';
import { Compression } from './backup.ts';
import {
  ByteCount,
  DurationMs,
  Passphrase,
  PointSelector,
  RateLimit,
  RepositoryLocation,
  Timestamp,
} from './common.ts';
import { ErrorObject } from './errors.ts';
import { storageRetries } from './storage-retries.ts';
import { Guid } from './vm.ts';

export const CopyPointsParams = z.strictObject({
  repository: RepositoryLocation.describe('The repository to copy from.'),
  passphrase: Passphrase.optional().describe('Passphrase of the repository to copy from, when it is encrypted.'),
  to: RepositoryLocation.describe('The repository to copy to; it must exist. Block size and encryption may differ.'),
  toPassphrase: Passphrase.optional().describe('Passphrase of the repository to copy to, when it is encrypted.'),
  point: PointSelector.optional().describe('Only this restore point; all when absent.'),
  vm: z.string().min(1).optional().describe('Only restore points of the VM of this name (case-insensitive) or id.'),
  compression: Compression.default('default').describe('How hard new blocks are compressed.'),
  limitRate: RateLimit.optional().describe(
    'Read at most so many bytes a second from the repository; no limit when absent.',
  ),
});

export const CopiedPointResult = z
  .object({
    id: z.string().describe('Id of the restore point, the same in both.'),
    vmId: Guid.optional().describe('Id of its VM; absent when the restore point cannot be read.'),
    vmName: z.string().describe('Name of its VM at the time of the backup; empty when it cannot be read.'),
    createdAt: Timestamp.describe('When the content was frozen, UTC.'),
    action: z
      .enum(['copied', 'healed', 'skipped', 'failed'])
      .describe(
        'What was done; `healed`: it was there already, and what was damaged or missing of it was stored again.',
      ),
    reason: z.string().optional().describe('Why it was skipped or healed.'),
    error: ErrorObject.optional().describe('Why it failed.'),
    basePointId: z
      .string()
      .optional()
      .describe('Restore point that both had and that only the difference to was read; absent when it was read whole.'),
    readBytes: ByteCount.describe('Bytes of disks and configuration read, decoded.'),
    newBytes: ByteCount.describe('Bytes stored in the target: data, block maps and metadata.'),
  })
  .meta({ id: 'CopiedPointResult' });

export const CopyPointsResult = z.object({
  points: z.array(CopiedPointResult).describe('One entry a restore point, oldest first.'),
  copied: z.number().int().nonnegative().describe('Restore points copied.'),
  healed: z
    .number()
    .int()
    .nonnegative()
    .describe('Restore points that were there already, and got back what was damaged or missing.'),
  skipped: z.number().int().nonnegative().describe('Restore points that are there already, or were removed there.'),
  failed: z.number().int().nonnegative().describe('Restore points that could not be copied.'),
  readBytes: ByteCount.describe('Bytes of disks and configuration read, decoded.'),
  newBytes: ByteCount.describe('Bytes stored in the target.'),
  ...storageRetries,
  durationMs: DurationMs.describe('Duration, ms.'),
});

export type CopyPointsParams = z.infer<typeof CopyPointsParams>;
export type CopiedPointResult = z.infer<typeof CopiedPointResult>;
export type CopyPointsResult = z.infer<typeof CopyPointsResult>;
