/** Looking at a disk image file. */
import * as z from 'zod';
import { ByteCount, ParentImages } from './common.ts';

export const DiskInfoParams = z.strictObject({ file: z.string().min(1).describe('Path of the disk image.') });
export const DiskInfoResult = z.object({
  file: z.string().describe('Absolute path of the disk image.'),
  format: z.enum(['vhdx', 'vhd', 'raw', 'qcow2']).describe('Format of the image.'),
  type: z.enum(['fixed', 'dynamic', 'differencing']).describe('How the image holds its content.'),
  size: ByteCount.describe('Virtual size, bytes.'),
  fileSize: ByteCount.describe('Length of the file, bytes.'),
  allocatedBytes: ByteCount.optional().describe('Bytes of the virtual disk that the image holds data for.'),
  logicalSectorSize: z.number().int().describe('Logical sector size, bytes.'),
  physicalSectorSize: z.number().int().describe('Physical sector size, bytes.'),
  blockSize: ByteCount.optional().describe('Block size of the format, bytes; absent where it has none.'),
  id: z.string().optional().describe('Identity of the virtual disk (VHDX: page 83 id; VHD: unique id).'),
  creator: z.string().optional().describe('Program that wrote the image, as recorded in the image.'),
  logState: z.enum(['clean', 'dirty', 'none']).optional().describe('Whether the log holds changes to replay.'),
  parents: z.array(z.string()).optional().describe('Where a differencing image looks for its parent, best first.'),
  notes: z.array(z.string()).optional().describe('What else is worth knowing.'),
});

export const DiskCheckParams = z.strictObject({
  ...DiskInfoParams.shape,
  parents: ParentImages.describe(
    'Parents of a differencing image that are not at the paths recorded in it, in any order.',
  ),
});
export const DiskCheckResult = z.object({
  file: z.string().describe('Absolute path of the disk image.'),
  format: z.enum(['vhdx', 'vhd', 'raw', 'qcow2']).describe('Format of the image.'),
  ok: z.boolean().describe('Whether nothing is wrong.'),
  problems: z
    .array(
      z.object({
        message: z.string().describe('What is wrong.'),
        offset: ByteCount.optional().describe('Where in the file, bytes.'),
      }),
    )
    .describe('What is wrong with the image, or with the parents it needs.'),
  chain: z.array(z.string()).optional().describe('Paths of its parents, nearest first; absent when it has none.'),
});

export type DiskInfoParams = z.infer<typeof DiskInfoParams>;
export type DiskInfoResult = z.infer<typeof DiskInfoResult>;
export type DiskCheckParams = z.infer<typeof DiskCheckParams>;
export type DiskCheckResult = z.infer<typeof DiskCheckResult>;
