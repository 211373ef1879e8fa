/** What a backup of a VM would be like on its host: how it would be read, and what stands in the way. */
import * as z from 'zod';

export const ReadinessFinding = z
  .object({
    code: z.string().describe('What it is about: stable, for scripts.'),
    severity: z
      .enum(['error', 'warning', 'info'])
      .describe('`error`: a backup fails; `warning`: it has less than it could; `info`: good to know.'),
    message: z.string().describe('What was found.'),
    advice: z.string().optional().describe('What to do about it.'),
  })
  .meta({ id: 'ReadinessFinding' });
export type ReadinessFinding = z.infer<typeof ReadinessFinding>;

export const ReadingMethod = z.enum(['native', 'share', 'attached', 'export']);
export type ReadingMethod = z.infer<typeof ReadingMethod>;

export const Readiness = z
  .object({
    ready: z.boolean().describe('Whether a backup can be made: no finding is an error.'),
    method: ReadingMethod.describe(
      'How disks are read: `native` from their files on this machine, `share` over the share of another host, `attached` through virtdisk.dll, ' +
        '`export` from what the host exports.',
    ),
    changes: z
      .enum(['virtdisk', 'wmi', 'export', 'simulated', 'none'])
      .describe(
        'Source of changed ranges: virtdisk.dll, WMI, a differential export, the simulated host, or none (always read in full).',
      ),
    why: z.string().describe('Why this method.'),
    exportFolder: z.string().optional().describe('Where exports would lie while they are read; as the host names it.'),
    findings: z.array(ReadinessFinding).describe('Obstacles, and what is good to know.'),
  })
  .meta({ id: 'Readiness' });
export type Readiness = z.infer<typeof Readiness>;
