/** What keeps a repository from giving space back. */
import * as z from 'zod';

const BlockedPoint = z
  .object({
    pointId: z.string().nullable().describe('Id of the restore point; null for one that a running backup builds on.'),
    vmName: z.string().nullable().describe('Name of its VM; null when unknown.'),
    path: z.string().describe('Path of its manifest within the repository.'),
    message: z.string().describe('What cannot be read of it.'),
  })
  .meta({ id: 'BlockedPoint' });

export const BlockedPoints = z
  .array(BlockedPoint)
  .describe(
    'Restore points whose data cannot be determined: no space is freed while one is present. Repair them, or remove them.',
  );
