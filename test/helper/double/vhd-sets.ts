/**
 * VHD sets: the simulated host's disks, shown under another name, with the checkpoints' frozen files as their
 * snapshots.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { inspectDisk } from '../../../backend/src/disk/index.ts';
import type { RecoveryCheckpoint } from '../../../backend/src/hosts/port.ts';
import type { VmDisk } from '../../../backend/src/schema/vm.ts';
import { renderEmbedded } from './embedded.ts';
import type { World } from './instances.ts';
import { allCheckpoints, allVms } from './instances.ts';

const FILE_NOT_FOUND = 32779;
const INVALID_PARAMETER = 32773;
const PATHS = 2;

/** `ID.vhds` beside the disk: the small file that names the others. */
export function setPath(disk: Pick<VmDisk, 'id' | 'path'>): string {
  const path = join(dirname(disk.path), `${disk.id}.vhds`);
  if (existsSync(dirname(path)) && !existsSync(path)) writeFileSync(path, 'a VHD set');
  return path;
}

/** The disk that a set stands for. */
export async function setDisk(world: World, path: string): Promise<VmDisk | undefined> {
  const all = (await allVms({ ...world, only: undefined })).flatMap((vm) => vm.disks);
  return all.find((disk) => path.endsWith(`${disk.id}.vhds`));
}

/** @returns checkpoints that have the disk, with its frozen file */
export async function setSnapshots(world: World, disk: VmDisk) {
  const all: { checkpoint: RecoveryCheckpoint; path: string; rctId: string | null; index: number }[] = [];
  for (const checkpoint of await allCheckpoints({ ...world, only: undefined })) {
    const frozen = checkpoint.disks.find((entry) => entry.id === disk.id);
    if (frozen) all.push({ checkpoint, path: frozen.path, rctId: frozen.rctId, index: frozen.index });
  }
  return all;
}

async function chain(path: string): Promise<string[]> {
  const { parent } = await inspectDisk(path);
  return parent?.absolutePath ? [parent.absolutePath, ...(await chain(parent.absolutePath))] : [];
}

export async function setInformation(world: World, args: Record<string, unknown>) {
  const path = String(args.VHDSetPath);
  const disk = await setDisk(world, path);
  if (world.behaviour.vhdSetFails) return { returnValue: world.behaviour.vhdSetFails, out: {} };
  if (!disk) return { returnValue: existsSync(path) ? INVALID_PARAMETER : FILE_NOT_FOUND, out: {} };
  const snapshots = await setSnapshots(world, disk);
  const withPaths = (args.AdditionalInformation as number[] | undefined)?.includes(PATHS);
  const text = renderEmbedded(
    'Msvm_VHDSetInformation',
    {
      Path: path,
      SnapshotIdList: snapshots.map(({ checkpoint }) => checkpoint.id.toUpperCase()),
      AllPaths: withPaths ? [disk.path, ...(await chain(disk.path))] : [],
    },
    {},
  );
  return { returnValue: 0, out: { Information: text } };
}

export async function snapshotInformation(world: World, args: Record<string, unknown>) {
  const path = String(args.VHDSetPath);
  const disk = await setDisk(world, path);
  if (!disk) return { returnValue: existsSync(path) ? INVALID_PARAMETER : FILE_NOT_FOUND, out: {} };
  const wanted = (args.SnapshotIds as string[] | undefined)?.map((id) => id.toLowerCase());
  const all = await setSnapshots(world, disk);
  if (wanted?.some((id) => !all.some(({ checkpoint }) => checkpoint.id === id)))
    return { returnValue: INVALID_PARAMETER, out: {} };
  const withPaths = (args.AdditionalInformation as number[] | undefined)?.includes(PATHS);
  const texts: string[] = [];
  for (const snapshot of all.filter(({ checkpoint }) => !wanted || wanted.includes(checkpoint.id))) {
    const properties = {
      FilePath: path,
      SnapshotId: snapshot.checkpoint.id.toUpperCase(),
      SnapshotPath: snapshot.path,
      ParentPathsList: withPaths ? await chain(snapshot.path) : [],
      ResilientChangeTrackingId: world.behaviour.vhdSetUntracked ? '' : (snapshot.rctId ?? ''),
    };
    texts.push(renderEmbedded('Msvm_VHDSnapshotInformation', properties, {}));
  }
  return { returnValue: 0, out: { SnapshotInformation: texts } };
}
