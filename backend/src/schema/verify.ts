/** Check looks at structure; verify reads every byte, or a sample. Damage is a result, not an error. */
import { z } from 'zod';
import { ByteCount, DiskIndex, DurationMs, PointSelector, RepositoryLocation } from './common.ts';

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
    object: z.string().describe('Kind of object: `config`, `manifest`, `index`, `pack`, `node`, `block`.'),
    path: z.string().describe('Path of the object within the repository.'),
    offset: ByteCount.optional().describe('Where in the object, bytes.'),
    id: z.string().optional().describe('Id of the block or node.'),
    message: z.string().describe('What is wrong with it.'),
    affects: z.array(AffectedPoint).optional().describe('What cannot be restored whole because of it, where known.'),
  })
  .meta({ id: 'DamageReport' });

export const CheckRepositoryParams = z.strictObject({ repository: RepositoryLocation });
export const CheckRepositoryResult = z.object({
  ok: z.boolean().describe('Whether no damage was found.'),
  objects: z.number().int().nonnegative().describe('Objects looked at.'),
  damages: z.array(DamageReport).describe('The damage found.'),
  durationMs: DurationMs.describe('Duration, ms.'),
});

export const VerifyRepositoryParams = z.strictObject({
  repository: RepositoryLocation,
  point: PointSelector.optional().describe('Only this restore point (id or unique prefix); all when absent.'),
  sample: z
    .number()
    .gt(0)
    .max(100)
    .optional()
    .describe('Read only this share of the blocks, percent; all when absent.'),
});
export const VerifyRepositoryResult = z.object({
  ok: z.boolean().describe('Whether no damage was found.'),
  points: z.array(z.string()).describe('Ids of the restore points verified.'),
  verifiedBytes: ByteCount.describe('Bytes of disks and configuration whose blocks were read and compared.'),
  readBytes: ByteCount.describe('Bytes read from the repository.'),
  damages: z.array(DamageReport).describe('The damage found.'),
  durationMs: DurationMs.describe('Duration, ms.'),
});

export type AffectedPoint = z.infer<typeof AffectedPoint>;
export type DamageReport = z.infer<typeof DamageReport>;
export type CheckRepositoryParams = z.infer<typeof CheckRepositoryParams>;
export type CheckRepositoryResult = z.infer<typeof CheckRepositoryResult>;
export type VerifyRepositoryParams = z.infer<typeof VerifyRepositoryParams>;
export type VerifyRepositoryResult = z.infer<typeof VerifyRepositoryResult>;
