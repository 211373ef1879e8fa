/** How every change is made: under the lock, after what the dead left behind is put right. */
import { markMoved, wasMoved, writeDirtyConfigurations } from './configuration.ts';
import type { HostContext } from './context.ts';
import { addGarbage, collectGarbage, hasLeftovers, rollBackIntents, temporaryFiles } from './garbage.ts';
import { mergePending } from './merge.ts';
import { discardDeadPlans, plannedEntries } from './plan-leftovers.ts';

/**
 * Runs `action` as the only one who changes the host, then does what it left to be done (merges, files to remove).
 * @throws HOST_BUSY, and what `action` throws
 */
export function locked<T>(ctx: HostContext, action: () => Promise<T>): Promise<T> {
  return ctx.lock.run(async () => {
    await settle(ctx);
    try {
      return await action();
    } finally {
      // What fails here is tried again by the next one; the action's own outcome stands.
      await settle(ctx).catch(() => undefined);
    }
  });
}

/** Finishes or undoes changes that were cut short, by a crash or by an error. */
async function settle(ctx: HostContext): Promise<void> {
  if (hasLeftovers(ctx.state)) await rollBackIntents(ctx);
  await mergePending(ctx);
  await writeDirtyConfigurations(ctx);
  if (hasLeftovers(ctx.state)) await collectGarbage(ctx);
}

/**
 * What the opener of a host does when there is something to put right. The holder of the lock at this moment does the
 * same, and what is committed can be read meanwhile: so there is no need to wait. Nor must it succeed (on a full volume
 * it does not): a caller that changes something tries again, and gets the error.
 */
export async function settleAtOpen(ctx: HostContext): Promise<void> {
  if (!(await hasWork(ctx))) return;
  await ctx.lock.runIfFree(() => putRight(ctx)).catch(() => undefined);
}

async function putRight(ctx: HostContext): Promise<void> {
  await discardDeadPlans(ctx);
  // A merge that failed before is tried again by every opener.
  ctx.state.run('UPDATE layers SET merging = 1 WHERE merging = 2');
  if (wasMoved(ctx)) markMoved(ctx);
  addGarbage(ctx.state, await temporaryFiles(ctx.root));
  await settle(ctx);
}

async function hasWork(ctx: HostContext): Promise<boolean> {
  const { view, root } = ctx;
  if (wasMoved(ctx) || hasLeftovers(view) || (await plannedEntries(root)).length > 0) return true;
  if ((await temporaryFiles(root)).length > 0) return true;
  return (
    view.get('SELECT 1 FROM layers WHERE merging > 0 UNION ALL SELECT 1 FROM vms WHERE configuration_dirty = 1') !==
    undefined
  );
}
