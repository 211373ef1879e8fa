/** An error as it travels: in `--json` output, in the protocol's `error.data`, in a result of several. */
import * as z from 'zod';
import { ERROR_CODES } from '../support/error-codes.ts';

export const ErrorObject = z
  .object({
    code: z.enum(ERROR_CODES).describe('Stable identifier; scripts match on it.'),
    message: z.string().describe('What went wrong, and where.'),
    advice: z.string().optional().describe('What to do about it.'),
    data: z.record(z.string(), z.unknown()).optional().describe('Facts for programs: paths, ids, offsets in bytes.'),
  })
  .meta({ id: 'ErrorObject' });
export type ErrorObject = z.infer<typeof ErrorObject>;
