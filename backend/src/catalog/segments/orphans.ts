/** Segment files that merges left when they were killed. */
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A segment that no list names and no process writes to any more. */
const ORPHAN_MS = 24 * 3600 * 1000;

/** Deletes files of `folder` that are older than a day and not among the `listed` names. */
export function removeOrphans(folder: string, listed: ReadonlySet<string>): void {
  for (const name of readdirSync(folder)) {
    const file = join(folder, name);
    const age = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Number.NaN);
    if (!listed.has(name) && age > ORPHAN_MS) rmSync(file, { force: true });
  }
}
