/** Backing up one VM: one call, one restore point. */
import * as z from 'zod';
import { BackupDiskResult } from './backup-disk.ts';
import {
  BackupKind,
  ByteCount,
  DiskIndex,
  DurationMs,
  OfHost,
  OfReading,
  OfRepository,
  RateLimit,
  ReadMode,
  VmSelector,
  Warnings,
} from './common.ts';
import { ErrorObject } from './errors.ts';
import { storageRetries } from './storage-retries.ts';
import { Consistency, Guid } from './vm.ts';

export const Compression = z.enum(['fast', 'default', 'strong']);
export type Compression = z.infer<typeof Compression>;

export const BackupVmParams = z.strictObject({
  ...OfHost,
  vm: VmSelector,
  ...OfRepository,
  mode: z
    .enum(['auto', 'full', 'incremental'])
    .default('auto')
    .describe(
      '`auto` and `incremental` read what changed since the newest usable restore point, and a disk without one in ' +
        'full, with the reason in the result; `full` reads every disk in full.',
    ),
  kind: BackupKind.default('vm').describe('`vm`: configuration and disks; `data`: disks alone.'),
  consistency: Consistency.default('application').describe(
    '`application`: the guest quiesces its applications first; `crash`: as if power had been cut.',
  ),
  allowCrashConsistent: z
    .boolean()
    .default(false)
    .describe('Where application consistency cannot be reached, take a crash-consistent restore point, and report it.'),
  guestBackup: z
    .enum(['full', 'copy'])
    .optional()
    .describe('Type of backup requested from the guest: `full` lets its applications truncate logs, `copy` does not.'),
  excludeDisks: z.array(DiskIndex).default([]).describe('Indexes of disks that are left out, from 0.'),
  compression: Compression.default('default').describe('How hard new blocks are compressed.'),
  hold: z.boolean().default(false).describe('Hold the new restore point: it is not removed until it is released.'),
  limitRate: RateLimit.optional().describe('Read at most so many bytes a second from the disks; no limit when absent.'),
  ...OfReading,
});

export const BackupVmsParams = BackupVmParams.omit({ vm: true }).extend({
  vms: z
    .array(VmSelector)
    .max(10_000)
    .default([])
    .describe('The VMs: names or ids. All VMs of the host when none is given.'),
  limitRate: RateLimit.optional().describe(
    'Read at most so many bytes a second from the disks of all VMs together; no limit when absent.',
  ),
  parallel: z.number().int().min(1).max(64).default(1).describe('Back up so many VMs at once.'),
});

export const BackupVmResult = z
  .object({
    restorePointId: z.string().describe('Id of the new restore point.'),
    vmId: Guid.describe('Id of the VM.'),
    vmName: z.string().describe('Name of the VM.'),
    kind: BackupKind.describe('`vm`: configuration and disks; `data`: disks alone.'),
    mode: ReadMode.describe('`incremental` when at least one disk was read incrementally.'),
    consistency: Consistency.describe('The consistency that was reached.'),
    createdAt: z.iso.datetime().describe('When the content was frozen, UTC.'),
    metadataBytes: ByteCount.describe('Bytes stored beside the disks: configuration files, manifest and indexes.'),
    durationMs: DurationMs.describe('Duration, ms.'),
    ...storageRetries,
    warnings: Warnings,
    disks: z.array(BackupDiskResult).describe('One entry a disk, by index.'),
  })
  .meta({ id: 'BackupVmResult' });

export const FailedVm = z
  .object({
    vmName: z.string().describe('Name of the VM, or how it was asked for.'),
    vmId: Guid.optional().describe('Id of the VM, where known.'),
    error: ErrorObject.describe('Why it was not backed up.'),
  })
  .meta({ id: 'FailedVm' });

export const BackupVmsResult = z.object({
  results: z
    .array(z.union([BackupVmResult, FailedVm]))
    .describe('One entry a VM, in the order asked for; VMs that were not begun when it was cancelled have none.'),
  asked: z.number().int().nonnegative().describe('Number of VMs that were to be backed up.'),
  ...storageRetries,
});

export type FailedVm = z.infer<typeof FailedVm>;
export type BackupVmsParams = z.infer<typeof BackupVmsParams>;
export type BackupVmsResult = z.infer<typeof BackupVmsResult>;
export type BackupVmParams = z.infer<typeof BackupVmParams>;
export type BackupVmResult = z.infer<typeof BackupVmResult>;
