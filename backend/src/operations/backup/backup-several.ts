/**
 * Backing up several VMs in one call, some of them at once. Each has its own handles on host and repository; worker
 * threads, memory and rate are shared, so that the call as a whole uses what one backup would.
 */
import type { Host } from '../../hosts/port.ts';
import type { Repository } from '../../repository/port/repository.ts';
import type {
  BackupVmParams,
  BackupVmResult,
  BackupVmsParams,
  BackupVmsResult,
  FailedVm,
} from '../../schema/backup.ts';
import { toHvError } from '../../support/errors.ts';
import type { OperationContext } from '../../support/progress.ts';
import { rateLimiter } from '../../support/rate-limiter.ts';
import { openHost } from '../open-host.ts';
import { withContent, withHost } from '../with.ts';
import { backupOne } from './backup.ts';

/** A VM to back up; its id is null when it could not be found, and backing it up will say why. */
export interface Job {
  selector: string;
  vmName: string;
  vmId: string | null;
}

/** @throws HOST_NOT_FOUND, REPOSITORY_NOT_FOUND, …: what fails for a single VM is in its result */
export async function backupVms(params: BackupVmsParams, context: OperationContext): Promise<BackupVmsResult> {
  const { vms, parallel, ...common } = params;
  const limiter = rateLimiter(params.limitRate);
  return withHost(params, (host) =>
    withContent(params, context, async (repository) => {
      const jobs = await findJobs(host, vms);
      const slots = openSlots(repository, Math.min(parallel, jobs.length));
      try {
        const backup = async ({ selector }: Job, slot: number): Promise<BackupVmResult> => {
          const at = slots[slot]!;
          at.host ??= slot === 0 ? host : await openHost(params);
          const one: BackupVmParams = { ...common, vm: selector };
          return backupOne(at.host, at.repository, one, context, limiter);
        };
        const results = await runJobs(jobs, slots.length, backup, context);
        return { results, asked: jobs.length };
      } finally {
        for (const [slot, at] of slots.entries()) {
          if (slot === 0) continue;
          await at.repository.close();
          await at.host?.close();
        }
      }
    }),
  );
}

interface Slot {
  repository: Repository;
  host: Host | null;
}

function openSlots(repository: Repository, count: number): Slot[] {
  return repository.sideBySide(Math.max(1, count)).map((handle) => ({ repository: handle, host: null }));
}

async function findJobs(host: Host, selectors: readonly string[]): Promise<Job[]> {
  if (selectors.length === 0) {
    const all = await host.listVms();
    return all.map(({ id, name }) => ({ selector: id, vmName: name, vmId: id }));
  }
  const jobs: Job[] = [];
  for (const selector of selectors) {
    const vm = await host.getVm(selector).catch(() => null);
    jobs.push({ selector, vmName: vm?.name ?? selector, vmId: vm?.id ?? null });
  }
  return jobs;
}

/**
 * Runs the jobs, `width` at once, begun in order; never two of one VM at the same time. After a cancellation none is
 * begun.
 * @param run gets the number of the worker slot it runs in, below `width`
 * @param context gets each result as its job ends
 * @returns results in the order of the jobs, without those that were not begun
 */
export async function runJobs<R>(
  jobs: readonly Job[],
  width: number,
  run: (job: Job, slot: number) => Promise<R>,
  { signal, partial }: { signal?: AbortSignal; partial?: (result: R | FailedVm) => void } = {},
): Promise<(R | FailedVm)[]> {
  const results: (R | FailedVm | undefined)[] = jobs.map(() => undefined);
  const waiting = jobs.map((job, index) => ({ job, index }));
  const running = new Map<string, Promise<unknown>>();
  const slot = async (number: number): Promise<void> => {
    for (;;) {
      if (signal?.aborted) return;
      const at = waiting.findIndex(({ job }) => job.vmId === null || !running.has(job.vmId));
      if (at < 0) {
        if (waiting.length === 0) return;
        // What is left are VMs that others are at work on.
        await Promise.race(running.values());
        continue;
      }
      const [{ job, index }] = waiting.splice(at, 1) as [{ job: Job; index: number }];
      const done = run(job, number).catch((error): FailedVm => failed(job, error));
      if (job.vmId !== null) running.set(job.vmId, done);
      const result = await done;
      results[index] = result;
      partial?.(result);
      if (job.vmId !== null) running.delete(job.vmId);
    }
  };
  await Promise.all(Array.from({ length: width }, (_, number) => slot(number)));
  return results.filter((result) => result !== undefined);
}

const failed = ({ vmName, vmId }: Job, error: unknown): FailedVm => ({
  vmName,
  ...(vmId === null ? {} : { vmId }),
  error: toHvError(error).toJSON(),
});
