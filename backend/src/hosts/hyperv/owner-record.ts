/** Who made what lies on a host, as its records say. */
import * as z from 'zod';

export const OwnerRecord = z.object({
  machine: z.string(),
  pid: z.number().int(),
  start: z.string(),
  hardware: z.string().nullable(),
});
