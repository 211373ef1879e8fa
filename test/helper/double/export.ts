/**
 * ExportSystemDefinition of a recovery snapshot. What is checked is documented (Msvm_VirtualSystemExportSettingData);
 * what the files look like is not, and runs in several ways (state.ts, Behaviour).
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { basename, isAbsolute, join } from 'node:path';
import {
  copyContent,
  createDifferencingVhdxWriter,
  createVhdx,
  createVhdxWriter,
  inspectDisk,
} from '../../../backend/src/disk/index.ts';
import { replaceParentOf } from '../../../backend/src/disk/vhdx/identity.ts';
import type { CheckpointDisk, RecoveryCheckpoint } from '../../../backend/src/hosts/port.ts';
import { HvError } from '../../../backend/src/support/errors.ts';
import { CimFault, parseEmbedded, Refused } from './embedded.ts';
import { allCheckpoints, componentInstances, objectPath, type World } from './instances.ts';
import { instancesOf } from './query.ts';
import { BEFORE_1709, SINCE_1709 } from './schema.ts';

const INVALID_PARAMETER = 32773;
const FOR_BACKUP = 3;

const refuse = (why: string): never => {
  throw new Refused(INVALID_PARAMETER, why);
};
/** The job fails with a text that has the HRESULT in it. */
const fails = (text: string): HvError => new HvError('IO_ERROR', text);

export async function exportSystem(world: World, args: Record<string, unknown>): Promise<void> {
  const { properties } = parseEmbedded(args.ExportSettingData, 'Msvm_VirtualSystemExportSettingData');
  for (const name of SINCE_1709) {
    if (BEFORE_1709 && properties[name] !== undefined)
      throw new CimFault('InvalidParameter', `Msvm_VirtualSystemExportSettingData has no property ${name}`);
  }
  const vmId = String((args.ComputerSystem as { keys: Record<string, string> }).keys.Name).toLowerCase();
  const checkpoint = await exportedCheckpoint(world, vmId, properties);
  const since = await baseIds(world, vmId, String(properties.DifferentialBackupBase ?? ''));
  const excluded = await excludedPlaces(world, checkpoint, (properties.ExcludedVirtualHardDisks ?? []) as string[]);
  const directory = String(args.ExportDirectory);
  if (!isAbsolute(directory)) refuse('ExportDirectory');
  world.state.exports ??= [];
  world.state.exports.push({
    directory,
    base: String(properties.DifferentialBackupBase ?? ''),
    excluded: excluded.size,
  });
  if (!existsSync(directory) || !(await stat(directory)).isDirectory())
    throw fails(
      `Failed to create export directory '${directory}': The system cannot find the path specified. (0x80070003)`,
    );
  if ((await readdir(directory)).length > 0)
    throw fails('Cannot create a file when that file already exists. (0x800700B7)');
  if (since && world.behaviour.refusesDifferential) throw fails(world.behaviour.refusesDifferential);
  await writeConfiguration(world, checkpoint, directory);
  const disks = join(directory, 'Virtual Hard Disks');
  await mkdir(disks);
  for (const disk of checkpoint.disks) {
    const skipped = excluded.has(disk.index) || properties.CopyVmStorage === false;
    if (skipped && properties.DisableDifferentialOfIgnoredStorage === true) continue;
    if (world.behaviour.exportBreaksOff) {
      await writeFile(join(disks, 'half.vhdx'), Buffer.alloc(100_000, 1));
      throw fails(world.behaviour.exportBreaksOff);
    }
    // Documented: without that setting, differencing disks are made for what is not copied.
    if (skipped) await emptyDifference(disks, disk);
    else if (since) await exportDifference(world, checkpoint, disk, since, disks);
    else await exportWhole(world, checkpoint, disk, disks);
  }
  if (world.behaviour.exportStopsMerging) await world.host.setFault({ name: 'merge-stuck', vmId });
}

/** SnapshotVirtualSystem, a recovery snapshot of this VM, exported for backup. */
async function exportedCheckpoint(
  world: World,
  vmId: string,
  properties: Record<string, unknown>,
): Promise<RecoveryCheckpoint> {
  if (properties.CopySnapshotConfiguration !== FOR_BACKUP) refuse('CopySnapshotConfiguration');
  if (properties.BackupIntent !== undefined && ![0, 1].includes(Number(properties.BackupIntent)))
    refuse('BackupIntent');
  if (properties.CreateVmExportSubdirectory !== false) refuse('this double makes no subdirectory');
  const id =
    /^\\\\\w+\\root\\virtualization\\v2:Msvm_VirtualSystemSettingData\.InstanceID="Microsoft:([0-9A-F-]{36})"$/.exec(
      String(properties.SnapshotVirtualSystem),
    )?.[1];
  const found = (await allCheckpoints(world)).find((entry) => entry.id === id?.toLowerCase() && entry.vmId === vmId);
  return found ?? refuse('SnapshotVirtualSystem');
}

/** RCT ids that a differential export goes back to, by disk; undefined for a full one. */
async function baseIds(world: World, vmId: string, path: string): Promise<Record<string, string> | undefined> {
  if (path === '') return undefined;
  const points = await instancesOf(world, 'Msvm_VirtualSystemReferencePoint');
  const instance = points.find((entry) => objectPath(entry) === path) ?? refuse('DifferentialBackupBase');
  const id = String(instance.properties.InstanceID).toLowerCase();
  const point = (await world.host.listReferencePoints(vmId)).find((entry) => entry.id === id);
  if (!point) return refuse('DifferentialBackupBase');
  const listed = Object.fromEntries(point.disks.map((disk) => [disk.diskId, disk.rctId]));
  return world.behaviour.differentialFromIds ? listed : (world.state.sealed?.[id] ?? listed);
}

/**
 * Instance ids of places; documented: one that is no attached disk makes it fail, and the place counts, not the file.
 */
async function excludedPlaces(world: World, checkpoint: RecoveryCheckpoint, ids: string[]): Promise<Set<number>> {
  const placeOf = (instanceId: string): string => instanceId.slice(instanceId.indexOf('\\')).toUpperCase();
  const attached = componentInstances(checkpoint.vm, checkpoint.vmId, {}).filter(
    (entry) => entry.className === 'Msvm_StorageAllocationSettingData',
  );
  const owners = [checkpoint.vmId, ...(await allCheckpoints(world)).map(({ id }) => id)].map((id) => id.toUpperCase());
  const indexes = new Set<number>();
  for (const id of ids) {
    const owner = id.slice('Microsoft:'.length).split('\\')[0]!;
    const at = attached.findIndex((entry) => placeOf(String(entry.properties.InstanceID)) === placeOf(id));
    if (at < 0 || !owners.includes(owner.toUpperCase())) refuse('ExcludedVirtualHardDisks');
    const path = (attached[at]!.properties.HostResource as string[])[0];
    indexes.add(checkpoint.vm.disks.find((disk) => disk.path === path)!.index);
  }
  return indexes;
}

async function writeConfiguration(world: World, checkpoint: RecoveryCheckpoint, directory: string): Promise<void> {
  const folder = join(directory, 'Virtual Machines');
  await mkdir(folder);
  for (const file of await world.host.copyConfiguration(checkpoint)) {
    // Documented: the exported configuration has the id of the VM.
    await writeFile(join(folder, `${checkpoint.vmId.toUpperCase()}.${file.kind}`), await file.read());
  }
}

const nameOf = ({ path }: CheckpointDisk): string => basename(path).replace(/\.avhdx$/i, '.vhdx');

async function exportWhole(world: World, checkpoint: RecoveryCheckpoint, disk: CheckpointDisk, folder: string) {
  const { exportLayout = 'flat' } = world.behaviour;
  if (exportLayout === 'chain') return await copyChain(disk.path, folder);
  const device = await world.host.openDisk(checkpoint, disk.index);
  try {
    const copies = exportLayout === 'copies';
    const target = join(folder, copies ? `exported ${disk.index}.vhdx` : nameOf(disk));
    const writer = await createVhdxWriter(target, { size: disk.size, ...(copies ? {} : { diskId: disk.id }) });
    await copyContent(device, writer);
    await writer.finish();
  } finally {
    await device.close();
  }
}

/** The files of a chain as they are; the child names its parent where that was. */
async function copyChain(path: string, folder: string): Promise<void> {
  const child = join(folder, basename(path));
  await copyFile(path, child);
  const { parent } = await inspectDisk(path);
  const parentPath = parent?.absolutePath ?? parent?.relativePath;
  if (!parentPath) return;
  await copyChain(isAbsolute(parentPath) ? parentPath : join(path, '..', parentPath.replaceAll('\\', '/')), folder);
}

async function exportDifference(
  world: World,
  checkpoint: RecoveryCheckpoint,
  disk: CheckpointDisk,
  since: Record<string, string>,
  folder: string,
): Promise<void> {
  const rctId = since[disk.id];
  if (!rctId) throw fails(`The disk ${disk.index} has no change tracking in the base. (0xC03A0020)`);
  const whole = world.behaviour.differentialGives === 'whole';
  const target = join(folder, nameOf(disk));
  const device = await world.host.openDisk(checkpoint, disk.index);
  try {
    const writer = whole
      ? await createVhdxWriter(target, { size: disk.size, diskId: disk.id })
      : await createDifferencingVhdxWriter(target, disk.path);
    for await (const page of world.host.queryChanges(checkpoint, disk.index, rctId)) {
      for (const { offset, length } of page) {
        const data = Buffer.alloc(length);
        await device.read(offset, data);
        await writer.write(offset, data);
      }
    }
    await writer.finish();
    // Its base is in an older backup, nowhere that this machine knows of.
    if (!whole) await replaceParentOf(target, { linkage: [randomUUID()], absolutePath: 'Z:\\base.vhdx' });
  } catch (error) {
    if (error instanceof HvError && error.code.startsWith('TRACKING_')) throw fails(`${error.message} (0xC03A0020)`);
    throw error;
  } finally {
    await device.close();
  }
}

async function emptyDifference(folder: string, disk: CheckpointDisk): Promise<void> {
  const { dataWriteGuid } = await inspectDisk(disk.path);
  const parent = { linkage: [dataWriteGuid!], absolutePath: disk.path };
  await createVhdx(join(folder, nameOf(disk)), { size: disk.size, diskId: disk.id, parent });
}
