/**
 * Typed access to the rows of the state. Functions read through any connection; writing is up to the holder of the
 * lock.
 */

import type { Consistency, VmDescription } from '../../schema/vm.ts';
import { HvError } from '../../support/errors.ts';
import { parseGuid } from '../../support/guid.ts';
import { didYouMean } from '../../support/suggest.ts';
import type { JournalMark } from './rct-journal.ts';
import type { State } from './state.ts';

/** What the state keeps of a VM; its disks are determined from their files each time. */
export type VmDefinition = Omit<VmDescription, 'disks'>;

export interface DiskRow {
  key: number;
  vm_id: string;
  position: number;
  controller_type: 'IDE' | 'SCSI';
  controller_number: number;
  controller_location: number;
  /** The file the guest writes to. */
  active_layer: number;
  /** Relative path of the RCT journal. */
  journal: string;
  tracker: string | null;
  generation: number | null;
  journal_length: number | null;
  /** Id and size of the disk when tracking began. */
  tracked_id: string | null;
  tracked_size: number | null;
  /** Length of the journal after its last rewrite. */
  compacted_length: number | null;
  /** RCT id of the newest checkpoint, existing or not. */
  frozen_rct_id: string | null;
}

export interface LayerRow {
  id: number;
  disk_key: number;
  parent: number | null;
  path: string;
  /** DataWriteGuid this host last left in the file. */
  guid: string;
  pending_guid: string | null;
  /** 1: its checkpoint has ended, its content goes to the parent. */
  merging: number;
  checkpoint_id: string | null;
}

export interface CheckpointRow {
  id: string;
  vm_id: string;
  label: string;
  created_at: string;
  consistency: Consistency;
  vm: string;
}

export interface CheckpointDiskRow {
  checkpoint_id: string;
  position: number;
  disk_key: number;
  /** Top layer of the frozen chain. */
  layer: number;
  disk_id: string;
  size: number;
  /** Of the top layer, as it is now: a merge below may have moved it. */
  path: string;
  rct_id: string | null;
}

/** All VMs in the order they were created. */
export function vmDefinitions(state: State): VmDefinition[] {
  return state
    .all<{ definition: string }>('SELECT definition FROM vms ORDER BY ordinal')
    .map((row) => JSON.parse(row.definition));
}

/** @throws VM_NOT_FOUND */
export function vmDefinition(state: State, vmId: string): VmDefinition {
  const row = state.get<{ definition: string }>('SELECT definition FROM vms WHERE id = ?', vmId);
  if (!row) throw vmNotFound(state, vmId);
  return JSON.parse(row.definition);
}

export const vmExists = (state: State, vmId: string): boolean =>
  state.get('SELECT 1 FROM vms WHERE id = ?', vmId) !== undefined;

/** @throws VM_NOT_FOUND (data.known), VM_AMBIGUOUS (data.ids) */
export function findVm(state: State, nameOrId: string): VmDefinition {
  const all = vmDefinitions(state);
  const id = parseGuid(nameOrId);
  const byId = all.find((vm) => vm.id === id);
  if (byId) return byId;
  const wanted = nameOrId.toLowerCase();
  const matches = all.filter((vm) => vm.name.toLowerCase() === wanted);
  if (matches.length === 1) return matches[0]!;
  if (matches.length === 0) throw vmNotFound(state, nameOrId);
  throw new HvError('VM_AMBIGUOUS', `${matches.length} VMs are named "${nameOrId}"`, {
    advice: 'Give the id of the one that is meant.',
    data: { name: nameOrId, ids: matches.map((vm) => vm.id) },
  });
}

function vmNotFound(state: State, nameOrId: string): HvError {
  const known = vmDefinitions(state).map((vm) => vm.name);
  return new HvError('VM_NOT_FOUND', `There is no VM "${nameOrId}" on the host`, {
    advice:
      known.length > 0
        ? didYouMean(nameOrId, known, 'List the VMs to see their names and ids.')
        : 'The host has no VMs; create one first.',
    data: { vm: nameOrId, known },
  });
}

export const disksOf = (state: State, vmId: string): DiskRow[] =>
  state.all<DiskRow>('SELECT * FROM disks WHERE vm_id = ? ORDER BY position', vmId);

/** @throws VM_NOT_FOUND, VM_DISK_NOT_FOUND */
export function diskAt(state: State, vmId: string, index: number): DiskRow {
  const disks = disksOf(state, vmId);
  const disk = disks.find((row) => row.position === index);
  if (disk) return disk;
  vmDefinition(state, vmId);
  throw new HvError('VM_DISK_NOT_FOUND', `The VM ${vmId} has no disk ${index}`, {
    advice: disks.length > 0 ? `Its disks are 0 to ${disks.length - 1}.` : 'It has no disks.',
    data: { vmId, disk: index, disks: disks.length },
  });
}

export const layer = (state: State, id: number): LayerRow =>
  state.get<LayerRow>('SELECT * FROM layers WHERE id = ?', id)!;

/** The chain that ends in layer `top`: base first. Undefined when a layer of it is gone. */
export function chainOf(state: State, top: number): LayerRow[] | undefined {
  const chain: LayerRow[] = [];
  for (let at: number | null = top; at !== null; ) {
    const row: LayerRow | undefined = layer(state, at);
    if (!row) return undefined;
    chain.unshift(row);
    at = row.parent;
  }
  return chain;
}

/** The durable part of a disk's journal; undefined when it is not tracked. */
export function journalMark(disk: DiskRow): JournalMark | undefined {
  if (disk.tracker === null) return undefined;
  return { tracker: disk.tracker, generation: disk.generation!, length: disk.journal_length! };
}

/** @throws CHECKPOINT_NOT_FOUND */
export function checkpoint(state: State, id: string): CheckpointRow {
  const row = state.get<CheckpointRow>('SELECT * FROM checkpoints WHERE id = ?', id);
  if (row) return row;
  throw checkpointNotFound(id);
}

export function checkpointNotFound(id: string): HvError {
  return new HvError('CHECKPOINT_NOT_FOUND', `The recovery checkpoint is not on the host (any more): ${id}`, {
    advice: 'Run the backup again; it takes a new checkpoint.',
    data: { checkpointId: id },
  });
}

export const checkpointDisks = (state: State, id: string): CheckpointDiskRow[] =>
  state.all<CheckpointDiskRow>(
    'SELECT checkpoint_disks.*, path FROM checkpoint_disks JOIN layers ON layers.id = layer WHERE checkpoint_disks.checkpoint_id = ? ORDER BY position',
    id,
  );
