/** Recovery checkpoints as the port shows them. */
import type { Consistency, VmDescription } from '../../../schema/vm.ts';
import type { CheckpointDisk, RecoveryCheckpoint } from '../../port.ts';
import { describeVm } from '../vms/describe.ts';
import { placedDisks, placeOf } from '../vms/describe-disks.ts';
import type { SetProblem, SetSnapshot } from '../vms/vhd-sets.ts';
import { type DiskFacts, type Snapshot, type SystemAnswer, settingsId } from '../wmi.ts';

/**
 * WMI does not keep which consistency was reached, so the checkpoint's name says it, for people too:
 * `LABEL [application-consistent]`.
 */
export const nameWith = (label: string, consistency: Consistency): string => `${label} [${consistency}-consistent]`;

function readName(name: string): { label: string; consistency: Consistency } {
  const match = /^(.*) \[(application|crash)-consistent\]$/s.exec(name);
  // Others' checkpoints: the weaker is certain.
  return match ? { label: match[1]!, consistency: match[2] as Consistency } : { label: name, consistency: 'crash' };
}

export interface CheckpointFacts {
  /** Of the frozen disk files, by path. */
  facts: Map<string, DiskFacts>;
  /** RCT ids of the frozen disks, by path. */
  rctIds: Map<string, string>;
  /** Snapshots of VHD sets, by path of the set. */
  sets: Map<string, SetSnapshot | SetProblem>;
}

/** @param vm the VM as it is now: its name, its state, and disks that no checkpoint can have */
export function describeCheckpoint(
  snapshot: Snapshot,
  vm: SystemAnswer,
  { facts, rctIds, sets }: CheckpointFacts,
): RecoveryCheckpoint {
  const { settings, components } = snapshot;
  const { label, consistency } = readName(settings.elementName);
  const description = withLeftOut(
    describeVm({ ...vm, settings, components, facts, name: vm.settings.elementName }),
    describeVm({ ...vm, facts }),
  );
  return {
    id: settingsId(settings.instanceID),
    vmId: description.id,
    label,
    createdAt: settings.creationTime ? new Date(settings.creationTime).toISOString() : '',
    consistency,
    disks: description.disks.map(({ index, id, path, size, format }): CheckpointDisk => {
      const frozen = components.find((component) => component.hostResource[0] === path);
      const set = sets.get(path);
      const shared = frozen?.persistentReservationsSupported === true;
      const skipped = set ? setReason(set, facts.get(path)) : skipReason(format, shared, frozen !== undefined);
      const rctId = (set && 'path' in set ? set.rctId : rctIds.get(path)) ?? null;
      return { index, id, path, size, rctId, ...(skipped ? { skipped } : {}) };
    }),
    vm: description,
  };
}

/**
 * Pass-through disks are left out of checkpoints (IgnoreNonSnapshottableDisks); they must not be left out of the
 * result.
 */
function withLeftOut(frozen: VmDescription, now: VmDescription): VmDescription {
  const places = new Set(frozen.disks.map(placeOf));
  const missing = now.disks.filter((disk) => disk.format === 'passthrough' && !places.has(placeOf(disk)));
  if (missing.length === 0) return frozen;
  const order = (disk: { controllerType: string; controllerNumber: number; controllerLocation: number }) =>
    now.disks.findIndex((entry) => placeOf(entry) === placeOf(disk as never));
  const disks = [...frozen.disks, ...missing].sort((a, b) => order(a) - order(b));
  return { ...frozen, disks: disks.map((disk, index) => ({ ...disk, index })) };
}

function skipReason(format: string, shared: boolean, frozen: boolean): string | undefined {
  if (format === 'passthrough') return 'a pass-through disk cannot be part of a checkpoint';
  if (format === 'vhds') return 'it is a VHD set, and the checkpoint does not have it';
  if (shared) return 'it is a VHDX shared between VMs, which Hyper-V freezes in VHD sets only';
  return frozen ? undefined : 'the checkpoint does not have it';
}

function setReason(set: SetSnapshot | SetProblem, facts: DiskFacts | undefined): string | undefined {
  if ('problem' in set) return set.problem;
  return facts?.error ? `it is a VHD set that cannot be described: ${facts.error.message}` : undefined;
}

/** Paths of the disk files of a checkpoint or VM. */
export const diskPaths = (components: Snapshot['components']): string[] =>
  placedDisks(components)
    .filter((disk) => !disk.passThrough && disk.path !== '')
    .map((disk) => disk.path);
