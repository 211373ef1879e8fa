/**
 * Cleaning up after a crashed job of ours (docs/backup.md, step 2): only when its owner is proven dead, and only what
 * the crash journal says is ours. A sealed restore point's checkpoint becomes its reference point; any other is
 * destroyed.
 */
import type { Host, RecoveryCheckpoint, ReferencePoint } from '../../hosts/port.ts';
import type { Repository } from '../../repository/port/repository.ts';
import { type JobStarted, ManifestBody } from '../../schema/manifest.ts';
import { isHvError } from '../../support/errors.ts';
import { machineLabel } from '../../support/machine-label.ts';
import type { Point } from '../points/point.ts';
import { appendChain, chainRecord, readChain } from './chain.ts';
import { isOwnerDead } from './job-lock.ts';
import { type OpenJob, openJobs, recordEnd } from './journal.ts';
import { ReferenceNotes } from './reference-notes.ts';

/**
 * @param heldLock path of the job lock the caller holds
 * @returns sentences for the result's warnings: what was cleaned up, and what had to be left
 */
export async function cleanUpAfterCrash(
  repository: Repository,
  host: Host,
  vmId: string,
  heldLock: string,
): Promise<string[]> {
  const problems: string[] = [];
  const jobs = await openJobs(repository.records, vmId, problems);
  const warnings = problems.map(
    (problem) =>
      `A record of an earlier backup of this VM cannot be read: ${problem}. If that backup was interrupted, what it left on the host stays there.`,
  );
  for (const job of jobs) {
    const { started } = job;
    if (!isOwnerDead(started.owner, heldLock) && !(await isForgotten(repository, started))) {
      warnings.push(
        `An earlier backup (job ${started.jobId}, started ${started.startedAt} on ${started.owner.machine}) has not ended. ` +
          'Its checkpoint is kept: only that machine can determine whether the backup still runs. Two days after its start, if it has no session, the next backup removes the checkpoint.',
      );
      continue;
    }
    if (started.hostUri !== host.uri) {
      // The same VM under another address: a checkpoint is looked for here, but the record stays for its own host.
      const checkpoint = await findCheckpoint(host, job);
      if (checkpoint === null) continue;
    }
    try {
      warnings.push(await finishJob(repository, host, job));
    } catch (error) {
      if (isHvError(error, ...UNREADABLE)) {
        // Whether its restore point is complete decides what becomes of its checkpoint: without knowing, nothing is
        // done.
        warnings.push(
          `An earlier backup (job ${started.jobId}, started ${started.startedAt}) was interrupted, and its progress cannot be determined ` +
            `(${error.code}: ${error.message}). What it left on the host stays there; the next backup tries again.`,
        );
        continue;
      }
      if (!isHvError(error, ...HOST_REFUSES)) throw error;
      // What an old job left must not keep every later backup from being made; its record stays open.
      warnings.push(
        `An earlier backup (job ${started.jobId}, started ${started.startedAt}) was interrupted, and the host does not let its ` +
          `checkpoint '${started.checkpointLabel}' be cleaned up (${error.code}: ${error.message}). The next backup tries again.`,
      );
    }
  }
  return warnings;
}

/** A job's session begins soon after its start, is renewed as long as it works, and lasts a day without that. */
const FORGOTTEN_MS = 2 * 24 * 3600 * 1000;

/**
 * Whether a job whose process cannot be proven dead is over all the same: it is older than any session that is not
 * renewed, and its process has no session. So what a machine leaves that never comes back is not left for ever.
 */
async function isForgotten(repository: Repository, { startedAt, owner }: JobStarted): Promise<boolean> {
  const age = repository.clock().believed - Date.parse(startedAt);
  if (!(age >= FORGOTTEN_MS)) return false;
  const machine = machineLabel(owner.process?.machine ?? owner.machine).toLowerCase();
  const sessions = await repository.sessions();
  return !sessions.some(
    (session) =>
      session.state === 'active' &&
      (session.machine === 'unknown' || session.machine.toLowerCase() === machine) &&
      (session.process === owner.pid || session.machine === 'unknown'),
  );
}

/** Errors of a host about one checkpoint, not about everything. */
const HOST_REFUSES = ['CHECKPOINT_FAILED', 'CHECKPOINT_NOT_FOUND', 'HELPER_FAILED'] as const;

/** Errors of the repository about single objects. */
const UNREADABLE = ['REPOSITORY_DAMAGED', 'IO_ERROR', 'NOT_SUPPORTED'] as const;

async function finishJob(repository: Repository, host: Host, job: OpenJob): Promise<string> {
  const { started } = job;
  const checkpoint = await findCheckpoint(host, job);
  const sealed = await sealedPoint(repository, started.pointId);
  let done: string;
  if (checkpoint === null) {
    if (sealed) await adoptReferencePoint(repository, host, sealed);
    done = sealed ? 'its restore point was complete' : await nothingLeft(host, job);
  } else if (sealed) {
    done = await convertOrRemove(repository, host, checkpoint, sealed);
  } else {
    await host.removeCheckpoint(checkpoint.id);
    done = 'its checkpoint was removed from the host';
  }
  await recordEnd(repository.records, started);
  return `An earlier backup (job ${started.jobId}, started ${started.startedAt}) was interrupted: ${done}.`;
}

/**
 * A checkpoint that was made while the job ran and bears no name of ours may be another product's: it is named, not
 * touched.
 */
async function nothingLeft(host: Host, { started, checkpointId }: OpenJob): Promise<string> {
  const nothing = 'it left nothing on the host';
  if (checkpointId !== null) return nothing;
  const before = new Set(started.checkpointsBefore);
  const unknown = (await host.listRecoveryCheckpoints(started.vmId)).filter(
    (entry) => !before.has(entry.id) && !entry.label.startsWith(OUR_LABEL) && entry.createdAt >= started.startedAt,
  );
  if (unknown.length === 0) return nothing;
  const names = unknown.map((entry) => `'${entry.label}' (${entry.id}, ${entry.createdAt})`).join(', ');
  return `whether it left the checkpoint ${names} cannot be determined; if no other backup product uses it, remove it`;
}

const OUR_LABEL = 'HyperVBackup ';

/**
 * The second try to make the reference point. A checkpoint that cannot become one must not stay for ever: it would only
 * grow.
 */
async function convertOrRemove(
  repository: Repository,
  host: Host,
  checkpoint: RecoveryCheckpoint,
  { manifest, body }: Point,
): Promise<string> {
  let reference: ReferencePoint;
  const notes = new ReferenceNotes(repository, body.vm.id);
  await notes.expect(manifest.id, checkpoint);
  try {
    reference = await host.convertToReferencePoint(checkpoint.id);
  } catch (error) {
    if (!isHvError(error, ...HOST_REFUSES)) throw error;
    await host.removeCheckpoint(checkpoint.id);
    return (
      'its restore point was complete, but the host does not turn its checkpoint into a reference point ' +
      `(${error.code}: ${error.message}); the checkpoint was removed`
    );
  }
  await notes.made(manifest.id, reference);
  await appendChain(repository.records, chainRecord(manifest, body, reference));
  return 'its restore point was complete, its checkpoint became the reference point';
}

/**
 * Ours by recorded id or by label, and never one without our kind of label or that was there before the job: anyone who
 * can write to a repository can write any id, and any label, into its journal.
 */
async function findCheckpoint(host: Host, job: OpenJob): Promise<RecoveryCheckpoint | null> {
  const before = new Set(job.started.checkpointsBefore);
  const checkpoints = await host.listRecoveryCheckpoints(job.started.vmId);
  return (
    checkpoints.find(
      (checkpoint) =>
        !before.has(checkpoint.id) &&
        checkpoint.label.startsWith(OUR_LABEL) &&
        (checkpoint.id === job.checkpointId || checkpoint.label === job.started.checkpointLabel),
    ) ?? null
  );
}

/**
 * The job died between converting its checkpoint and recording that: the reference point is known by the ids of the
 * frozen disks. Where the host gave it other ids it cannot be distinguished from another product's, and is left alone.
 */
async function adoptReferencePoint(repository: Repository, host: Host, { manifest, body }: Point): Promise<void> {
  const known = await readChain(repository.records, body.vm.id);
  if (known.some((record) => record.pointId === manifest.id)) return;
  const taken = new Set(known.map((record) => record.referencePointId));
  const frozen = new Map(body.disks.map((disk) => [disk.id, disk.rctId]));
  const isOurs = (point: ReferencePoint) =>
    !taken.has(point.id) &&
    point.disks.length > 0 &&
    point.disks.every((disk) => frozen.get(disk.diskId) === disk.rctId);
  const reference = (await host.listReferencePoints(body.vm.id)).find(isOurs);
  if (reference) await appendChain(repository.records, chainRecord(manifest, body, reference));
}

async function sealedPoint(repository: Repository, pointId: string): Promise<Point | null> {
  try {
    const manifest = await repository.readManifest(pointId);
    return { manifest, body: ManifestBody.parse(manifest.body) };
  } catch (error) {
    if (isHvError(error, 'POINT_NOT_FOUND')) return null;
    throw error;
  }
}
