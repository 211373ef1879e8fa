/**
 * VMs that were being built by somebody who died. A planner holds an exclusive SQLite transaction on a file in the folder of
 * its plan for as long as it lives: who can get it, has the proof that the planner is dead.
 */
import { readdir } from 'node:fs/promises';
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
export const planLock = (ctx: HostContext, planId: string): string =>
  path.join(absolute(ctx.root, planFolder(planId)), 'plan.sqlite');

/** Forgets the plans of the dead; their files become garbage. Under the lock. */
export async function discardDeadPlans(ctx: HostContext): Promise<void> {
  // Folders without a row too: their makers died, under the host's lock, before they could write it.
  const rows = ctx.state.all<{ id: string }>('SELECT id FROM plans').map((row) => row.id);
  const folders = (await readdir(path.join(ctx.root, PLANNED))).filter((name) => parseGuid(name) !== null);
  for (const id of new Set([...rows, ...folders])) {
    if (!(await isDead(planLock(ctx, id)))) continue;
    ctx.state.transaction(() => {
      ctx.state.run('DELETE FROM plans WHERE id = ?', id);
      addGarbage(ctx.state, [planFolder(id)]);
    });
  }
}

/** Folder and lock are made under the host's lock: without the file, nobody builds there. */
async function isDead(file: string): Promise<boolean> {
  if (!(await exists(file))) return true;
  const lock = new HostLock(file);
  try {
    return lock.tryHold();
  } finally {
    lock.close();
  }
}
