/**
 * The thread that mutates and reads: it can be stopped from outside when it hangs, and its heap is limited. What it is
 * at stands in shared memory.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { fuzzerOf } from './formats.ts';
import { Defect, type FuzzFormat } from './mutant.ts';
import { ofMutation } from './random.ts';
import { count, emptyTally, type Tally } from './tally.ts';

export interface WorkerTask {
  format: FuzzFormat;
  seed: number;
  /** First mutation, and the one after the last. */
  from: number;
  to: number;
  folder: string;
  /** Resident memory the process may reach, bytes. */
  mostMemory: number;
  /** An Int32: the mutation it is at. */
  progress: SharedArrayBuffer;
}

/** `tally` is what came since the last message; `next` the first mutation that is not in it. */
export type WorkerMessage =
  | { kind: 'tally'; tally: Tally; next: number }
  | { kind: 'failure'; number: number; what: string[]; problem: string };

const BATCH_MS = 500;

async function run(task: WorkerTask): Promise<void> {
  const port = parentPort!;
  const progress = new Int32Array(task.progress);
  const fuzzer = fuzzerOf(task.format, task.folder);
  let tally = emptyTally();
  let sent = performance.now();
  for (let number = task.from; number < task.to; number++) {
    Atomics.store(progress, 0, number);
    const random = ofMutation(task.seed, number);
    const started = performance.now();
    const attempt = fuzzer(random);
    tally.mutations++;
    try {
      count(tally, await attempt.judge());
      const peak = process.resourceUsage().maxRSS * 1024;
      if (peak > task.mostMemory) throw new Defect(`memory reached ${Math.round(peak / 2 ** 20)} MiB`);
    } catch (error) {
      const problem = error instanceof Defect ? error.message : `the fuzzer failed: ${error}`;
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      port.postMessage({
        kind: 'failure',
        number,
        what: attempt.what,
        problem: `${problem}\n${(cause as Error).stack ?? ''}`,
      } satisfies WorkerMessage);
    }
    const now = performance.now();
    if (now - started > tally.slowestMs) {
      tally.slowestMs = now - started;
      tally.slowestNumber = number;
    }
    if (now - sent > BATCH_MS || number + 1 === task.to) {
      port.postMessage({ kind: 'tally', tally, next: number + 1 } satisfies WorkerMessage);
      tally = emptyTally();
      sent = now;
      // Lets messages out: memory files never wait for anything real.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

await run(workerData as WorkerTask);
