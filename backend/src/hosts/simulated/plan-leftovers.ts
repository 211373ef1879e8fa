/**
 * VMs that were being built by a process that died. A planner holds an exclusive SQLite transaction on a file in the
 * folder of its plan for as long as it lives: who can get it, has the proof that the planner is dead.
 */
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { exists } from '../../support/file.ts';
import { parseGuid } from '../../support/guid.ts';
import type { HostContext } from './context.ts';
import { addGarbage } from './garbage.ts';
import { absolute, PLANNED } from './layout.ts';
import { HostLock } from './lock.ts';

/** Relative path of the folder of a plan. */
export const planFolder = (planId: string): string => `${PLANNED}/${planId}`;

/** Absolute path of the file that is locked while the planner lives. */
export const planLock = (ctx: Pick<HostContext, 'root'>, planId: string): string =>
  path.join(absolute(ctx.root, planFolder(planId)), 'plan.sqlite');

/** Forgets the plans of the dead; their files go. Under the lock. */
export async function discardDeadPlans(ctx: HostContext): Promise<void> {
  const rows = ctx.state.all<{ id: string }>('SELECT id FROM plans').map((row) => row.id);
  for (const id of await emptyDeadPlans(ctx.root, rows)) {
    ctx.state.transaction(() => {
      ctx.state.run('DELETE FROM plans WHERE id = ?', id);
      addGarbage(ctx.state, [planFolder(id)]);
    });
  }
}

/**
 * Removes the files of the dead without a word in the state: on a full volume that makes the room for it. Under the
 * lock.
 * @param known ids of plans
 * @returns ids of the dead plans
 */
export async function emptyDeadPlans(root: string, known: readonly string[] = []): Promise<string[]> {
  // Folders without a row too: their makers died, under the host's lock, before they could write it.
  const folders = (await plannedEntries(root)).filter((name) => parseGuid(name) !== null);
  const dead: string[] = [];
  for (const id of new Set([...known, ...folders])) {
    if (!(await isDead(planLock({ root }, id)))) continue;
    await rm(absolute(root, planFolder(id)), { recursive: true, force: true }).catch(() => undefined);
    dead.push(id);
  }
  return dead;
}

/** What lies in the folder of plans, also where a person has removed it. */
export const plannedEntries = (root: string): Promise<string[]> => readdir(path.join(root, PLANNED)).catch(() => []);

/** Folder and lock are made under the host's lock: without the file, no process builds there. */
async function isDead(file: string): Promise<boolean> {
  if (!(await exists(file))) return true;
  const lock = new HostLock(file);
  try {
    return lock.tryHold();
  } catch {
    // No proof: it stays, and does no harm.
    return false;
  } finally {
    lock.close();
  }
}
