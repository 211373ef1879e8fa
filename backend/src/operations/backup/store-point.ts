/** Steps 4 to 6 of a backup (docs/backup.md): from a frozen VM to a published restore point. */
import type { CheckpointDisk, Host, Reading, RecoveryCheckpoint } from '../../hosts/port.ts';
import type { ContentRef } from '../../repository/port/contents.ts';
import type { Repository } from '../../repository/port/repository.ts';
import type { WriteSession } from '../../repository/port/writing.ts';
import type { BackupVmParams } from '../../schema/backup.ts';
import type { BackupDiskResult } from '../../schema/backup-disk.ts';
import type { JobStarted, ManifestBody, ManifestDisk, ManifestFile } from '../../schema/manifest.ts';
import { HvError, isHvError } from '../../support/errors.ts';
import type { OperationContext } from '../../support/progress.ts';
import type { RateLimiter } from '../../support/rate-limiter.ts';
import { runBytes } from '../data/block-runs.ts';
import { readChanges } from '../data/change-reading.ts';
import { changeSteps } from '../data/change-steps.ts';
import { allocatedRuns, readRuns } from '../data/disk-reading.ts';
import { limitedDevice } from '../data/limited-device.ts';
import { overBase } from '../data/over-base.ts';
import { writeWhole } from '../data/write-whole.ts';
import { diskResult } from '../points/disk-result.ts';
import { setHold } from '../points/holds.ts';
import { type BaseCandidate, type DiskPlan, planDisk } from './base.ts';

export interface StorePointOptions {
  host: Host;
  repository: Repository;
  checkpoint: RecoveryCheckpoint;
  job: JobStarted;
  params: BackupVmParams;
  bases: { candidates: BaseCandidate[]; reason: string; sequence: number };
  warnings: string[];
  context: OperationContext;
  limiter?: RateLimiter;
}

export interface StoredPoint {
  pointId: string;
  /** Its place in the order (repository/points/point-order.ts). */
  sequence: number;
  body: ManifestBody;
  disks: BackupDiskResult[];
  /** Configuration files, manifest and indexes, bytes stored. */
  metadataBytes: number;
}

/**
 * Stores every disk and configuration file and publishes the manifest. After it returns the restore point is durable.
 */
export async function storePoint(options: StorePointOptions): Promise<StoredPoint> {
  const { repository, checkpoint, job, params, context } = options;
  checkExclusions(options);
  const session = await repository.beginSession({
    compression: params.compression,
    owner: `backup of ${checkpoint.vm.name}`,
    signal: context.signal,
    warn: context.warn,
  });
  try {
    const disks: ManifestDisk[] = [];
    const readings = new Map<number, Reading>();
    let basePointId: string | null = null;
    for (const disk of checkpoint.disks) {
      const { entry, plan, reading } = await storeDisk(options, session, disk);
      disks.push(entry);
      if (reading) readings.set(disk.index, reading);
      if (plan?.mode === 'incremental') basePointId ??= plan.basePointId;
    }
    const configuration = params.kind === 'vm' ? await storeConfiguration(options, session) : { files: [], bytes: 0 };
    const body: ManifestBody = {
      schema: 1,
      jobId: job.jobId,
      hostUri: options.host.uri,
      kind: params.kind,
      mode: disks.some((disk) => disk.mode === 'incremental' && disk.content) ? 'incremental' : 'full',
      consistency: checkpoint.consistency,
      startedAt: job.startedAt,
      basePointId,
      vm: checkpoint.vm,
      disks,
      configuration: configuration.files,
      configurationBytes: configuration.bytes,
      warnings: [...options.warnings],
    };
    context.progress?.({ phase: 'publish', vmName: checkpoint.vm.name });
    // Before it is listed, so that no retention can come between.
    if (params.hold) await setHold(repository.records, job.pointId, true);
    const published = await session.publish({
      id: job.pointId,
      group: checkpoint.vmId,
      createdAt: frozenAt(checkpoint, job.startedAt),
      sequence: options.bases.sequence,
      contents: [...disks.map((disk) => disk.content), ...configuration.files.map((file) => file.content)].filter(
        (content): content is ContentRef => content !== null,
      ),
      body,
    });
    return {
      pointId: job.pointId,
      sequence: options.bases.sequence,
      body,
      disks: disks.map((disk) => ({ ...diskResult(disk), ...readingResult(readings.get(disk.index)) })),
      metadataBytes: configuration.bytes + published.manifestBytes + published.indexBytes,
    };
  } finally {
    await session.close();
  }
}

/** When the disks were frozen, as the host says; where it does not, when the job began. */
export const frozenAt = (checkpoint: RecoveryCheckpoint, startedAt: string): string =>
  Number.isNaN(Date.parse(checkpoint.createdAt)) ? startedAt : checkpoint.createdAt;

function checkExclusions({ params, checkpoint }: StorePointOptions): void {
  const unknown = params.excludeDisks.filter((index) => !checkpoint.disks.some((disk) => disk.index === index));
  if (unknown.length === 0) return;
  throw new HvError('VM_DISK_NOT_FOUND', `VM '${checkpoint.vm.name}' has no disk ${unknown.join(', ')}.`, {
    advice: `Exclude one of its disks: ${checkpoint.disks.map((disk) => disk.index).join(', ')}.`,
    data: { vmId: checkpoint.vmId, disks: unknown },
  });
}

async function storeDisk(
  options: StorePointOptions,
  session: WriteSession,
  disk: CheckpointDisk,
): Promise<{ entry: ManifestDisk; plan: DiskPlan | null; reading?: Reading }> {
  const { params, warnings } = options;
  const skipped = disk.skipped ?? (params.excludeDisks.includes(disk.index) ? 'excluded on request' : undefined);
  const entry: ManifestDisk = {
    index: disk.index,
    id: disk.id,
    path: disk.path,
    size: disk.size,
    mode: 'full',
    rctId: disk.rctId,
    content: null,
    changedBytes: 0,
    readBytes: 0,
    newBytes: 0,
  };
  if (skipped !== undefined) {
    if (disk.skipped !== undefined) warnings.push(`Disk ${disk.index} is not in the restore point: ${skipped}.`);
    return { entry: { ...entry, reason: skipped, skipped }, plan: null };
  }
  const { bases, host, checkpoint } = options;
  const wanted: DiskPlan =
    bases.candidates.length === 0
      ? { mode: 'full', reason: bases.reason }
      : await planDisk(host, checkpoint, disk, bases.candidates, options.context.signal);
  const { plan, read, reading } = await readDisk(options, session, disk, wanted);
  return {
    entry: { ...entry, mode: plan.mode, ...(plan.mode === 'full' ? { reason: plan.reason } : {}), ...read },
    plan,
    reading,
  };
}

/** Step 5 for one disk. A base that turns out to be gone or damaged on the way makes it a full, now. */
async function readDisk(options: StorePointOptions, session: WriteSession, disk: CheckpointDisk, wanted: DiskPlan) {
  try {
    return await readAsPlanned(options, session, disk, wanted);
  } catch (error) {
    if (wanted.mode === 'full' || !isHvError(error, ...BASE_PROBLEMS)) throw error;
    return readAsPlanned(options, session, disk, fullInstead(error));
  }
}

const BASE_PROBLEMS = ['POINT_NOT_FOUND', 'REPOSITORY_DAMAGED'] as const;

const fullInstead = ({ code, message }: HvError): DiskPlan => ({
  mode: 'full',
  reason: `the base cannot be built on (${code}: ${message})`,
});

async function readAsPlanned(
  options: StorePointOptions,
  session: WriteSession,
  disk: CheckpointDisk,
  wanted: DiskPlan,
) {
  const { host, repository, checkpoint, context } = options;
  const { blockSize } = repository;
  const { plan, writer, damaged } = await openWriter(session, disk, wanted);
  noteDamagedBase(options.warnings, disk, plan, damaged.length);
  const opened = await host.openDisk(checkpoint, disk.index, context.signal);
  const base =
    plan.mode === 'incremental' && opened.present ? await repository.openContent(plan.base).catch(() => null) : null;
  const device = limitedDevice(base ? overBase(opened, base) : opened, options.limiter, context.signal);
  try {
    let doneBytes = 0;
    let expected = 0;
    const report = (bytes: number) => {
      doneBytes += bytes;
      const totalBytes = Math.max(expected, doneBytes);
      context.progress?.({ phase: 'read', vmName: checkpoint.vm.name, disk: disk.index, doneBytes, totalBytes });
    };
    const reading = { blockSize, maxRun: session.maxRun, signal: context.signal, onRead: report };
    let readBytes: () => number;
    let changedBytes: number;
    if (plan.mode === 'incremental') {
      changedBytes = plan.changes.reduce((sum, range) => sum + range.length, 0);
      expected = changedBytes + damaged.length * blockSize;
      report(0);
      const steps = changeSteps(plan.changes, damaged, blockSize, disk.size);
      readBytes = await readChanges(device, steps, writer, reading);
    } else {
      const { runs, bytes } = await allocatedRuns(device, blockSize);
      changedBytes = bytes;
      expected = runBytes(runs, blockSize, disk.size);
      report(0);
      const read = await readRuns(device, runs, writer, reading);
      readBytes = () => read;
    }
    const { ref, stats } = await writer.finish();
    const read = { content: ref, changedBytes, readBytes: readBytes(), newBytes: stats.newBytes };
    return { plan, read, reading: opened.reading };
  } finally {
    // What is still under way reads from the disk.
    await writer.drain();
    // Before the checkpoint is converted: an open handle would stand in the way of the merge.
    await device.close();
    await base?.close();
  }
}

/**
 * Starts the disk's content over its base. A base that is gone or damaged in the repository makes it a full; blocks of
 * the base that are known to be damaged are read again, so that the new restore point does not inherit the damage.
 */
async function openWriter(session: WriteSession, disk: CheckpointDisk, plan: DiskPlan) {
  if (plan.mode === 'full') return { plan, writer: await session.openContent(disk.size), damaged: [] };
  try {
    const damaged = await session.damagedBlocks(plan.base);
    return { plan, writer: await session.openContent(disk.size, plan.base), damaged };
  } catch (error) {
    if (!isHvError(error, ...BASE_PROBLEMS)) throw error;
    return { plan: fullInstead(error), writer: await session.openContent(disk.size), damaged: [] };
  }
}

/** Nothing is taken over from a base that is known to be damaged without a word. */
function noteDamagedBase(warnings: string[], disk: CheckpointDisk, plan: DiskPlan, blocks: number): void {
  if (plan.mode === 'full' || blocks === 0) return;
  warnings.push(
    `Disk ${disk.index}: ${blocks} blocks of restore point ${plan.basePointId}, which this one is built on, are damaged or missing ` +
      'in the repository. They were read from the disk again and stored anew.',
  );
}

/** Configuration files are stored in full every time: they are small, and a VM backup needs all of them. */
async function storeConfiguration(
  { host, repository, checkpoint, context }: StorePointOptions,
  session: WriteSession,
): Promise<{ files: ManifestFile[]; bytes: number }> {
  const files: ManifestFile[] = [];
  let bytes = 0;
  for (const file of await host.copyConfiguration(checkpoint, context.signal)) {
    const data = await file.read();
    const { ref, stats } = await writeWhole(session, repository.blockSize, data);
    bytes += stats.newBytes;
    files.push({ name: file.name, kind: file.kind, content: ref });
  }
  return { files, bytes };
}

const readingResult = (reading: Reading | undefined): Partial<BackupDiskResult> =>
  reading ? { method: reading.method, methodReason: reading.why } : {};
