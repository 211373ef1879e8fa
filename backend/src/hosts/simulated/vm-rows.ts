/** Inserting and deleting a VM's rows: always within one transaction, with the files that go left as garbage. */
import type { VmDescription } from '../../schema/vm.ts';
import { configurationPaths } from './configuration.ts';
import { addGarbage } from './garbage.ts';
import { SNAPSHOTS, VIRTUAL_MACHINES } from './layout.ts';
import { journalPath } from './rct-journal.ts';
import { disksOf, type VmDefinition } from './rows.ts';
import type { State } from './state.ts';

/** A disk file in its final place. */
export interface PlacedDisk {
  /** Relative path. */
  path: string;
  /** DataWriteGuid of the file. */
  guid: string;
  controllerType: 'IDE' | 'SCSI';
  controllerNumber: number;
  controllerLocation: number;
}

export function insertVm(
  state: State,
  definition: VmDefinition,
  disks: PlacedDisk[],
  files: Map<string, Uint8Array>,
): void {
  state.run(
    'INSERT INTO vms (id, ordinal, definition) VALUES (?, ?, ?)',
    definition.id,
    state.nextOrdinal(),
    JSON.stringify(definition),
  );
  for (const [kind, data] of files) state.run('INSERT INTO vm_files VALUES (?, ?, ?)', definition.id, kind, data);
  for (const [position, disk] of disks.entries()) insertDisk(state, definition.id, position, disk);
}

export function insertDisk(state: State, vmId: string, position: number, disk: PlacedDisk): void {
  const key = state.run(
    'INSERT INTO disks (vm_id, position, controller_type, controller_number, controller_location, journal) VALUES (?, ?, ?, ?, ?, ?)',
    vmId,
    position,
    disk.controllerType,
    disk.controllerNumber,
    disk.controllerLocation,
    journalPath(disk.path),
  );
  const layer = state.run('INSERT INTO layers (disk_key, path, guid) VALUES (?, ?, ?)', key, disk.path, disk.guid);
  state.run('UPDATE disks SET active_layer = ? WHERE key = ?', layer, key);
}

/** Removes a disk of a VM; the positions behind it move up. */
export function deleteDisk(state: State, key: number): void {
  const disk = state.get<{ vm_id: string; position: number; journal: string }>(
    'SELECT * FROM disks WHERE key = ?',
    key,
  )!;
  const files = state.all<{ path: string }>('SELECT path FROM layers WHERE disk_key = ?', key).map((row) => row.path);
  addGarbage(state, [...files, disk.journal]);
  state.run('DELETE FROM layers WHERE disk_key = ?', key);
  state.run('DELETE FROM disks WHERE key = ?', key);
}

/**
 * Removes a VM with its checkpoints, reference points and files.
 * @param successor the VM that takes its id: its configuration files will be written over the old ones
 */
export function deleteVm(state: State, vmId: string, successor?: VmDescription | VmDefinition): void {
  for (const { key } of disksOf(state, vmId)) deleteDisk(state, key);
  for (const { id } of state.all<{ id: string }>('SELECT id FROM checkpoints WHERE vm_id = ?', vmId)) {
    state.run('DELETE FROM checkpoint_disks WHERE checkpoint_id = ?', id);
    addGarbage(state, configurationPaths(SNAPSHOTS, id));
  }
  for (const table of ['checkpoints', 'reference_points', 'vm_files'])
    state.run(`DELETE FROM ${table} WHERE vm_id = ?`, vmId);
  state.run('DELETE FROM vms WHERE id = ?', vmId);
  const kept = successor ? (successor.generation === 2 ? 3 : 2) : 0;
  addGarbage(state, configurationPaths(VIRTUAL_MACHINES, vmId).slice(kept));
  if (!successor) state.run('DELETE FROM faults WHERE vm_id = ?', vmId);
}
