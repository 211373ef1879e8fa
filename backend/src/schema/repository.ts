/** Repositories as a whole: create, prune, statistics. Check and verify are in verify.ts. */
import * as z from 'zod';
import { BlockedPoints } from './blocked.ts';
import {
  ByteCount,
  OfRepository,
  OverrideDoubt,
  Passphrase,
  RepositoryLocation,
  Timestamp,
  Warnings,
} from './common.ts';
import { storageRetries } from './storage-retries.ts';
import { Guid } from './vm.ts';

export const RepositoryInfo = z
  .object({
    id: z.string().describe('Id of the repository.'),
    location: z.string().describe('Absolute path of its folder.'),
    blockSize: ByteCount.describe('Size of its blocks, bytes; a power of two.'),
    formatVersion: z.number().int().describe('Version of its format.'),
    encrypted: z.boolean().describe('Whether it is encrypted: then every command needs a passphrase.'),
    createdAt: Timestamp.describe('When it was created, UTC.'),
  })
  .meta({ id: 'RepositoryInfo' });

export const CreateRepositoryParams = z.strictObject({
  location: RepositoryLocation.describe('Folder of the new repository; created when missing, otherwise empty.'),
  blockSize: z
    .number()
    .int()
    .min(64 * 1024)
    .max(4 * 1024 * 1024)
    .refine((value) => Number.isInteger(Math.log2(value)), 'must be a power of two')
    .optional()
    .describe('Size of blocks, bytes: a power of two from 65536 to 4194304; a measured default when absent.'),
  passphrase: Passphrase.optional().describe(
    'Makes it an encrypted repository. Without the passphrase it can never be read again: there is no other way to open it.',
  ),
});
export const CreateRepositoryResult = z.object({ repository: RepositoryInfo.describe('The new repository.') });

const keep = (what: string) => z.number().int().min(0).max(1_000_000).optional().describe(`Keep ${what}.`);

export const RepositoryKey = z
  .object({
    id: z.string().describe('Id of the key.'),
    createdAt: Timestamp.nullable().describe('When it was added, UTC; null when its object cannot be read.'),
    label: z.string().describe('For people: who, where.'),
    current: z.boolean().describe('Whether the passphrase that was given is this one.'),
    problem: z.string().optional().describe('What is wrong with its object; absent when nothing is.'),
  })
  .meta({ id: 'RepositoryKey' });

export const ListKeysParams = z.strictObject({ ...OfRepository });
export const ListKeysResult = z.object({ keys: z.array(RepositoryKey).describe('The keys, oldest first.') });
export const AddKeyParams = z.strictObject({
  ...OfRepository,
  newPassphrase: Passphrase.describe('The passphrase to add. Not kept and not logged.'),
  label: z.string().max(200).optional().describe('For people: who, where; name of this machine when absent.'),
});
export const AddKeyResult = z.object({ key: RepositoryKey.describe('The new key.') });
export const RemoveKeyParams = z.strictObject({
  ...OfRepository,
  key: z
    .string()
    .min(4)
    .max(32)
    .describe('Id of the key, or a prefix of it (4 characters or more) that no other one has.'),
});
export const RemoveKeyResult = z.object({ id: z.string().describe('Id of the key that was removed.') });

export const AcceptRemovedParams = z.strictObject({ ...OfRepository });
export const AcceptRemovedResult = z.object({
  points: z
    .array(
      z.object({
        id: z.string().describe('Id of the restore point.'),
        vmName: z.string().describe('Name of its VM.'),
        createdAt: Timestamp.describe('When its content was frozen, UTC.'),
        state: z
          .enum(['gone', 'back'])
          .describe('`gone`: missing without a tombstone; `back`: there again after its removal.'),
      }),
    )
    .describe('Restore points that this machine takes as they are from now on.'),
});

export const PruneRepositoryParams = z.strictObject({
  ...OfRepository,
  keepLast: keep('so many of the newest restore points of each VM'),
  keepHourly: keep('the newest restore point of each of so many hours that have one'),
  keepDaily: keep('the newest restore point of each of so many days that have one'),
  keepWeekly: keep('the newest restore point of each of so many ISO weeks that have one'),
  keepMonthly: keep('the newest restore point of each of so many months that have one'),
  keepYearly: keep('the newest restore point of each of so many years that have one'),
  vm: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Apply the keep rules to the VM of this name (case-insensitive) or id only; others are left as they are.',
    ),
  dryRun: z.boolean().default(false).describe('Remove nothing; only report what would be removed and freed.'),
  overrideDoubt: OverrideDoubt,
});

export const RetentionDecision = z
  .object({
    id: z.string().describe('Id of the restore point.'),
    vmId: Guid.describe('Id of its VM.'),
    vmName: z.string().describe('Name of its VM at the time of the backup.'),
    createdAt: Timestamp.describe('When the content was frozen, UTC.'),
    action: z.enum(['keep', 'remove']).describe('What was done with it (with dryRun: would be).'),
    reasons: z
      .array(z.string())
      .describe(
        'Why it is kept: `hold`, `future` (its date), `undated`, `newest` (of its VM, the others left aside), `last`, `hourly 2026-11-20 14:00+01:00`, `daily 2026-11-20`, ' +
          '`weekly 2026-W47`, `monthly 2026-11`, `yearly 2026`; in the time zone of this machine. None when it is removed.',
      ),
  })
  .meta({ id: 'RetentionDecision' });

export const PruneRepositoryResult = z.object({
  points: z
    .array(RetentionDecision)
    .describe('What the keep rules decide for each restore point, by VM, oldest first; none without keep rules.'),
  removed: z.number().int().nonnegative().describe('Restore points removed (with dryRun: that would be).'),
  freedBytes: ByteCount.describe('Bytes freed now (with dryRun: that would be).'),
  pendingBytes: ByteCount.describe('Bytes that a later prune will free, because another session is active.'),
  packsDeleted: z.number().int().nonnegative().describe('Packs deleted.'),
  packsRewritten: z.number().int().nonnegative().describe('Packs of which the part in use was stored anew.'),
  blocked: BlockedPoints,
  ...storageRetries,
  dryRun: z.boolean().describe('Whether nothing was changed.'),
  warnings: Warnings,
});

export const RepositoryStatsParams = z.strictObject({ ...OfRepository });
export const RepositoryStatsResult = RepositoryInfo.extend({
  points: z.number().int().nonnegative().describe('Number of restore points.'),
  vms: z.number().int().nonnegative().describe('Number of VMs that have restore points.'),
  logicalBytes: ByteCount.describe('Virtual sizes of the disks of all restore points, summed, bytes.'),
  packs: z.number().int().nonnegative().describe('Number of packs.'),
  packBytes: ByteCount.describe('Bytes in packs: blockPackBytes, nodePackBytes and unindexedPackBytes.'),
  blockPackBytes: ByteCount.describe('Bytes in packs of blocks.'),
  nodePackBytes: ByteCount.describe('Bytes in packs of block map nodes.'),
  unindexedPackBytes: ByteCount.describe(
    'Bytes in packs that no index names yet: of a backup that runs, or that was interrupted and will be gone on with.',
  ),
  indexBytes: ByteCount.describe('Bytes in indexes.'),
  manifestBytes: ByteCount.describe('Bytes in manifests.'),
  blocks: z.number().int().nonnegative().describe('Number of different blocks stored.'),
  blockBytes: ByteCount.describe('Size of these blocks before compression, bytes.'),
  nodes: z.number().int().nonnegative().describe('Number of block map nodes stored.'),
  compressionRatio: z
    .number()
    .nonnegative()
    .nullable()
    .describe(
      'How many times smaller the blocks are stored than they are: blockBytes by blockPackBytes; null without blocks.',
    ),
});

export type RepositoryInfo = z.infer<typeof RepositoryInfo>;
export type CreateRepositoryParams = z.infer<typeof CreateRepositoryParams>;
export type CreateRepositoryResult = z.infer<typeof CreateRepositoryResult>;
export type RepositoryKey = z.infer<typeof RepositoryKey>;
export type ListKeysParams = z.infer<typeof ListKeysParams>;
export type ListKeysResult = z.infer<typeof ListKeysResult>;
export type AddKeyParams = z.infer<typeof AddKeyParams>;
export type AddKeyResult = z.infer<typeof AddKeyResult>;
export type RemoveKeyParams = z.infer<typeof RemoveKeyParams>;
export type RemoveKeyResult = z.infer<typeof RemoveKeyResult>;
export type AcceptRemovedParams = z.infer<typeof AcceptRemovedParams>;
export type AcceptRemovedResult = z.infer<typeof AcceptRemovedResult>;
export type PruneRepositoryParams = z.infer<typeof PruneRepositoryParams>;
export type PruneRepositoryResult = z.infer<typeof PruneRepositoryResult>;
export type RepositoryStatsParams = z.infer<typeof RepositoryStatsParams>;
export type RepositoryStatsResult = z.infer<typeof RepositoryStatsResult>;
export type RetentionDecision = z.infer<typeof RetentionDecision>;
