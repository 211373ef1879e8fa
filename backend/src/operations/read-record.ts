/**
 * Records that may be lost without harm: one that cannot be read counts as none, it must not keep backups from running.
 */
import type { RecordStore } from '../repository/port/records.ts';
import { isHvError } from '../support/errors.ts';

/** What could not be read, and why: sentences for the result's warnings. */
export type Problems = string[];

/** @returns null when it is absent or unreadable; `hvbackup check` names damage. */
export async function readRecord(records: RecordStore, path: string, problems?: Problems): Promise<unknown> {
  return (await forgiven(() => records.get(path), path, problems)) ?? null;
}

/** Paths below `prefix`; none when they cannot be listed. */
export async function listRecords(records: RecordStore, prefix: string, problems?: Problems): Promise<string[]> {
  return (await forgiven(() => records.list(prefix), prefix, problems)) ?? [];
}

async function forgiven<T>(action: () => Promise<T>, path: string, problems: Problems | undefined): Promise<T | null> {
  try {
    return await action();
  } catch (error) {
    if (!isHvError(error, 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED', 'IO_ERROR', 'ACCESS_DENIED')) throw error;
    problems?.push(`${path} cannot be read (${error.code}: ${error.message})`);
    return null;
  }
}
