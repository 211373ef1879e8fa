/** The failures of real life, on request. They are kept in the state, so any process can set them for any other. */
import { HvError } from '../../support/errors.ts';
import type { State } from './state.ts';

/** What can go wrong, and how it shows. */
const FAULTS = {
  'application-consistency-refused': 'the guest cannot be quiesced: crash consistency, or CONSISTENCY_NOT_POSSIBLE',
  'checkpoint-fails': 'CHECKPOINT_FAILED when a recovery checkpoint is created',
  'convert-fails': 'CHECKPOINT_FAILED when a checkpoint is converted; the checkpoint stays',
  'tracking-lost': 'the RCT journal is gone when the next checkpoint is created',
  'query-fails': 'TRACKING_INCONSISTENT when changed ranges are asked for',
  'reference-point-rct-id-differs': 'a new reference point carries an RCT id sealed after the freeze',
  'host-lost-during-read': 'HOST_LOST while a frozen disk is read',
  'merge-stuck': 'differencing disks stay unmerged after a checkpoint has ended',
} as const;

export type FaultName = keyof typeof FAULTS;
export const FAULT_NAMES = Object.keys(FAULTS) as FaultName[];

export interface Fault {
  name: FaultName;
  /** Id of the VM; every VM when absent. */
  vmId?: string;
  /** Disk index; every disk when absent. */
  disk?: number;
  /** How many times it strikes; until cleared when absent. */
  count?: number;
  /** How many occasions pass first; default 0. */
  after?: number;
}

interface FaultRow {
  id: number;
  name: FaultName;
  vm_id: string | null;
  disk: number | null;
  remaining: number | null;
  after: number;
}

/** @throws USAGE for a name that is not known */
export function requireFaultName(name: string): FaultName {
  if (Object.hasOwn(FAULTS, name)) return name as FaultName;
  throw new HvError('USAGE', `There is no fault "${name}"`, {
    advice: `Use one of: ${FAULT_NAMES.join(', ')}.`,
    data: { name, known: FAULT_NAMES },
  });
}

/** Sets a fault in place of the one with the same name, VM and disk. */
export function setFault(state: State, fault: Fault): void {
  state.transaction(() => {
    state.run(
      'DELETE FROM faults WHERE name = ? AND vm_id IS ? AND disk IS ?',
      requireFaultName(fault.name),
      fault.vmId ?? null,
      fault.disk ?? null,
    );
    state.run(
      'INSERT INTO faults (name, vm_id, disk, remaining, after) VALUES (?, ?, ?, ?, ?)',
      fault.name,
      fault.vmId ?? null,
      fault.disk ?? null,
      fault.count ?? null,
      fault.after ?? 0,
    );
  });
}

/** Clears the faults that match what is given; all of them when nothing is. */
export function clearFaults(state: State, filter: { name?: string; vmId?: string; disk?: number } = {}): void {
  if (filter.name !== undefined) requireFaultName(filter.name);
  state.run(
    'DELETE FROM faults WHERE (?1 IS NULL OR name = ?1) AND (?2 IS NULL OR vm_id = ?2) AND (?3 IS NULL OR disk = ?3)',
    filter.name ?? null,
    filter.vmId ?? null,
    filter.disk ?? null,
  );
}

export function listFaults(state: State): Fault[] {
  return state.all<FaultRow>('SELECT * FROM faults ORDER BY id').map((row) => ({
    name: row.name,
    ...(row.vm_id === null ? {} : { vmId: row.vm_id }),
    ...(row.disk === null ? {} : { disk: row.disk }),
    ...(row.remaining === null ? {} : { count: row.remaining }),
    ...(row.after === 0 ? {} : { after: row.after }),
  }));
}

/**
 * The fault that is set for this occasion, if any; nothing is counted. Without `disk`, one set for any disk matches.
 */
export function pendingFault(state: State, name: FaultName, vmId: string, disk?: number): FaultRow | undefined {
  return state.get<FaultRow>(
    'SELECT * FROM faults WHERE name = ?1 AND (vm_id IS NULL OR vm_id = ?2) AND (?3 IS NULL OR disk IS NULL OR disk = ?3) ORDER BY id',
    name,
    vmId,
    disk ?? null,
  );
}

/** Counts an occasion. @returns whether the fault strikes. Only for the holder of the lock. */
export function strikes(state: State, name: FaultName, vmId: string, disk?: number): boolean {
  const row = pendingFault(state, name, vmId, disk);
  if (!row) return false;
  if (row.after > 0) {
    state.run('UPDATE faults SET after = after - 1 WHERE id = ?', row.id);
    return false;
  }
  countStrike(state, row.id);
  return true;
}

/** Counts a strike of a fault that was found before. */
export function countStrike(state: State, id: number): void {
  state.transaction(() => {
    state.run('UPDATE faults SET remaining = remaining - 1 WHERE id = ?', id);
    state.run('DELETE FROM faults WHERE id = ? AND remaining <= 0', id);
  });
}
