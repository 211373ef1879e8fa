/** Check looks at structure; verify reads every byte, or a sample. Damage is a result, not an error. */
import * as z from 'zod';
import {
  ByteCount,
  DiskIndex,
  DurationMs,
  OfRepository,
  Passphrase,
  PointSelector,
  RepositoryLocation,
  Timestamp,
} from './common.ts';
import { storageRetries } from './storage-retries.ts';

export const AffectedPoint = z
  .object({
    pointId: z.string().describe('Id of a restore point that needs the damaged object.'),
    vmName: z.string().describe('Name of its VM.'),
    disk: DiskIndex.optional().describe('Index of the disk, from 0; absent when the damage concerns the whole.'),
    offset: ByteCount.optional().describe('Where on the disk the damage starts, bytes.'),
    length: ByteCount.optional().describe('How much of the disk is concerned, bytes.'),
  })
  .meta({ id: 'AffectedPoint' });

export const DamageReport = z
  .object({
    object: z
      .string()
      .describe(
        'Kind of object: `config`, `key`, `document`, `manifest`, `index`, `pack`, `node`, `block`; `removed`: a restore point that is gone without a tombstone, or back after its removal.',
      ),
    path: z.string().describe('Path of the object within the repository.'),
    offset: ByteCount.optional().describe('Where in the object, bytes.'),
    id: z.string().optional().describe('Id of the block or node.'),
    message: z.string().describe('What is wrong with it.'),
    affects: z
      .array(AffectedPoint)
      .optional()
      .describe('What cannot be restored whole because of it, where known; at most 100 places.'),
    moreAffects: z.number().int().nonnegative().optional().describe('Further places that are not in the list.'),
  })
  .meta({ id: 'DamageReport' });

export const LostRange = z
  .object({
    offset: ByteCount.describe('Where on the disk (in the file) it starts, bytes.'),
    length: ByteCount.describe('Bytes.'),
  })
  .meta({ id: 'LostRange' });

export const PointLoss = z
  .object({
    pointId: z.string().describe('Id of the restore point.'),
    vmId: z.string().describe('Id of its VM.'),
    vmName: z.string().describe('Name of its VM.'),
    createdAt: Timestamp.describe('When its content was frozen, UTC.'),
    disk: DiskIndex.optional().describe('Index of the disk, from 0; absent for a configuration file.'),
    configuration: z.string().optional().describe('Name of the configuration file; absent for a disk.'),
    lostBytes: ByteCount.describe('How much of it cannot be read, bytes.'),
    ranges: z.array(LostRange).describe('What cannot be read, ascending, neighbours joined; at most 100.'),
    moreRanges: z.number().int().nonnegative().describe('Further ranges that are not in the list.'),
  })
  .meta({ id: 'PointLoss' });

/** What all three report. */
const findings = {
  ok: z.boolean().describe('Whether no damage was found.'),
  damages: z.array(DamageReport).describe('The damage found, by object; at most 1000.'),
  moreDamages: z.number().int().nonnegative().describe('Further damage that is not in the list.'),
  losses: z.array(PointLoss).describe('What restore points lose by it, by disk or file; at most 1000.'),
  moreLosses: z.number().int().nonnegative().describe('Further disks and files that are not in the list.'),
  ...storageRetries,
  durationMs: DurationMs.describe('Duration, ms.'),
};

export const CheckRepositoryParams = z.strictObject({ ...OfRepository });
export const ForeignName = z
  .object({
    path: z.string().describe('Path within the repository.'),
    kind: z.enum(['file', 'folder', 'other']).describe('What it is.'),
    reason: z.string().describe('Why it is no object.'),
  })
  .meta({ id: 'ForeignName' });

export const CheckRepositoryResult = z.object({
  ...findings,
  foreign: z.array(ForeignName).describe('What others left in the folders: ignored, and no damage; at most 100.'),
  moreForeign: z.number().int().nonnegative().describe('Further ones that are not in the list.'),
  objects: z.number().int().nonnegative().describe('Objects examined.'),
});

export const VerifyRepositoryParams = z.strictObject({
  ...OfRepository,
  point: PointSelector.optional().describe('Only this restore point (id or unique prefix); all when absent.'),
  sample: z
    .number()
    .gt(0)
    .max(100)
    .optional()
    .describe('Read only this share of the blocks, percent; all when absent.'),
});
export const VerifyRepositoryResult = z.object({
  ...findings,
  points: z.array(z.string()).describe('Ids of the restore points verified.'),
  verifiedBytes: ByteCount.describe('Bytes of disks and configuration whose blocks were read and compared.'),
  readBytes: ByteCount.describe('Bytes read from the repository.'),
});

export const RepairRepositoryParams = z.strictObject({
  ...OfRepository,
  from: RepositoryLocation.optional().describe(
    'Another repository that holds copies of the restore points, or a copy of the folder: what is lost here and is there is stored again.',
  ),
  fromPassphrase: Passphrase.optional().describe('Passphrase of the other repository, when it is encrypted.'),
  dryRun: z
    .boolean()
    .default(false)
    .describe('Change nothing; only report what would be done without the other repository.'),
});

export const HealedFrom = z
  .object({
    restored: z.array(z.string()).describe('Ids of restore points that were lost here and are there again.'),
    healed: z.array(z.string()).describe('Ids of restore points that got back what they had lost.'),
    records: z.array(z.string()).describe('Paths of small records that were taken over.'),
  })
  .meta({ id: 'HealedFrom' });

export const RepairRepositoryResult = z.object({
  ...findings,
  ok: z.boolean().describe('Whether everything is whole now (with dryRun: is whole as it is).'),
  objects: z.number().int().nonnegative().describe('Objects examined.'),
  indexesWritten: z.number().int().nonnegative().describe('Indexes written for packs that none named.'),
  packsIndexed: z.number().int().nonnegative().describe('Packs that are named by an index again.'),
  quarantined: z
    .array(z.string())
    .describe('Paths of unreadable objects that were quarantined; their bytes are kept below `quarantine/`.'),
  restored: z
    .array(z.string())
    .describe('Paths of objects that were written back from their second copy, or copied to one.'),
  restoredPoints: z
    .array(z.string())
    .describe('Ids of restore points whose manifests were lost or unreadable and are there again.'),
  packsRewritten: z
    .number()
    .int()
    .nonnegative()
    .describe('Packs with a damaged header, table of contents or end: what they hold was stored anew in others.'),
  rewritten: z.array(z.string()).describe('Paths of small records that could not be read and were written anew.'),
  healed: z.number().int().nonnegative().describe('Records that were found damaged once and read fine again.'),
  from: HealedFrom.optional().describe('What came from the other repository; absent without one.'),
  dryRun: z.boolean().describe('Whether nothing was changed.'),
});

export type AffectedPoint = z.infer<typeof AffectedPoint>;
export type ForeignName = z.infer<typeof ForeignName>;
export type DamageReport = z.infer<typeof DamageReport>;
export type CheckRepositoryParams = z.infer<typeof CheckRepositoryParams>;
export type CheckRepositoryResult = z.infer<typeof CheckRepositoryResult>;
export type VerifyRepositoryParams = z.infer<typeof VerifyRepositoryParams>;
export type VerifyRepositoryResult = z.infer<typeof VerifyRepositoryResult>;
export type PointLoss = z.infer<typeof PointLoss>;
export type RepairRepositoryParams = z.infer<typeof RepairRepositoryParams>;
export type RepairRepositoryResult = z.infer<typeof RepairRepositoryResult>;
