/** Who is at work in a repository. */
import * as z from 'zod';
import { OfRepository, Timestamp } from './common.ts';

export const RepositorySession = z
  .object({
    id: z.string().describe('Id of the session.'),
    kind: z
      .enum(['backup', 'prune', 'keys', 'read'])
      .describe('What it does: `backup` (also a copy to this repository), `prune` (also a repair), `keys`, or `read`.'),
    owner: z.string().describe('Description of the session, for people.'),
    machine: z.string().describe('Name of its machine.'),
    process: z.number().int().describe('Number of its process there.'),
    local: z.boolean().describe('Whether it is of this machine since its last start.'),
    state: z
      .enum(['active', 'expired', 'dead'])
      .describe('`active`; `expired`: not renewed in time; `dead`: its process has ended on this machine.'),
    createdAt: Timestamp.nullable().describe('When it began, by the clock there; null when its object cannot be read.'),
    expiresAt: Timestamp.nullable().describe('When it ends unless it is renewed; null when its object cannot be read.'),
    points: z.array(z.string()).describe('Ids of the restore points that it reads.'),
  })
  .meta({ id: 'RepositorySession' });

export const ListSessionsParams = z.strictObject({ ...OfRepository });
export const ListSessionsResult = z.object({
  sessions: z.array(RepositorySession).describe('The sessions, oldest first.'),
});
export const EndSessionParams = z.strictObject({
  ...OfRepository,
  session: z
    .string()
    .min(4)
    .max(32)
    .describe('Id of the session, or a prefix of it (4 characters or more) that no other one has.'),
});
export const EndSessionResult = z.object({ session: RepositorySession.describe('What was ended, as it was.') });

export type ListSessionsParams = z.infer<typeof ListSessionsParams>;
export type ListSessionsResult = z.infer<typeof ListSessionsResult>;
export type EndSessionParams = z.infer<typeof EndSessionParams>;
export type EndSessionResult = z.infer<typeof EndSessionResult>;
