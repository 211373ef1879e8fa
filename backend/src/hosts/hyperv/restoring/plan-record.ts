/**
 * What a restore is about to do to the host, recorded beside its files, so that the next one can undo it when this one
 * dies: the planned VM it made, and the VM it took off the host to put another in its place.
 */
import { readdir, readFile, rm } from 'node:fs/promises';
import * as z from 'zod';
import { removeFile, writeFileDurably } from '../../../support/file.ts';
import { isLeftBehind, ownerHere } from '../../../support/owner.ts';
import { OwnerRecord } from '../owner-record.ts';
import { pathsOf, reachable } from '../paths.ts';

export const RECORD_FILE = 'hvbackup-plan.json';

const PlanRecord = z.object({
  schema: z.literal(1),
  owner: OwnerRecord,
  startedAt: z.string(),
  /** Id of the planned system; null before it is made. */
  planned: z.string().nullable(),
  /** The VM that was taken off the host, and the copy of its configuration. */
  replaced: z.object({ vmId: z.string(), file: z.string() }).nullable(),
});
export type PlanRecord = z.infer<typeof PlanRecord>;

export const newRecord = (): PlanRecord => ({
  schema: 1,
  owner: ownerHere(),
  startedAt: new Date().toISOString(),
  planned: null,
  replaced: null,
});

/** @param file as this machine reaches it */
export const writeRecord = (file: string, record: PlanRecord): Promise<void> =>
  writeFileDurably(file, Buffer.from(JSON.stringify(record)));

export const removeRecord = (file: string): Promise<void> => removeFile(file);

export interface Leftover {
  /** Folder of the plan, as this machine reaches it. */
  folder: string;
  record: PlanRecord;
  /** Removes the record alone. */
  forget(): Promise<void>;
  /** Removes the folder with all that is in it. */
  remove(): Promise<void>;
}

/** Plans of processes that are proven dead, or were of this machine a week ago. All others may be at work. */
export async function leftovers(root: string, server: string | undefined): Promise<Leftover[]> {
  const { join } = pathsOf(root);
  const found: Leftover[] = [];
  for (const name of await readdir(reachable(root, server)).catch(() => [])) {
    const folder = reachable(join(root, name), server);
    const file = pathsOf(folder).join(folder, RECORD_FILE);
    const text = await readFile(file, 'utf8').catch(() => null);
    if (text === null) continue;
    const record = PlanRecord.safeParse(parsed(text)).data;
    if (!record || !isLeftBehind(record.owner, record.startedAt)) continue;
    const remove = () => rm(folder, { recursive: true, force: true });
    found.push({ folder, record, forget: () => removeFile(file), remove });
  }
  return found;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
