/** Repositories as a whole: create, prune, statistics. Check and verify are in verify.ts. */
import { z } from 'zod';
import { ByteCount, RepositoryLocation, Timestamp } from './common.ts';

export const RepositoryInfo = z
  .object({
    id: z.string().describe('Id of the repository.'),
    location: z.string().describe('Absolute path of its folder.'),
    blockSize: ByteCount.describe('Size of its blocks, bytes; a power of two.'),
    formatVersion: z.number().int().describe('Version of its format.'),
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
});
export const CreateRepositoryResult = z.object({ repository: RepositoryInfo.describe('The new repository.') });

export const PruneRepositoryParams = z.strictObject({
  repository: RepositoryLocation,
  dryRun: z.boolean().default(false).describe('Only say what would be given back.'),
});
export const PruneRepositoryResult = z.object({
  freedBytes: ByteCount.describe('Bytes given back now (with dryRun: that would be).'),
  pendingBytes: ByteCount.describe('Bytes that a later prune will give back, because another session is active.'),
  packsDeleted: z.number().int().nonnegative().describe('Packs deleted.'),
  packsRewritten: z.number().int().nonnegative().describe('Packs of which the part in use was stored anew.'),
  dryRun: z.boolean().describe('Whether nothing was changed.'),
});

export const RepositoryStatsParams = z.strictObject({ repository: RepositoryLocation });
export const RepositoryStatsResult = RepositoryInfo.extend({
  points: z.number().int().nonnegative().describe('Number of restore points.'),
  packs: z.number().int().nonnegative().describe('Number of packs.'),
  packBytes: ByteCount.describe('Bytes in packs.'),
  indexBytes: ByteCount.describe('Bytes in indexes.'),
  manifestBytes: ByteCount.describe('Bytes in manifests.'),
  blocks: z.number().int().nonnegative().describe('Number of different blocks stored.'),
  blockBytes: ByteCount.describe('Size of these blocks before compression, bytes.'),
  nodes: z.number().int().nonnegative().describe('Number of block map nodes stored.'),
});

export type RepositoryInfo = z.infer<typeof RepositoryInfo>;
export type CreateRepositoryParams = z.infer<typeof CreateRepositoryParams>;
export type CreateRepositoryResult = z.infer<typeof CreateRepositoryResult>;
export type PruneRepositoryParams = z.infer<typeof PruneRepositoryParams>;
export type PruneRepositoryResult = z.infer<typeof PruneRepositoryResult>;
export type RepositoryStatsParams = z.infer<typeof RepositoryStatsParams>;
export type RepositoryStatsResult = z.infer<typeof RepositoryStatsResult>;
