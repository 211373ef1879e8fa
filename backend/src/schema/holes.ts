/** Parts of a damaged restore point that were restored as zeros. */
import * as z from 'zod';
import { ByteCount, DiskIndex } from './common.ts';

export const AllowHoles = z
  .boolean()
  .default(false)
  .describe(
    'Take what can be read of a damaged restore point: what cannot is filled with zeros, and each such hole reported. ' +
      'Without it damage is an error and nothing is restored or replaced.',
  );

export const Hole = z
  .object({
    disk: DiskIndex.describe('Index of the disk, from 0.'),
    offset: ByteCount.describe('Where on the disk it starts, bytes.'),
    length: ByteCount.describe('Bytes.'),
  })
  .meta({ id: 'Hole' });

export const holeFields = {
  damaged: z
    .boolean()
    .describe('Whether something could not be read: there are holes, or the configuration files were left out.'),
  holes: z
    .array(Hole)
    .describe('What could not be read and is zeros now, by disk, ascending, neighbours joined; at most 10000.'),
  moreHoles: z.number().int().nonnegative().describe('Further holes that are not in the list.'),
  holeBytes: ByteCount.describe('Bytes of all holes.'),
};

export type Hole = z.infer<typeof Hole>;
