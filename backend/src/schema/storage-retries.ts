/** What a storage made repeat while a method ran: the typed side of the warning that sums it up (docs/storage.md). */
import * as z from 'zod';
import { DurationMs } from './common.ts';

const StorageRetries = z
  .object({
    calls: z.number().int().positive().describe('Calls that failed and were repeated.'),
    waitedMs: DurationMs.describe('Spent waiting, ms; of calls that waited side by side the time of each.'),
    errors: z
      .record(z.string(), z.number().int().positive())
      .describe('How often by the name of the error: `{"ESTALE": 11}`.'),
  })
  .meta({ id: 'StorageRetries' });

/** In the results of methods that read or write much of a repository. */
export const storageRetries = {
  storageRetries: StorageRetries.optional().describe(
    'Calls of storages that failed and were repeated, of all repositories of the call; absent when there were none.',
  ),
};
