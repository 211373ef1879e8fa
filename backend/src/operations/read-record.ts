/** Records that may be lost without harm: a damaged one counts as none, it must not keep backups from running. */
import type { RecordStore } from '../repository/port.ts';
import { isHvError } from '../support/errors.ts';

/** @returns null when it is absent or damaged; `hvbackup check` names damage. */
export async function readRecord(records: RecordStore, path: string): Promise<unknown> {
  try {
    return await records.get(path);
  } catch (error) {
    if (isHvError(error, 'REPOSITORY_DAMAGED')) return null;
    throw error;
  }
}
