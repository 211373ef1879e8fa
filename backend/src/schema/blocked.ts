/** What keeps a repository from giving space back. */
import * as z from 'zod';

const BlockedPoint = z
  .object({
    pointId: z.string().nullable().describe('Id of the restore point; null for one that a running backup builds on.'),
    vmName: z.string().nullable().describe('Name of its VM; null when nobody knows.'),
    path: z.string().describe('Path of its manifest within the repository.'),
    message: z.string().describe('What of it cannot be read.'),
  })
  .meta({ id: 'BlockedPoint' });

export const BlockedPoints = z
  .array(BlockedPoint)
  .describe(
    'Restore points of which it cannot be known what they need: as long as one is there no space is given back. Repair them, or remove them.',
  );
