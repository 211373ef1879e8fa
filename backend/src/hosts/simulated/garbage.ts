/**
 * Files that come and go with changes of the state. An intent names what a change will create, before it does: found by
 * the next holder of the lock, its maker is dead and the files go. Garbage is what a committed change no longer needs.
 */
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { toHvError } from '../../support/errors.ts';
import { syncDirectory } from '../../support/file.ts';
import { newGuid } from '../../support/guid.ts';
import { isTemporaryName } from '../../support/temporary-files.ts';
import type { HostContext } from './context.ts';
import { absolute, SNAPSHOTS, VIRTUAL_DISKS, VIRTUAL_MACHINES } from './layout.ts';
import type { State } from './state.ts';

/** Records that `paths` (relative) are about to be created. @returns id for {@link forgetIntent} */
export function recordIntent(state: State, what: string, paths: string[]): string {
  const id = newGuid();
  state.run('INSERT INTO intents VALUES (?, ?, ?)', id, what, JSON.stringify(paths));
  return id;
}

/** The change is complete: what it created stays. Within the transaction that makes it visible. */
export const forgetIntent = (state: State, id: string): void => void state.run('DELETE FROM intents WHERE id = ?', id);

/** Marks files or folders (relative) for removal. Within the transaction that stops referring to them. */
export function addGarbage(state: State, paths: string[]): void {
  for (const relative of paths) state.run('INSERT OR IGNORE INTO garbage VALUES (?)', relative);
}

export const hasLeftovers = (state: State): boolean =>
  state.get('SELECT 1 FROM intents UNION ALL SELECT 1 FROM garbage') !== undefined;

/** Undoes what an unfinished change has created. */
export async function rollBackIntents(ctx: HostContext): Promise<void> {
  for (const { id, paths } of ctx.state.all<{ id: string; paths: string }>('SELECT id, paths FROM intents')) {
    await removeAll(ctx.root, JSON.parse(paths));
    forgetIntent(ctx.state, id);
  }
}

/** Removes what nothing refers to. What cannot be removed now (open on Windows) stays garbage for the next time. */
export async function collectGarbage(ctx: HostContext): Promise<void> {
  const paths = ctx.state.all<{ path: string }>('SELECT path FROM garbage').map((row) => row.path);
  const gone: string[] = [];
  for (const relative of paths) {
    try {
      await removeAll(ctx.root, [relative]);
      gone.push(relative);
    } catch {
      // It is harmless where it lies.
    }
  }
  if (gone.length === 0) return;
  ctx.state.transaction(() => {
    for (const relative of gone) ctx.state.run('DELETE FROM garbage WHERE path = ?', relative);
  });
}

/** Relative paths of what writing a file leaves when it is cut short. No process writes there without the lock. */
export async function temporaryFiles(root: string): Promise<string[]> {
  const found: string[] = [];
  for (const folder of [VIRTUAL_MACHINES, VIRTUAL_DISKS, SNAPSHOTS]) {
    const names = await readdir(absolute(root, folder)).catch(() => []);
    found.push(...names.filter(isTemporaryName).map((name) => `${folder}/${name}`));
  }
  return found;
}

async function removeAll(root: string, relatives: string[]): Promise<void> {
  const folders = new Set<string>();
  for (const relative of relatives) {
    const file = absolute(root, relative);
    try {
      await rm(file, { recursive: true, force: true, maxRetries: 2 });
    } catch (error) {
      throw toHvError(error, file);
    }
    folders.add(path.dirname(file));
  }
  for (const folder of folders) await syncDirectory(folder);
}
