/**
 * Temporary files beside what they become, `.<name>.<writer>-<random>.tmp`. The name says who writes it, so that
 * the next writer of the same file can remove what a dead process left, and never what another may be writing.
 */
import { hash, randomBytes } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { isWriterDead, writerName } from './owner.ts';

/** File systems give a name 255 bytes; the writer takes up to 70. */
const LONGEST_STEM = 150;
const ENDING = /\.tmp$/;
/** Ours, also of programs before this one, which did not say who wrote it. */
const TEMPORARY = /^\..+\.(?:[0-9a-f]{16}-\d{1,10}-\d{1,20}-)?[0-9a-f]{12}\.tmp$/;

/** A name next to `target`, so that a rename stays within the file system. */
export function temporaryName(target: string): string {
  const name = `${prefixOf(target)}${writerName()}-${randomBytes(6).toString('hex')}.tmp`;
  return path.join(path.dirname(target), name);
}

export const isTemporaryName = (name: string): boolean => TEMPORARY.test(name);

/**
 * Removes temporary files of `target` whose writer is proven dead: a process of this machine, since it was started.
 * What is of other machines, or of unknown origin, stays. Best effort: a folder that cannot be listed is left as it is.
 */
export async function removeDeadTemporaries(target: string): Promise<void> {
  const folder = path.dirname(target);
  const prefix = prefixOf(target);
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith(prefix) || !isTemporaryName(name)) continue;
    if (isWriterDead(name.slice(prefix.length).replace(ENDING, '')) !== true) continue;
    await rm(path.join(folder, name), { force: true }).catch(() => undefined);
  }
}

/** The same for a target each time. */
const prefixOf = (target: string): string => `.${shortened(path.basename(target))}.`;

/** Long names are cut to whole characters, and stay different. */
function shortened(name: string): string {
  if (Buffer.byteLength(name) <= LONGEST_STEM) return name;
  let stem = '';
  for (const character of name) {
    if (Buffer.byteLength(stem + character) > LONGEST_STEM - 9) break;
    stem += character;
  }
  return `${stem}~${hash('sha256', name).slice(0, 8)}`;
}
