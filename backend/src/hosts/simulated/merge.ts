/**
 * Merging: when a checkpoint has ended, the content of its differencing disk goes into the parent. A merge changes
 * nothing that is visible: all it writes to the parent is hidden below the very child it comes from, until the state
 * says that the child is gone. So it can be cut short and done again.
 */
import { newGuid } from '../../support/guid.ts';
import { type HostContext, reach } from './context.ts';
import { changeParent, mergeChild } from './disk-files.ts';
import { pendingFault } from './faults.ts';
import { addGarbage } from './garbage.ts';
import { absolute } from './layout.ts';
import { type LayerRow, layer } from './rows.ts';
import { verifyDisk } from './tracking.ts';

interface Candidate extends LayerRow {
  vm_id: string;
  position: number;
}

/**
 * Merges every layer whose checkpoint has ended, except those a fault holds up. Errors are kept for the merge state.
 */
export async function mergePending(ctx: HostContext): Promise<void> {
  const candidates = ctx.state.all<Candidate>(
    'SELECT layers.*, disks.vm_id, disks.position FROM layers JOIN disks ON disks.key = layers.disk_key WHERE merging = 1 ORDER BY layers.id DESC',
  );
  for (const candidate of candidates) {
    if (pendingFault(ctx.state, 'merge-stuck', candidate.vm_id, candidate.position)) continue;
    try {
      await mergeLayer(ctx, candidate);
    } catch {
      ctx.state.run('UPDATE layers SET merging = 2 WHERE id = ?', candidate.id);
    }
  }
}

async function mergeLayer(ctx: HostContext, candidate: Candidate): Promise<void> {
  // Notes changes made behind the host's back before the merge covers them up.
  await verifyDisk(ctx, candidate.vm_id, candidate.position);
  const child = layer(ctx.state, candidate.id);
  const parent = layer(ctx.state, child.parent!);
  const above = ctx.state.all<LayerRow>('SELECT * FROM layers WHERE parent = ?', child.id);
  const guid = newGuid();
  ctx.state.run('UPDATE layers SET pending_guid = ? WHERE id = ?', guid, parent.id);
  reach('merge:begun');
  await mergeChild(absolute(ctx.root, child.path), absolute(ctx.root, parent.path), guid);
  reach('merge:copied');
  for (const next of above) await changeParent(absolute(ctx.root, next.path), absolute(ctx.root, parent.path));
  reach('merge:reparented');
  ctx.state.transaction(() => {
    ctx.state.run('UPDATE layers SET guid = ?, pending_guid = NULL WHERE id = ?', guid, parent.id);
    ctx.state.run('UPDATE layers SET parent = ? WHERE parent = ?', parent.id, child.id);
    ctx.state.run('UPDATE checkpoint_disks SET layer = ? WHERE layer = ?', parent.id, child.id);
    ctx.state.run('UPDATE disks SET active_layer = ? WHERE active_layer = ?', parent.id, child.id);
    ctx.state.run('DELETE FROM layers WHERE id = ?', child.id);
    addGarbage(ctx.state, [child.path]);
  });
  reach('merge:recorded');
}

/** Which disks have layers that wait for their merge, or whose merge failed. */
export function mergeState(ctx: HostContext, vmId: string): { diskIndex: number; state: 'merging' | 'failed' }[] {
  return ctx.view
    .all<{ position: number; merging: number }>(
      'SELECT position, max(merging) AS merging FROM layers JOIN disks ON disks.key = layers.disk_key WHERE vm_id = ? AND merging > 0 GROUP BY position ORDER BY position',
      vmId,
    )
    .map(({ position, merging }) => ({ diskIndex: position, state: merging === 2 ? 'failed' : 'merging' }));
}
