/**
 * The crash journal (DESIGN §5, step 1): what a backup is about to do to a VM, recorded in the repository before it does
 * it, so that the next run can finish or undo it. Three records a job, each written once: started, checkpoint, ended.
 */
import type { RecordStore } from '../repository/port.ts';
import { JobCheckpoint, JobStarted } from '../schema/manifest.ts';
import { readRecord } from './read-record.ts';

export interface OpenJob {
  started: JobStarted;
  /** Known when the job got as far as creating it and saying so. */
  checkpointId: string | null;
}

const folder = (job: { vmId: string; jobId: string }): string => `jobs/${job.vmId}/${job.jobId}`;

export async function recordStart(records: RecordStore, job: JobStarted): Promise<void> {
  await records.put(`${folder(job)}/1-started`, job);
}

export async function recordCheckpoint(records: RecordStore, job: JobStarted, checkpointId: string): Promise<void> {
  await records.put(`${folder(job)}/2-checkpoint`, { schema: 1, checkpointId } satisfies JobCheckpoint);
}

/**
 * Ends a job: from now on nobody cleans up after it. The records are then removed where the storage lets us; on
 * append-only storage they stay, and the `ended` record speaks for them.
 */
export async function recordEnd(records: RecordStore, job: { vmId: string; jobId: string }): Promise<void> {
  const ended = `${folder(job)}/9-ended`;
  if ((await records.get(ended)) === null) await records.put(ended, { schema: 1 });
  const others = (await records.list(`${folder(job)}/`)).filter((path) => path !== ended);
  let gone = true;
  for (const path of others) gone = (await records.delete(path)) && gone;
  // `ended` goes last: without it the job would look open again.
  if (gone) await records.delete(ended);
}

/** Jobs of a VM that were started and never ended, oldest first. Records that cannot be read are passed over. */
export async function openJobs(records: RecordStore, vmId: string): Promise<OpenJob[]> {
  const paths = await records.list(`jobs/${vmId}/`);
  const byJob = Map.groupBy(paths, (path) => path.split('/')[2]!);
  const jobs: OpenJob[] = [];
  for (const [jobId, names] of byJob) {
    const at = (step: string) => names.find((path) => path.endsWith(`/${step}`));
    const startPath = at('1-started');
    if (at('9-ended') || startPath === undefined) {
      // A kill between the removals of recordEnd: finish them.
      await recordEnd(records, { vmId, jobId });
      continue;
    }
    const started = JobStarted.safeParse(await readRecord(records, startPath));
    const checkpointPath = at('2-checkpoint');
    const checkpoint = checkpointPath ? JobCheckpoint.safeParse(await readRecord(records, checkpointPath)) : null;
    if (started.success) jobs.push({ started: started.data, checkpointId: checkpoint?.data?.checkpointId ?? null });
  }
  return jobs;
}
