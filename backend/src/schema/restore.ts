/** Restoring a restore point as a VM of a host. */
import * as z from 'zod';
import {
  BackupKind,
  ByteCount,
  DiskIndex,
  DurationMs,
  HostUri,
  OfHost,
  OfRepository,
  PointSelector,
  RateLimit,
  Warnings,
} from './common.ts';
import { AllowHoles, holeFields } from './holes.ts';
import { storageRetries } from './storage-retries.ts';
import { Guid, VmNetworkAdapter } from './vm.ts';

const SwitchMapping = z
  .strictObject({
    from: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Network adapters that were connected to this virtual switch when the backup was made; all others when absent.',
      ),
    to: z.string().min(1).describe('Virtual switch of the host that they are connected to: its name, or its id.'),
  })
  .meta({ id: 'SwitchMapping' });

export const RestorePointParams = z.strictObject({
  ...OfRepository,
  point: PointSelector,
  ...OfHost,
  host: HostUri.describe('The host that gets the VM: `sim:DIR`, `hyperv:` or `hyperv:SERVER`.'),
  name: z.string().min(1).max(100).optional().describe('Name of the restored VM; the original one when absent.'),
  newId: z.boolean().default(false).describe('Give the VM a new id, so that it can stand beside the original.'),
  replace: z.boolean().default(false).describe('Replace the VM of the same id; never while it runs.'),
  kind: BackupKind.optional().describe(
    '`vm`: import its configuration; `data`: define it anew from its description. Absent: what the restore point is.',
  ),
  switches: z
    .array(SwitchMapping)
    .optional()
    .describe('What network adapters are connected to; those that are not mapped stay disconnected.'),
  disks: z.array(DiskIndex).optional().describe('Only these disks, from 0; all when absent.'),
  limitRate: RateLimit.optional().describe(
    'Read at most so many bytes a second from the repository; no limit when absent.',
  ),
  allowHoles: AllowHoles,
});

export const RestoredDisk = z
  .object({
    index: DiskIndex.describe('Index of the disk, from 0.'),
    path: z.string().describe('Path of the disk image on the host.'),
    size: ByteCount.describe('Virtual size, bytes.'),
    writtenBytes: ByteCount.describe('Bytes of content written; the rest is zeros.'),
  })
  .meta({ id: 'RestoredDisk' });

export const RestorePointResult = z.object({
  restorePointId: z.string().describe('Id of the restore point that was restored.'),
  vmId: Guid.describe('Id of the restored VM.'),
  vmName: z.string().describe('Name of the restored VM.'),
  host: z.string().describe('Address of its host.'),
  kind: BackupKind.describe('How it was restored.'),
  replaced: z.boolean().describe('Whether an existing VM was replaced.'),
  disks: z.array(RestoredDisk).describe('Its disks.'),
  networkAdapters: z
    .array(VmNetworkAdapter)
    .describe('Its network adapters, and the virtual switch each is connected to, if any.'),
  ...holeFields,
  ...storageRetries,
  durationMs: DurationMs.describe('Duration, ms.'),
  warnings: Warnings,
});

export type RestorePointParams = z.infer<typeof RestorePointParams>;
export type RestoredDisk = z.infer<typeof RestoredDisk>;
export type RestorePointResult = z.infer<typeof RestorePointResult>;
