/** What a backup of a VM would be like on its host: how it would be read, and what stands in the way. */
import { z } from 'zod';

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

export const Readiness = z
  .object({
    ready: z.boolean().describe('Whether a backup can be made: no finding is an error.'),
    method: z
      .enum(['native', 'share'])
      .describe(
        'How disks are read: `native` from their files on this machine, `share` over the share of another host.',
      ),
    changes: z
      .enum(['virtdisk', 'wmi', 'simulated', 'none'])
      .describe('Who is asked what changed: virtdisk.dll, WMI, the simulated host, or nobody (always full).'),
    why: z.string().describe('Why in this way.'),
    findings: z.array(ReadinessFinding).describe('What stands in the way, or is good to know.'),
  })
  .meta({ id: 'Readiness' });
export type Readiness = z.infer<typeof Readiness>;
