/**
 * The helper process as the adapter sees it: one request at a time, started when first needed, started again after it
 * died, ended when it hangs. What a request must not do twice is for the caller to sort out (`repeat: false`).
 */
import type { HostCredential } from '../../../schema/common.ts';
import { HvError, isHvError, throwIfCancelled } from '../../../support/errors.ts';
import { Mutex } from '../../../support/mutex.ts';
import { CancelFiles } from './cancel-files.ts';
import { credentialLine, leaveShares, useShares } from './credential.ts';
import { constrained, LANGUAGE_ANSWER, LANGUAGE_QUESTION } from './language-mode.ts';
import { type HelperAnswer, type HelperProgress, parseLine, renderRequest, unwrap } from './lines.ts';
import { childEnvironment, HelperShell } from './shell.ts';
import type { Trace } from './trace.ts';

export interface HelperOptions {
  /** Absolute path of PowerShell. */
  executable: string;
  /** Absolute path of HyperVHelper.ps1. */
  helper: string;
  /** Other machine to connect to. */
  server?: string;
  /** Its account; that of this process when absent. */
  credential?: HostCredential;
  /** A request that says nothing for this long hangs, ms. Jobs say something every second. */
  silenceMs?: number;
  /** Start-up, compiling included, ms. */
  startMs?: number;
  trace?: Trace;
}

export interface RequestOptions {
  /** Ask again when the process dies meanwhile; for what can be done twice. */
  repeat?: boolean;
  progress?: (event: HelperProgress) => void;
  /**
   * Ends the WMI job that the request waits for, where it lets itself be ended: CANCELLED then. Where not, the request
   * succeeds after all, and what it made is the caller's to undo.
   */
  signal?: AbortSignal;
  /** Asked although the signal came before: for a job that is under way, and is to be ended. */
  evenCancelled?: boolean;
}

/** What the helper says of itself when it opens. */
export interface HelperState {
  protocol: number;
  powerShell: string;
  edition: string;
  languageMode: string;
  processId: number;
  /** Name of the host. */
  server: string;
  /** `source`: the shipped assembly, or why it was compiled. */
  virtDisk: { available: boolean; reason: string; source?: string };
  /**
   * Why the shares of another host cannot be read with the account that was given; empty when they can, or none was
   * given.
   */
  shareProblem?: string;
}

const SILENCE_MS = 300_000;
const START_MS = 120_000;

export class Helper {
  readonly #options: HelperOptions;
  readonly #turn = new Mutex();
  #shell: HelperShell | undefined;
  #state: HelperState | undefined;
  #lastId = 0;
  #closed = false;
  /** The process, or its connection to another host, was lost at least once. */
  #failed = false;
  readonly #cancelFiles = new CancelFiles();

  constructor(options: HelperOptions) {
    this.#options = options;
    if (options.credential) useShares(options.server!);
  }

  /** Process id of the helper while it runs. */
  get pid(): number | undefined {
    return this.#shell?.pid;
  }

  /** Starts the process unless it runs. @throws HELPER_FAILED, HOST_NOT_FOUND, ACCESS_DENIED */
  async state(): Promise<HelperState> {
    return await this.#turn.run(() => this.#started());
  }

  /**
   * @throws the helper's errors; HELPER_FAILED when the process died or hangs (data.died; data.jobId when a WMI job had
   *   been started, which goes on without it)
   */
  async request<T>(method: string, params: object, options: RequestOptions = {}): Promise<T> {
    return await this.#turn.run(async () => {
      for (let attempt = 1; ; attempt++) {
        await this.#started();
        if (!options.evenCancelled) throwIfCancelled(options.signal);
        try {
          return (await this.#ask(method, params, options)) as T;
        } catch (error) {
          this.#failed ||= isHvError(error, 'HELPER_FAILED') || isHvError(error, 'HOST_LOST');
          const died = isHvError(error, 'HELPER_FAILED') && error.data.died === true;
          if (!died || !options.repeat || attempt > 1 || this.#closed) throw error;
        }
      }
    });
  }

  async #started(): Promise<HelperState> {
    if (this.#closed) throw new HvError('HELPER_FAILED', 'The host was closed.');
    if (this.#shell && this.#state) return this.#state;
    const { executable, helper, server } = this.#options;
    const shell = new HelperShell(executable, {
      ...childEnvironment(helper),
      HVBACKUP_CANCEL: this.#cancelFiles.folder,
    });
    this.#shell = shell;
    try {
      await this.#watched(shell, 'start', this.#options.startMs ?? START_MS, async () => {
        const [, mode] = await shell.converse(LANGUAGE_QUESTION, LANGUAGE_ANSWER);
        if (mode !== 'FullLanguage') throw constrained(mode!, executable);
        return await shell.run('. $env:HVBACKUP_HELPER');
      });
      if (this.#options.credential) await this.#handOver(shell, this.#options.credential);
      this.#state = (await this.#ask('open', { server: server ?? '' })) as HelperState;
      return this.#state;
    } catch (error) {
      await this.#abandon();
      throw error;
    }
  }

  /**
   * Gives the helper the account. Only when it has said that it reads: PowerShell would take the line for a command,
   * and may log it.
   */
  async #handOver(shell: HelperShell, credential: HostCredential): Promise<void> {
    await this.#ask('hello', {});
    await this.#watched(shell, 'credential', this.#options.startMs ?? START_MS, async () => {
      await shell.converse('Read-HelperCredential', /@hvh 0 p [A-Za-z0-9+/=]+\s/);
      const [line] = await shell.converse(credentialLine(credential), /@hvh 0 r [A-Za-z0-9+/=]+\s/);
      unwrap(parseLine(line)!.value as HelperAnswer, 'credential');
      return '';
    });
  }

  async #ask(method: string, params: object, { progress, signal }: RequestOptions = {}): Promise<unknown> {
    const shell = this.#shell!;
    const id = ++this.#lastId;
    let jobId: string | undefined;
    const heard = (event: HelperProgress): void => {
      jobId = event.jobId ?? jobId;
      progress?.(event);
    };
    const unwatch = this.#cancelFiles.watch(id, signal);
    const limit = method === 'open' ? (this.#options.startMs ?? START_MS) : (this.#options.silenceMs ?? SILENCE_MS);
    const output = await this.#watched(
      shell,
      method,
      limit,
      () => shell.run(renderRequest(id, method, params)),
      id,
      heard,
    )
      .catch((error: unknown) => {
        if (isHvError(error) && jobId) error.data.jobId = jobId;
        throw error;
      })
      .finally(unwatch);
    const answer = findAnswer(output, id);
    if (answer) {
      this.#options.trace?.exchange(method, params, answer);
      return unwrap(answer, method);
    }
    const died = await this.#diedOf(shell, method, 'the helper process ended without an answer');
    if (jobId) died.data.jobId = jobId;
    throw died;
  }

  /** Runs `action` while looking whether the process still gives signs of life. */
  async #watched(
    shell: HelperShell,
    method: string,
    silenceMs: number,
    action: () => Promise<string>,
    id = 0,
    heard?: (event: HelperProgress) => void,
  ): Promise<string> {
    let last = Date.now();
    let rest = '';
    const listen = (text: string): void => {
      last = Date.now();
      // Only short lines are progress; the answer is read from the whole output.
      const lines = (rest + text).split('\n');
      rest = lines.pop()!.slice(-65_536);
      for (const line of lines) {
        const parsed = line.length < 65_536 ? parseLine(line) : null;
        if (parsed?.kind === 'p' && parsed.id === id) heard?.(parsed.value as HelperProgress);
      }
    };
    shell.streams.stdout.on('data', listen);
    let hangs = false;
    const timer = setInterval(
      () => {
        if (Date.now() - last < silenceMs) return;
        hangs = true;
        shell.kill();
      },
      Math.min(1000, silenceMs / 4),
    );
    try {
      return await action();
    } catch (error) {
      if (isHvError(error)) throw error;
      const why = error instanceof Error ? error.message : String(error);
      throw await this.#diedOf(shell, method, hangs ? hung(silenceMs) : `the helper process failed: ${why.trim()}`);
    } finally {
      clearInterval(timer);
      shell.streams.stdout.off('data', listen);
    }
  }

  async #diedOf(shell: HelperShell, method: string, why: string): Promise<HvError> {
    const stderr = shell.stderrTail.trim();
    if (this.#shell === shell) await this.#abandon();
    return new HvError('HELPER_FAILED', `The Hyper-V helper (${method}): ${why}`, {
      advice: stderr
        ? 'Read the error output of PowerShell (data.stderr), then run the command again.'
        : 'Run the command again; if it fails again, start the PowerShell named in data.executable by hand and look for messages.',
      data: { died: true, method, executable: this.#options.executable, ...(stderr ? { stderr } : {}) },
    });
  }

  /** The process is of no use any more; the next request starts another. */
  async #abandon(): Promise<void> {
    const shell = this.#shell;
    this.#shell = undefined;
    this.#state = undefined;
    if (!shell) return;
    shell.kill();
    await shell.exited;
  }

  get running(): boolean {
    return this.#shell?.running === true;
  }

  /**
   * Waits until no request is under way.
   * @returns whether the process runs and has never failed: whether another user may have it
   */
  async settled(): Promise<boolean> {
    return await this.#turn.run(async () => this.running && !this.#failed && !this.#closed);
  }

  /** Whether the running process keeps this one alive. */
  hold(held: boolean): void {
    this.#shell?.hold(held);
  }

  /** Ends the process. A request that is under way gets its answer first. */
  async close(): Promise<void> {
    await this.#turn.run(async () => {
      if (this.#closed) return;
      const { credential, server } = this.#options;
      const share = credential !== undefined && leaveShares(server!);
      // What cannot be given back any more is no reason to fail.
      if (credential && this.#shell && this.#state) await this.#ask('close', { share }).catch(() => undefined);
      this.#closed = true;
      const shell = this.#shell;
      this.#shell = undefined;
      await shell?.end();
    });
  }
}

const hung = (ms: number): string => `it said nothing for ${Math.round(ms / 1000)} s and was ended`;

function findAnswer(output: string, id: number): HelperAnswer | undefined {
  // From the end: the answer is the last line, however long what stands before.
  for (let end = output.length; end > 0; ) {
    const start = output.lastIndexOf('\n', end - 1) + 1;
    const line = parseLine(output.slice(start, end));
    if (line?.kind === 'r' && line.id === id) return line.value as HelperAnswer;
    end = start - 1;
  }
  return undefined;
}
