/** Changes an administrator makes to a VM: its disks, its state, its configuration. */
import { rename } from 'node:fs/promises';
import path from 'node:path';
import type { VmDescription } from '../../schema/vm.ts';
import { HvError } from '../../support/errors.ts';
import { syncDirectory } from '../../support/file.ts';
import { newGuid } from '../../support/guid.ts';
import { markDirty } from './configuration.ts';
import type { HostContext } from './context.ts';
import { growDisk, readDiskFacts, setDiskId } from './disk-files.ts';
import { forgetIntent, recordIntent } from './garbage.ts';
import { type Controller, freeController } from './hardware.ts';
import { requireEncodable } from './import-configuration.ts';
import { type DiskSource, importDisk } from './import-disk.ts';
import { requireImportsFit } from './import-need.ts';
import { absolute, safeStem, takenDiskNames, uniqueDiskName, VIRTUAL_DISKS } from './layout.ts';
import { locked } from './locked.ts';
import { chainOf, type DiskRow, diskAt, disksOf, vmDefinition, vmExists } from './rows.ts';
import { Staging } from './staging.ts';
import { endTracking } from './tracking.ts';
import { deleteDisk, deleteVm, insertDisk } from './vm-rows.ts';

/** Attaches one more disk, after the others. @returns warnings */
export function addDisk(ctx: HostContext, vmId: string, source: DiskSource): Promise<string[]> {
  return withImported(ctx, vmId, source, async (place) => {
    const { generation } = vmDefinition(ctx.state, vmId);
    const disks = disksOf(ctx.state, vmId);
    await place(disks.length, freeController(generation, disks.map(controllerOf)), () => undefined);
  });
}

/** Puts another disk in the place of disk `index`: same controller, new file, new id. @returns warnings */
export function replaceDisk(ctx: HostContext, vmId: string, index: number, source: DiskSource): Promise<string[]> {
  return withImported(ctx, vmId, source, async (place) => {
    const old = diskAt(ctx.state, vmId, index);
    requireNoCheckpoint(ctx, old);
    await endTracking(ctx, old, 'TRACKING_ID_INVALID', 'the disk was replaced by another');
    await place(index, controllerOf(old), () => deleteDisk(ctx.state, old.key));
  });
}

type Place = (position: number, controller: Controller, before: () => void) => Promise<void>;

/** Imports a disk aside, then runs `action` under the lock with a function that puts it in its place. */
async function withImported(
  ctx: HostContext,
  vmId: string,
  source: DiskSource,
  action: (place: Place) => Promise<void>,
): Promise<string[]> {
  vmDefinition(ctx.view, vmId);
  const warnings = await requireImportsFit(ctx.root, [source]);
  const staging = await Staging.open(ctx, vmId, () => vmDefinition(ctx.state, vmId));
  try {
    const file = staging.path('disk.vhdx');
    warnings.push(...(await importDisk(source, file)));
    await setDiskId(file, newGuid());
    const { dataWriteGuid: guid } = await readDiskFacts(file);
    await locked(ctx, () =>
      action(async (position, controller, before) => {
        const stem = `${safeStem(vmDefinition(ctx.state, vmId).name)}-disk${position}`;
        const target = `${VIRTUAL_DISKS}/${uniqueDiskName(stem, await takenDiskNames(ctx.root))}`;
        const intent = recordIntent(ctx.state, 'place-disk', [target]);
        await rename(file, absolute(ctx.root, target));
        await syncDirectory(path.join(ctx.root, VIRTUAL_DISKS));
        ctx.state.transaction(() => {
          before();
          insertDisk(ctx.state, vmId, position, { path: target, guid, ...controller });
          markDirty(ctx.state, vmId);
          staging.forget(ctx.state);
          forgetIntent(ctx.state, intent);
        });
      }),
    );
    staging.release();
    return warnings;
  } catch (error) {
    await staging.discard();
    throw error;
  }
}

/** Detaches disk `index` and deletes its file; the disks behind it move up by one. */
export function removeDisk(ctx: HostContext, vmId: string, index: number): Promise<void> {
  return locked(ctx, async () => {
    const disk = diskAt(ctx.state, vmId, index);
    requireNoCheckpoint(ctx, disk);
    await endTracking(ctx, disk, 'TRACKING_ID_INVALID', 'the disk was removed from the VM');
    ctx.state.transaction(() => {
      deleteDisk(ctx.state, disk.key);
      ctx.state.run('UPDATE disks SET position = position - 1 WHERE vm_id = ? AND position > ?', vmId, index);
      markDirty(ctx.state, vmId);
    });
  });
}

/**
 * Makes disk `index` larger; same id, same content. Tracking is invalid afterwards, as after any change of size.
 * @param size bytes, rounded up to a whole sector
 * @throws NOT_SUPPORTED for a smaller size
 */
export function resizeDisk(ctx: HostContext, vmId: string, index: number, size: number): Promise<void> {
  return locked(ctx, async () => {
    const disk = diskAt(ctx.state, vmId, index);
    requireNoCheckpoint(ctx, disk);
    await growDisk(absolute(ctx.root, chainOf(ctx.state, disk.active_layer)![0]!.path), size);
    ctx.state.transaction(() => markDirty(ctx.state, vmId));
  });
}

/** Turns the VM on or off, as far as the state goes. */
export const setVmState = (ctx: HostContext, vmId: string, state: VmDescription['state']): Promise<void> =>
  configureVm(ctx, vmId, { state });

/**
 * Changes the definition of a VM.
 * @throws CONFIGURATION_UNSUPPORTED, CONFIGURATION_CORRUPT when it cannot be written
 */
export function configureVm(
  ctx: HostContext,
  vmId: string,
  change: Partial<Omit<VmDescription, 'id' | 'disks' | 'generation'>>,
): Promise<void> {
  return locked(ctx, async () => {
    const definition = { ...vmDefinition(ctx.state, vmId), ...change };
    requireEncodable(definition);
    ctx.state.run(
      'UPDATE vms SET definition = ?, configuration_dirty = 1 WHERE id = ?',
      JSON.stringify(definition),
      vmId,
    );
  });
}

/**
 * Deletes a VM with all its files, checkpoints and reference points.
 * @throws VM_RUNNING. Not an error when it is gone.
 */
export function removeVm(ctx: HostContext, vmId: string): Promise<void> {
  return locked(ctx, async () => {
    if (!vmExists(ctx.state, vmId)) return;
    const { name, state } = vmDefinition(ctx.state, vmId);
    if (state === 'Running' || state === 'Paused') {
      throw new HvError('VM_RUNNING', `The VM "${name}" is ${state.toLowerCase()} and cannot be removed`, {
        advice: 'Turn it off first.',
        data: { vmId, name, state },
      });
    }
    ctx.state.transaction(() => deleteVm(ctx.state, vmId));
  });
}

const controllerOf = (row: DiskRow): Controller => ({
  controllerType: row.controller_type,
  controllerNumber: row.controller_number,
  controllerLocation: row.controller_location,
});

/** As on Hyper-V: a disk with differencing disks on it stays as it is. */
function requireNoCheckpoint(ctx: HostContext, disk: DiskRow): void {
  if (chainOf(ctx.state, disk.active_layer)!.length === 1) return;
  throw new HvError(
    'NOT_SUPPORTED',
    `Disk ${disk.position} of VM ${disk.vm_id} has a checkpoint, or one that is not merged yet`,
    {
      advice: 'Convert or remove the checkpoint first.',
      data: { vmId: disk.vm_id, disk: disk.position },
    },
  );
}
