/**
 * Backing up one VM, in the order of docs/backup.md. Everything before the manifest is published can be thrown away at
 * any moment; everything after it is finished, by this run or by the next.
 */

import type { Host, RecoveryCheckpoint } from '../../hosts/port.ts';
import { pointIdOf } from '../../repository/format/names.ts';
import { nextSequence } from '../../repository/points/point-order.ts';
import type { Damage } from '../../repository/port/damage.ts';
import type { PointPlace } from '../../repository/port/points.ts';
import type { Repository } from '../../repository/port/repository.ts';
import type { BackupVmParams, BackupVmResult } from '../../schema/backup.ts';
import type { JobStarted } from '../../schema/manifest.ts';
import type { VmDescription } from '../../schema/vm.ts';
import { CLOCKS_DIFFER, formatDuration, formatMoment } from '../../support/clock.ts';
import { HvError, isHvError, throwIfCancelled, toHvError } from '../../support/errors.ts';
import type { OperationContext } from '../../support/progress.ts';
import { type RateLimiter, rateLimiter } from '../../support/rate-limiter.ts';
import { ulid } from '../../support/ulid.ts';
import { clockWarnings } from '../points/clock-warnings.ts';
import { forgetHolds } from '../points/holds.ts';
import { withFullExplained } from '../repository/full-repository.ts';
import { unexpectedPointWarnings } from '../unexpected-points.ts';
import { withContent, withHost } from '../with.ts';
import { findBases } from './base.ts';
import { appendChain, chainRecord, retireReferencePoints } from './chain.ts';
import { JobLock, jobLockPath, jobOwner } from './job-lock.ts';
import { recordCheckpoint, recordEnd, recordStart } from './journal.ts';
import { cleanUpAfterCrash } from './recover.ts';
import { ReferenceNotes } from './reference-notes.ts';
import { frozenAt, type StoredPoint, storePoint } from './store-point.ts';

/**
 * @throws VM_NOT_FOUND, VM_AMBIGUOUS, BACKUP_IN_PROGRESS, CONSISTENCY_NOT_POSSIBLE, CHECKPOINT_FAILED, DISK_FULL,
 *   DISK_CORRUPT, CANCELLED, …: nothing is listed then, and no checkpoint of ours is left
 */
export async function backupVm(params: BackupVmParams, context: OperationContext): Promise<BackupVmResult> {
  const limiter = rateLimiter(params.limitRate);
  return withHost(params, (host) =>
    withContent(params, context, (repository) => backupOne(host, repository, params, context, limiter)),
  );
}

/** @param limiter of all that reads disks in this call */
export async function backupOne(
  host: Host,
  repository: Repository,
  params: BackupVmParams,
  context: OperationContext,
  limiter?: RateLimiter,
): Promise<BackupVmResult> {
  const vm = await host.getVm(params.vm);
  const lockPath = jobLockPath(repository.id, vm.id);
  const lock = JobLock.tryAcquire(lockPath);
  if (lock === null) throw inProgress(vm, repository);
  try {
    const warnings = await cleanUpAfterCrash(repository, host, vm.id, lockPath);
    const backup = new Backup(host, repository, vm, params, context, warnings, limiter);
    const result = await withFullExplained(repository, () => backup.run(lockPath));
    await repository.keepReserve();
    return result;
  } finally {
    lock.release();
  }
}

function inProgress(vm: VmDescription, repository: Repository): HvError {
  return new HvError(
    'BACKUP_IN_PROGRESS',
    `A backup of VM '${vm.name}' to repository ${repository.location} is running already.`,
    { advice: 'Wait until it has ended, or stop it.', data: { vmId: vm.id, vmName: vm.name } },
  );
}

/** Each time other packs would have to be lost while the disks are read. */
const MAX_ATTEMPTS = 3;

class Backup {
  readonly #host: Host;
  readonly #repository: Repository;
  readonly #vm: VmDescription;
  readonly #params: BackupVmParams;
  readonly #context: OperationContext;
  readonly #warnings: string[];
  readonly #limiter: RateLimiter | undefined;
  readonly #clock = performance.now();
  /** Restore points of the VM when the backup began. */
  #seen: PointPlace[] = [];

  constructor(
    host: Host,
    repository: Repository,
    vm: VmDescription,
    params: BackupVmParams,
    context: OperationContext,
    warnings: string[],
    limiter: RateLimiter | undefined,
  ) {
    this.#host = host;
    this.#repository = repository;
    this.#vm = vm;
    this.#params = params;
    this.#context = context;
    this.#warnings = warnings;
    this.#limiter = limiter;
  }

  async run(lockPath: string): Promise<BackupVmResult> {
    const job = await this.#startJob(lockPath);
    let checkpoint: RecoveryCheckpoint | null = null;
    let stored: StoredPoint;
    try {
      this.#progress('checkpoint');
      checkpoint = await this.#createCheckpoint(job);
      throwIfCancelled(this.#context.signal);
      stored = await this.#store(job, checkpoint);
    } catch (error) {
      await this.#discard(job, checkpoint, error);
      throw error;
    }
    await this.#convert(job, checkpoint, stored);
    return this.#result(stored, checkpoint);
  }

  /**
   * Steps 4 to 6. Packs that turn out to be gone or unreadable when all has been read cost a second reading, not the
   * backup: what was in them is known to be damaged then, and stored anew.
   */
  async #store(job: JobStarted, checkpoint: RecoveryCheckpoint): Promise<StoredPoint> {
    const bases = await this.#bases(job.pointId);
    for (let attempt = 1; ; attempt++) {
      const warnings = [...this.#warnings];
      try {
        const stored = await storePoint({
          host: this.#host,
          repository: this.#repository,
          checkpoint,
          job,
          params: this.#params,
          bases,
          warnings,
          context: this.#context,
          limiter: this.#limiter,
        });
        this.#warnings.splice(0, Number.POSITIVE_INFINITY, ...warnings);
        return stored;
      } catch (error) {
        const again = isHvError(error, 'REPOSITORY_DAMAGED') && error.data.storesAnew === true;
        if (!again || attempt === MAX_ATTEMPTS) throw error;
        this.#warnings.push(`${error.message}: the disks were read again, and what was lost was stored anew.`);
      }
    }
  }

  /** Steps 1 to 2: from here on a crash is seen by the next run. */
  async #startJob(lockPath: string): Promise<JobStarted> {
    throwIfCancelled(this.#context.signal);
    const jobId = ulid();
    const before = await this.#host.listRecoveryCheckpoints(this.#vm.id);
    const job: JobStarted = {
      schema: 1,
      jobId,
      pointId: ulid(),
      vmId: this.#vm.id,
      vmName: this.#vm.name,
      hostUri: this.#host.uri,
      startedAt: new Date().toISOString(),
      checkpointLabel: `HyperVBackup ${jobId}`,
      checkpointsBefore: before.map((checkpoint) => checkpoint.id),
      owner: jobOwner(lockPath),
    };
    await recordStart(this.#repository.records, job);
    return job;
  }

  /** Step 3. */
  async #createCheckpoint(job: JobStarted): Promise<RecoveryCheckpoint> {
    const { consistency, allowCrashConsistent, guestBackup } = this.#params;
    const checkpoint = await this.#host.createRecoveryCheckpoint(this.#vm.id, {
      consistency,
      allowCrashConsistent,
      guestBackup,
      label: job.checkpointLabel,
      signal: this.#context.signal,
    });
    try {
      await recordCheckpoint(this.#repository.records, job, checkpoint.id);
    } catch (error) {
      // The caller does not know of it yet.
      await this.#host.removeCheckpoint(checkpoint.id);
      throw error;
    }
    const apart = Date.parse(checkpoint.createdAt) - Date.now();
    if (Math.abs(apart) > CLOCKS_DIFFER)
      this.#warnings.push(
        `The clock of the host reads ${formatMoment(Date.parse(checkpoint.createdAt))}, ${formatDuration(apart)} ${apart > 0 ? 'ahead of' : 'behind'} this machine's: the restore point is dated by the host.`,
      );
    if (consistency === 'application' && checkpoint.consistency === 'crash') {
      this.#warnings.push('Application consistency could not be reached; the restore point is crash-consistent.');
    }
    return checkpoint;
  }

  /** Step 4's candidates, and the place of the new restore point after all that are there. */
  async #bases(pointId: string) {
    const unreadable: Damage[] = [];
    const onDamage = (damage: Damage): void => void unreadable.push(damage);
    // Also the time to notice that another process took restore points away.
    const order = await this.#repository.listOrder(this.#vm.id, { onDamage });
    // One that cannot be read still has its id.
    const lost = unreadable.map(({ path }) => ({ id: pointIdOf(path) }));
    const sequence = nextSequence([...order, ...lost], pointId);
    this.#seen = order;
    this.#warnings.push(...clockWarnings(this.#repository, order, 'write'));
    if (this.#params.mode === 'full') return { candidates: [], reason: 'a full backup was asked for', sequence };
    const { warnings, ...bases } = await findBases(this.#repository, this.#host, this.#vm, order, unreadable);
    this.#warnings.push(...warnings);
    return { ...bases, sequence };
  }

  /** Steps 7 and 8. The restore point stands: what fails here is a warning, and the next run's work. */
  async #convert(job: JobStarted, checkpoint: RecoveryCheckpoint, stored: StoredPoint): Promise<void> {
    this.#progress('convert');
    try {
      const notes = new ReferenceNotes(this.#repository, this.#vm.id);
      await notes.expect(stored.pointId, checkpoint);
      const reference = await this.#host.convertToReferencePoint(checkpoint.id);
      await notes.made(stored.pointId, reference);
      await appendChain(
        this.#repository.records,
        chainRecord({ id: stored.pointId, sequence: stored.sequence }, stored.body, reference),
      );
      this.#warnings.push(
        ...(await retireReferencePoints(this.#host, this.#repository, this.#vm.id, notes, reference.id)),
      );
      await recordEnd(this.#repository.records, job);
    } catch (error) {
      const { code, message } = toHvError(error);
      this.#warnings.push(
        `The restore point is complete, but its checkpoint could not be turned into a reference point (${code}: ${message}). ` +
          'The next backup tries again, and reads in full where it has to.',
      );
    }
  }

  /** Undoes what a failed or cancelled backup did to the VM. Where the host does not let it, the journal stays open. */
  async #discard(job: JobStarted, checkpoint: RecoveryCheckpoint | null, cause: unknown): Promise<void> {
    try {
      if (checkpoint !== null) await this.#host.removeCheckpoint(checkpoint.id);
      if (this.#params.hold) await forgetHolds(this.#repository.records, job.pointId);
      // The host may go on with what it was asked for: the next run looks whether a checkpoint came of it.
      if (checkpoint === null && isHvError(cause, 'HELPER_FAILED', 'HOST_LOST')) return;
      if (isHvError(cause, 'CANCELLED') && cause.data.unclear !== undefined) return;
      await recordEnd(this.#repository.records, job);
    } catch (error) {
      const { message } = toHvError(error);
      this.#context.warn?.(
        `After "${toHvError(cause).message}" the checkpoint '${job.checkpointLabel}' could not be cleaned up (${message}); the next backup of this VM tries again.`,
      );
    }
  }

  #result(stored: StoredPoint, checkpoint: RecoveryCheckpoint): BackupVmResult {
    return {
      restorePointId: stored.pointId,
      vmId: this.#vm.id,
      vmName: this.#vm.name,
      kind: stored.body.kind,
      mode: stored.body.mode,
      consistency: stored.body.consistency,
      createdAt: frozenAt(checkpoint, stored.body.startedAt),
      metadataBytes: stored.metadataBytes,
      durationMs: Math.round(performance.now() - this.#clock),
      warnings: [
        ...this.#warnings,
        ...this.#clockWarnings(),
        ...(this.#host.takeNotes?.() ?? []),
        ...unexpectedPointWarnings(this.#repository),
      ],
      disks: stored.disks,
    };
  }

  /** What the session has shown since of the storage's clock. */
  #clockWarnings(): string[] {
    const warnings = clockWarnings(this.#repository, this.#seen, 'write');
    this.#repository.rememberClock();
    return warnings;
  }

  #progress(phase: string): void {
    this.#context.progress?.({ phase, vmName: this.#vm.name });
  }
}
