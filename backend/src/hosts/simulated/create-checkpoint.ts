/**
 * Recovery checkpoints: one differencing disk (AVHDX) for every disk, made at one moment; the guest goes on in them and
 * what lies below is frozen. Several may exist at once, ours and others', each on top of the one before.
 */
import type { Consistency, VmDescription } from '../../schema/vm.ts';
import { HvError, toHvError } from '../../support/errors.ts';
import { newGuid } from '../../support/guid.ts';
import type { CheckpointRequest } from '../port.ts';
import { configurationPaths, writeCheckpointConfiguration } from './configuration.ts';
import { type HostContext, reach } from './context.ts';
import { diskOf } from './describe.ts';
import { createChild, readDiskFacts } from './disk-files.ts';
import { strikes } from './faults.ts';
import { forgetIntent, recordIntent, rollBackIntents } from './garbage.ts';
import { absolute, checkpointDiskPath, SNAPSHOTS } from './layout.ts';
import { disksOf, vmDefinition } from './rows.ts';
import { endTracking, sealTracking, type VerifiedDisk, verifyDisk } from './tracking.ts';

interface FrozenDisk extends VerifiedDisk {
  /** Relative path of the differencing disk the guest goes on with. */
  childPath: string;
  rctId: string;
  childGuid: string;
}

/**
 * Under the lock.
 * @returns id of the checkpoint
 * @throws VM_NOT_FOUND, CONSISTENCY_NOT_POSSIBLE, DISK_CORRUPT, DISK_FULL, …, CHECKPOINT_FAILED for anything else
 */
export async function createCheckpoint(ctx: HostContext, vmId: string, request: CheckpointRequest): Promise<string> {
  const definition = vmDefinition(ctx.state, vmId);
  const consistency = reachableConsistency(ctx, vmId, definition.name, request);
  if (strikes(ctx.state, 'checkpoint-fails', vmId)) {
    throw checkpointFailed(definition.name, 'an injected fault', undefined);
  }
  const id = newGuid();
  try {
    const disks = await verifyDisks(ctx, vmId);
    const vm: VmDescription = {
      ...definition,
      disks: disks.map(({ disk, facts, chain }) => diskOf(disk, facts, absolute(ctx.root, chain.at(-1)!.path))),
    };
    const children = disks.map((disk) => checkpointDiskPath(disk.chain[0]!.path, id));
    const intent = recordIntent(ctx.state, 'create-checkpoint', [...children, ...configurationPaths(SNAPSHOTS, id)]);
    reach('create-checkpoint:intended');
    const frozen: FrozenDisk[] = [];
    for (const [i, disk] of disks.entries()) frozen.push(await freeze(ctx, disk, children[i]!));
    await writeCheckpointConfiguration(ctx, id, vm);
    reach('create-checkpoint:sealed');
    ctx.state.transaction(() => {
      insertCheckpoint(ctx, id, vm, consistency, request.label, frozen);
      forgetIntent(ctx.state, intent);
    });
  } catch (error) {
    await rollBackIntents(ctx).catch(() => undefined); // otherwise the next holder of the lock does it
    // A damaged or unreadable disk, a full volume: that says more than that the checkpoint failed.
    if (error instanceof HvError && error.code !== 'INTERNAL' && error.code !== 'IO_ERROR') throw error;
    throw checkpointFailed(definition.name, toHvError(error).message, error);
  }
  reach('create-checkpoint:done');
  return id;
}

function reachableConsistency(ctx: HostContext, vmId: string, name: string, request: CheckpointRequest): Consistency {
  if (request.consistency === 'crash' || !strikes(ctx.state, 'application-consistency-refused', vmId)) {
    return request.consistency;
  }
  if (request.allowCrashConsistent) return 'crash';
  throw new HvError(
    'CONSISTENCY_NOT_POSSIBLE',
    `The guest of VM "${name}" could not be brought to an application-consistent state`,
    {
      advice: 'Check the integration services and VSS writers in the guest, or allow a crash-consistent backup.',
      data: { vmId },
    },
  );
}

async function verifyDisks(ctx: HostContext, vmId: string): Promise<VerifiedDisk[]> {
  const verified: VerifiedDisk[] = [];
  for (const row of disksOf(ctx.state, vmId)) {
    if (strikes(ctx.state, 'tracking-lost', vmId, row.position)) {
      await endTracking(ctx, row, 'TRACKING_LOST', 'an injected fault lost the journal');
    }
    verified.push(await verifyDisk(ctx, vmId, row.position));
  }
  return verified;
}

async function freeze(ctx: HostContext, verified: VerifiedDisk, childPath: string): Promise<FrozenDisk> {
  const child = absolute(ctx.root, childPath);
  await createChild(absolute(ctx.root, verified.chain.at(-1)!.path), child);
  reach('create-checkpoint:file-created');
  const { dataWriteGuid } = await readDiskFacts(child);
  return { ...verified, childPath, childGuid: dataWriteGuid, rctId: await sealTracking(ctx, verified) };
}

function insertCheckpoint(
  { state }: HostContext,
  id: string,
  vm: VmDescription,
  consistency: Consistency,
  label: string,
  disks: FrozenDisk[],
): void {
  state.run(
    'INSERT INTO checkpoints (id, ordinal, vm_id, label, created_at, consistency, vm) VALUES (?, ?, ?, ?, ?, ?, ?)',
    id,
    state.nextOrdinal(),
    vm.id,
    label,
    new Date().toISOString(),
    consistency,
    JSON.stringify(vm),
  );
  for (const { disk, chain, facts, childPath, childGuid, rctId } of disks) {
    const frozen = chain.at(-1)!;
    const child = state.run(
      'INSERT INTO layers (disk_key, parent, path, guid, checkpoint_id) VALUES (?, ?, ?, ?, ?)',
      disk.key,
      frozen.id,
      childPath,
      childGuid,
      id,
    );
    state.run('UPDATE disks SET active_layer = ?, frozen_rct_id = ? WHERE key = ?', child, rctId, disk.key);
    state.run(
      'INSERT INTO checkpoint_disks (checkpoint_id, position, disk_key, layer, disk_id, size, rct_id) VALUES (?, ?, ?, ?, ?, ?, ?)',
      id,
      disk.position,
      disk.key,
      frozen.id,
      facts.id,
      facts.size,
      rctId,
    );
  }
}

function checkpointFailed(vmName: string, reason: string, cause: unknown): HvError {
  return new HvError('CHECKPOINT_FAILED', `No recovery checkpoint of VM "${vmName}" could be created: ${reason}`, {
    advice: 'Put right what the message names and run the backup again; the VM is as it was.',
    data: { vmName, ...(cause instanceof HvError ? { cause: cause.code, ...cause.data } : {}) },
    cause,
  });
}
