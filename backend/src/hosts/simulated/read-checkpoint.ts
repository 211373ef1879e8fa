/** Reading what a checkpoint has frozen: its description, its disks, its configuration files. */
import { readFile, stat } from 'node:fs/promises';
import type { BlockDevice } from '../../disk/device.ts';
import { HvError, isHvError, toHvError } from '../../support/errors.ts';
import type { ConfigurationFile, RecoveryCheckpoint } from '../port.ts';
import { configurationPaths } from './configuration.ts';
import type { HostContext } from './context.ts';
import { FrozenDisk } from './frozen-disk.ts';
import { absolute, SNAPSHOTS } from './layout.ts';
import { type CheckpointRow, checkpoint, checkpointDisks } from './rows.ts';
import type { State } from './state.ts';

/** A checkpoint as the port shows it. */
export function describeCheckpoint(root: string, state: State, row: CheckpointRow): RecoveryCheckpoint {
  return {
    id: row.id,
    vmId: row.vm_id,
    label: row.label,
    createdAt: row.created_at,
    consistency: row.consistency,
    vm: JSON.parse(row.vm),
    disks: checkpointDisks(state, row.id).map((disk) => ({
      index: disk.position,
      id: disk.disk_id,
      path: absolute(root, disk.path),
      size: disk.size,
      rctId: disk.rct_id,
    })),
  };
}

/** Oldest first. */
export function listCheckpoints(root: string, state: State, vmId: string): RecoveryCheckpoint[] {
  return state
    .all<CheckpointRow>('SELECT * FROM checkpoints WHERE vm_id = ? ORDER BY ordinal', vmId)
    .map((row) => describeCheckpoint(root, state, row));
}

/**
 * Opens the frozen content of a disk. Under the lock, so that no merge moves the files meanwhile.
 * @throws CHECKPOINT_NOT_FOUND, VM_DISK_NOT_FOUND, DISK_CORRUPT
 */
export async function openFrozenDisk(ctx: HostContext, checkpointId: string, index: number): Promise<BlockDevice> {
  const { vm_id: vmId } = checkpoint(ctx.state, checkpointId);
  const disk = checkpointDisks(ctx.state, checkpointId).find((row) => row.position === index);
  if (!disk) {
    throw new HvError('VM_DISK_NOT_FOUND', `The checkpoint ${checkpointId} has no disk ${index}`, {
      advice: 'Disks added after the checkpoint are in the next one.',
      data: { checkpointId, disk: index },
    });
  }
  return await FrozenDisk.open(ctx, { checkpointId, vmId, index });
}

/**
 * The configuration files as frozen.
 * @throws CHECKPOINT_NOT_FOUND
 */
export async function frozenConfiguration(ctx: HostContext, checkpointId: string): Promise<ConfigurationFile[]> {
  checkpoint(ctx.view, checkpointId);
  const files: ConfigurationFile[] = [];
  for (const relative of configurationPaths(SNAPSHOTS, checkpointId)) {
    const file = absolute(ctx.root, relative);
    const size = await sizeOf(file);
    if (size === undefined) continue;
    const [name, kind] = [relative.slice(SNAPSHOTS.length + 1), relative.slice(-4) as ConfigurationFile['kind']];
    files.push({ name, kind, size, read: () => readFrozen(ctx, checkpointId, file) });
  }
  return files;
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    const cause = toHvError(error, file);
    if (isHvError(cause, 'FILE_NOT_FOUND')) return undefined;
    throw cause;
  }
}

async function readFrozen(ctx: HostContext, checkpointId: string, file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    checkpoint(ctx.view, checkpointId); // ended meanwhile: say that instead
    throw toHvError(error, file);
  }
}
