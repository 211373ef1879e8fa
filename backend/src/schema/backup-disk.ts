/** What a backup did with one disk; restore points record it as well. */
import * as z from 'zod';
import { ByteCount, DiskIndex, ReadMode } from './common.ts';
import { ReadingMethod } from './readiness.ts';

export const BackupDiskResult = z
  .object({
    index: DiskIndex.describe('Index of the disk, from 0.'),
    id: z.string().describe('The identity of the disk on its host.'),
    mode: ReadMode.describe('How the disk was read.'),
    reason: z.string().optional().describe('Why the disk was not read incrementally; absent when it was.'),
    size: ByteCount.describe('Virtual size, bytes.'),
    changedBytes: ByteCount.describe(
      'Bytes that change tracking reported as changed; for a full, the bytes the disk image may hold data in.',
    ),
    readBytes: ByteCount.describe('Bytes read from the host.'),
    newBytes: ByteCount.describe('Bytes stored for the disk: data and block map.'),
    skipped: z.string().optional().describe('Why the disk is not in the restore point; absent when it is.'),
    method: ReadingMethod.optional().describe('Read method of the disk, on a host that has several.'),
    methodReason: z.string().optional().describe('Why this method.'),
  })
  .meta({ id: 'BackupDiskResult' });
export type BackupDiskResult = z.infer<typeof BackupDiskResult>;
