/** Parts of a damaged restore point that were restored as zeros. */
import * as z from 'zod';
import { ByteCount, DiskIndex } from './common.ts';

export const AllowHoles = z
  .boolean()
  .default(false)
  .describe(
    'Restore what can be read of a damaged restore point: unreadable ranges are filled with zeros and reported. ' +
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
    .describe(
      'Whether something could not be read: there are unreadable ranges, or the configuration files were left out.',
    ),
  holes: z
    .array(Hole)
    .describe('Unreadable ranges, filled with zeros, by disk, ascending, adjacent ones merged; at most 10000.'),
  moreHoles: z.number().int().nonnegative().describe('Further unreadable ranges that are not in the list.'),
  holeBytes: ByteCount.describe('Bytes of all unreadable ranges.'),
};

export type Hole = z.infer<typeof Hole>;
