/**
 * The crash journal (docs/backup.md, step 1): what a backup is about to do to a VM, recorded in the repository before
 * it does it, so that the next run can finish or undo it. Three records a job, each written once: started, checkpoint,
 * ended.
 */
import { type JobKey, type JobStep, jobFolder, jobIdOf, jobName, jobsFolder } from '../../repository/format/names.ts';
import type { RecordStore } from '../../repository/port/records.ts';
import { JobCheckpoint, JobStarted } from '../../schema/manifest.ts';
import { isHvError } from '../../support/errors.ts';
import { listRecords, type Problems, readRecord } from '../read-record.ts';

export interface OpenJob {
  started: JobStarted;
  /** Known when the job got as far as creating it and saying so. */
  checkpointId: string | null;
}

export async function recordStart(records: RecordStore, job: JobStarted): Promise<void> {
  await records.put(jobName(job, '1-started'), job);
}

export async function recordCheckpoint(records: RecordStore, job: JobStarted, checkpointId: string): Promise<void> {
  await records.put(jobName(job, '2-checkpoint'), { schema: 1, checkpointId } satisfies JobCheckpoint);
}

/**
 * Ends a job: from now on no run cleans up after it. The records are then removed where the storage lets us; on
 * append-only storage they stay, and the `ended` record speaks for them.
 */
export async function recordEnd(records: RecordStore, job: JobKey): Promise<void> {
  const ended = jobName(job, '9-ended');
  // That it is there is all it says: it need not be readable.
  const there = await records.list(jobFolder(job));
  if (!there.includes(ended)) await records.put(ended, { schema: 1 });
  const others = there.filter((path) => path !== ended);
  let gone = true;
  for (const path of others) gone = (await records.delete(path)) && gone;
  // `ended` goes last: without it the job would look open again.
  if (gone) await records.delete(ended);
}

/**
 * Jobs of a VM that were started and never ended, oldest first. Of those whose record cannot be read nothing is known:
 * nothing is done about them, and they are in `problems`.
 */
export async function openJobs(records: RecordStore, vmId: string, problems?: Problems): Promise<OpenJob[]> {
  const paths = await listRecords(records, jobsFolder(vmId), problems);
  const byJob = Map.groupBy(paths, jobIdOf);
  const jobs: OpenJob[] = [];
  for (const [jobId, names] of byJob) {
    if (jobId === null) continue;
    const at = (step: JobStep) => names.find((path) => path === jobName({ vmId, jobId }, step));
    const startPath = at('1-started');
    if (at('9-ended') || startPath === undefined) {
      // A kill between the removals of recordEnd: finish them, now or another time.
      await recordEnd(records, { vmId, jobId }).catch((error) => {
        if (!isHvError(error, 'IO_ERROR', 'ACCESS_DENIED', 'FILE_EXISTS')) throw error;
      });
      continue;
    }
    const started = JobStarted.safeParse(await readRecord(records, startPath, problems));
    const checkpointPath = at('2-checkpoint');
    const checkpoint = checkpointPath
      ? JobCheckpoint.safeParse(await readRecord(records, checkpointPath, problems))
      : null;
    if (started.success) jobs.push({ started: started.data, checkpointId: checkpoint?.data?.checkpointId ?? null });
  }
  return jobs;
}
