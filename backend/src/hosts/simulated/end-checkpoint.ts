/**
 * How a checkpoint ends: with a reference point or without. Either way it is gone for readers first, in one commit; its
 * differencing disks are merged after that, by the next holder of the lock.
 */
import { HvError } from '../../support/errors.ts';
import { newGuid } from '../../support/guid.ts';
import type { ReferencePoint } from '../port.ts';
import { configurationPaths } from './configuration.ts';
import { type HostContext, reach } from './context.ts';
import { strikes } from './faults.ts';
import { addGarbage } from './garbage.ts';
import { SNAPSHOTS } from './layout.ts';
import { type CheckpointDiskRow, checkpoint, checkpointDisks } from './rows.ts';
import type { State } from './state.ts';
import { type StoredReferenceDisk, sealTracking, verifyDisk } from './tracking.ts';

/**
 * Under the lock.
 * @throws CHECKPOINT_NOT_FOUND, CHECKPOINT_FAILED
 */
export async function convertCheckpoint(ctx: HostContext, checkpointId: string): Promise<ReferencePoint> {
  const row = checkpoint(ctx.state, checkpointId);
  if (strikes(ctx.state, 'convert-fails', row.vm_id)) {
    throw new HvError('CHECKPOINT_FAILED', `The recovery checkpoint could not be converted: ${checkpointId}`, {
      advice: 'It is still there; the next backup deals with it.',
      data: { checkpointId, vmId: row.vm_id },
    });
  }
  const disks = await referenceDisks(ctx, row.vm_id, checkpointDisks(ctx.state, checkpointId));
  const point = { id: newGuid(), vmId: row.vm_id, createdAt: new Date().toISOString(), consistency: row.consistency };
  ctx.state.transaction(() => {
    ctx.state.run(
      'INSERT INTO reference_points (id, ordinal, vm_id, created_at, consistency, disks) VALUES (?, ?, ?, ?, ?, ?)',
      point.id,
      ctx.state.nextOrdinal(),
      point.vmId,
      point.createdAt,
      point.consistency,
      JSON.stringify(disks),
    );
    endCheckpoint(ctx.state, checkpointId);
  });
  reach('end-checkpoint:recorded');
  return { ...point, disks: disks.map(({ diskId, rctId }) => ({ diskId, rctId })) };
}

async function referenceDisks(
  ctx: HostContext,
  vmId: string,
  disks: CheckpointDiskRow[],
): Promise<StoredReferenceDisk[]> {
  const out: StoredReferenceDisk[] = [];
  for (const { position, disk_id: diskId, rct_id: frozenRctId } of disks) {
    if (frozenRctId === null) continue;
    const differs = strikes(ctx.state, 'reference-point-rct-id-differs', vmId, position);
    const rctId = differs ? await sealTracking(ctx, await verifyDisk(ctx, vmId, position)) : frozenRctId;
    out.push({ diskId, rctId, frozenRctId });
  }
  return out;
}

/** Under the lock. Nothing to do when it is gone. */
export function removeCheckpoint(ctx: HostContext, checkpointId: string): void {
  ctx.state.transaction(() => endCheckpoint(ctx.state, checkpointId));
  reach('end-checkpoint:recorded');
}

function endCheckpoint(state: State, id: string): void {
  state.run('UPDATE layers SET merging = 1, checkpoint_id = NULL WHERE checkpoint_id = ?', id);
  state.run('DELETE FROM checkpoint_disks WHERE checkpoint_id = ?', id);
  state.run('DELETE FROM checkpoints WHERE id = ?', id);
  addGarbage(state, configurationPaths(SNAPSHOTS, id));
}
