/** Reference points: what remains of converted checkpoints, for the next incremental to start from. */
import type { Consistency } from '../../schema/vm.ts';
import type { ReferencePoint } from '../port.ts';
import type { State } from './state.ts';
import type { StoredReferenceDisk } from './tracking.ts';

interface Row {
  id: string;
  vm_id: string;
  created_at: string;
  consistency: Consistency;
  disks: string;
}

/** Oldest first. */
export function listReferencePoints(state: State, vmId: string): ReferencePoint[] {
  return state.all<Row>('SELECT * FROM reference_points WHERE vm_id = ? ORDER BY ordinal', vmId).map((row) => ({
    id: row.id,
    vmId: row.vm_id,
    createdAt: row.created_at,
    consistency: row.consistency,
    disks: (JSON.parse(row.disks) as StoredReferenceDisk[]).map(({ diskId, rctId }) => ({ diskId, rctId })),
  }));
}

/** Under the lock. Not an error when it is gone. */
export function removeReferencePoint(state: State, id: string): void {
  state.run('DELETE FROM reference_points WHERE id = ?', id);
}
