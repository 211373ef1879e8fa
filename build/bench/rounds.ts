/** Several jobs timed in turns, so that what else the machine does meets them all alike. */
import { spawnSync } from 'node:child_process';
import type { Measurement } from './measure.ts';

export interface TimedJob {
  tool: string;
  job: string;
  run(): Promise<Measurement>;
  /** Removes what the run left; not timed. */
  clean(): void;
}

/** Everything written before is on the disk: nobody's flush pays for somebody else's data. */
export function settle(): void {
  if (process.platform !== 'win32') spawnSync('sync');
}

/** Runs all jobs `rounds` times in turns. @returns of each job the run with the median wall time */
export async function medianOfRounds(jobs: readonly TimedJob[], rounds: number): Promise<Map<TimedJob, Measurement>> {
  const runs = new Map(jobs.map((job) => [job, [] as Measurement[]]));
  for (let round = 0; round < rounds; round++) {
    for (const job of jobs) {
      settle();
      runs.get(job)!.push(await job.run());
      job.clean();
    }
  }
  const median = (all: Measurement[]): Measurement =>
    all.toSorted((a, b) => a.seconds - b.seconds)[Math.floor(all.length / 2)]!;
  return new Map(jobs.map((job) => [job, median(runs.get(job)!)]));
}
