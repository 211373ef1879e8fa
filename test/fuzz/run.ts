/** Runs mutations in a worker under watch: time a mutation, heap, resident memory. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { FuzzFormat } from './mutant.ts';
import { add, emptyTally, type Tally } from './tally.ts';
import { PARENT, VICTIM } from './vhdx-subjects.ts';
import type { WorkerMessage, WorkerTask } from './worker.ts';

export interface FuzzOptions {
  format: FuzzFormat;
  seed: number;
  /** First mutation; default 0. */
  from?: number;
  count: number;
  /** Ends early after so many seconds. */
  seconds?: number;
  /** Stops after so many failures; default 1. */
  failures?: number;
}

interface Failure {
  number: number;
  what: string[];
  problem: string;
}

export interface FuzzReport {
  tally: Tally;
  failures: Failure[];
  seconds: number;
  /** Highest resident memory of the process, bytes. */
  peakMemory: number;
}

/** On a busy machine too, a mutation takes milliseconds, one with a table of a GiB some seconds. */
const MOST_SECONDS = 20;
/** JavaScript objects, MiB. */
const MOST_HEAP = 128;
/** Resident memory above what the process has when it starts, bytes: code, images, heap and buffers together. */
const MOST_MEMORY = 512 * 2 ** 20;

export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const folder = mkdtempSync(join(tmpdir(), 'hvbackup-fuzz-'));
  // Chains look for files of these names: then they ask for them by the opener, which has others.
  for (const name of [VICTIM, PARENT]) writeFileSync(join(folder, name), '');
  try {
    return await new Run(options, folder).all();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

class Run {
  readonly #options: FuzzOptions;
  readonly #folder: string;
  readonly #tally = emptyTally();
  readonly #failures: Failure[] = [];
  readonly #progress = new SharedArrayBuffer(4);
  readonly #started = performance.now();
  readonly #mostMemory = process.memoryUsage.rss() + MOST_MEMORY;
  #next: number;
  #stopped = false;

  constructor(options: FuzzOptions, folder: string) {
    this.#options = options;
    this.#folder = folder;
    this.#next = options.from ?? 0;
  }

  async all(): Promise<FuzzReport> {
    const end = this.#next + this.#options.count;
    while (this.#next < end && !this.#stopped) await this.#work(end);
    return {
      tally: this.#tally,
      failures: this.#failures,
      seconds: this.#elapsed,
      peakMemory: process.resourceUsage().maxRSS * 1024,
    };
  }

  get #elapsed(): number {
    return (performance.now() - this.#started) / 1000;
  }

  /** One worker's life: to the end, to a hang, or until it dies of its limits. */
  #work(end: number): Promise<void> {
    const { format, seed } = this.#options;
    const at = new Int32Array(this.#progress);
    Atomics.store(at, 0, this.#next);
    const task: WorkerTask = {
      format,
      seed,
      from: this.#next,
      to: end,
      folder: this.#folder,
      mostMemory: this.#mostMemory,
      progress: this.#progress,
    };
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: task,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: MOST_HEAP, maxYoungGenerationSizeMb: 32 },
    });
    return new Promise((resolve) => {
      let seen = -1;
      let since = performance.now();
      const watch = setInterval(() => {
        const number = Atomics.load(at, 0);
        const now = performance.now();
        if (number !== seen) [seen, since] = [number, now];
        else if (now - since > MOST_SECONDS * 1000) {
          this.#skip(number, `it takes longer than ${MOST_SECONDS} seconds`);
          void worker.terminate();
        }
        if (this.#options.seconds !== undefined && this.#elapsed > this.#options.seconds) this.#stop(worker);
      }, 200);
      worker.on('message', (message: WorkerMessage) => {
        if (message.kind === 'failure') this.#fail(message, worker);
        else {
          add(this.#tally, message.tally);
          this.#next = Math.max(this.#next, message.next);
        }
      });
      worker.on('error', (error) =>
        this.#skip(Atomics.load(at, 0), `the worker died: ${(error as Error).stack ?? error}`),
      );
      worker.on('exit', () => {
        clearInterval(watch);
        resolve();
      });
    });
  }

  #fail({ number, what, problem }: Failure, worker?: Worker): void {
    this.#failures.push({ number, what, problem });
    if (this.#failures.length >= (this.#options.failures ?? 1)) this.#stop(worker);
  }

  /** The next worker goes on behind it. */
  #skip(number: number, problem: string): void {
    this.#next = Math.max(this.#next, number + 1);
    this.#fail({ number, what: [], problem });
  }

  #stop(worker?: Worker): void {
    this.#stopped = true;
    void worker?.terminate();
  }
}
