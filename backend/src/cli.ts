/** The `hvbackup` command in a process: standard streams, signals, exit code. */
import type { Writable } from 'node:stream';
import { errorLines, runCli } from './cli/run.ts';
import { allWritten, standardOutput } from './cli/standard-output.ts';
import { Terminal } from './cli/terminal.ts';
import type { Operations } from './protocol/methods.ts';
import { endAtOnce } from './support/end-process.ts';
import { EXIT_CODE } from './support/error-codes.ts';
import { HvError } from './support/errors.ts';
import { printable } from './support/printable.ts';

const CANCELLED = EXIT_CODE.cancelled;
/** How long a command may clean up after the first signal; the variable overrides it. Seconds. */
const CLEANUP_SECONDS = 60;
const CLEANUP_VARIABLE = 'HVBACKUP_CANCEL_SECONDS';

/** Runs the process's command line and ends the process. */
export async function main(operations: Operations): Promise<never> {
  const args = process.argv.slice(2);
  const alone = args.length === 1 && args[0] === 'serve';
  return alone ? await runServer(operations) : await runCommand(operations, args);
}

async function runCommand(operations: Operations, args: string[]): Promise<never> {
  const stop = cancelOnSignals('Cancelling and cleaning up; press Ctrl-C again to stop at once.');
  const { stderr } = process;
  const stdout = standardOutput();
  let at = '';
  const watch = ({ phase, vmName }: { phase: string; vmName?: string }): void => {
    at = vmName === undefined ? phase : `${phase} of VM ${vmName}`;
  };
  // The reader of stdout may go away at any time (`hvbackup list | head`); the work still goes on to its end.
  const code = await Promise.race([
    runCli({ args, operations, stdout, stderr, signal: stop.signal, watch }),
    stop.overdue.then(() => {
      const error = overdueError(at);
      const terminal = new Terminal(stdout, stderr);
      if (args.includes('--json')) terminal.document({ error: error.toJSON() });
      for (const line of errorLines(error)) terminal.note(line);
      return CANCELLED;
    }),
  ]);
  await Promise.race([Promise.all([flushed(stdout), flushed(stderr)]), stop.overdue]);
  return stop.end(code);
}

async function runServer(operations: Operations): Promise<never> {
  const stop = cancelOnSignals('Cancelling every job and cleaning up.');
  process.stderr.on('error', () => {});
  const log = (message: string): void => {
    process.stderr.write(`${printable(message)}\n`);
  };
  // Stdout belongs to the protocol: what a library prints must not end up in it.
  console.log = console.info = console.debug = (...words: unknown[]) => log(words.map(String).join(' '));
  const { serve } = await import('./protocol/serve.ts');
  const output = standardOutput();
  const served = serve({ operations, input: process.stdin, output, log, signal: stop.signal });
  const code = await Promise.race([
    served.then(async (failure) => {
      const last = output === process.stdout ? null : await allWritten(output);
      return (failure ?? last) === null ? 0 : EXIT_CODE.failed;
    }),
    stop.overdue.then(() => {
      log(overdueError('').message);
      return CANCELLED;
    }),
  ]);
  return stop.end(code);
}

interface Stop {
  signal: AbortSignal;
  /** Resolves when the cleaning up after a signal takes too long. */
  overdue: Promise<void>;
  /** Ends the process. After a signal it does not wait for calls to the system that hang. */
  end(code: number): never;
}

/** The first signal asks to stop, the second one stops. */
function cancelOnSignals(message: string): Stop {
  const controller = new AbortController();
  let giveUp = (): void => undefined;
  const overdue = new Promise<void>((resolve) => {
    giveUp = resolve;
  });
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGBREAK'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) endAtOnce(CANCELLED);
      process.stderr.write(`${process.stderr.isTTY ? '\n' : ''}${message}\n`);
      controller.abort();
      setTimeout(giveUp, cleanupSeconds() * 1000).unref();
    });
  }
  const end = (code: number): never => (controller.signal.aborted ? endAtOnce(code) : process.exit(code));
  return { signal: controller.signal, overdue, end };
}

function cleanupSeconds(): number {
  const given = Number(process.env[CLEANUP_VARIABLE]);
  return given > 0 ? given : CLEANUP_SECONDS;
}

const overdueError = (at: string): HvError =>
  new HvError(
    'CANCELLED',
    `The command did not end within ${cleanupSeconds()} seconds of the signal${at ? ` (${at})` : ''}, and is ended now: a disk, share or host does not answer.`,
    {
      advice: `What it leaves (temporary files, a checkpoint, a session in the repository) is removed by the next backup of the VM and by prune. ${CLEANUP_VARIABLE} gives it longer.`,
      data: at ? { at } : {},
    },
  );

const flushed = (stream: Writable): Promise<void> =>
  new Promise((resolve) => {
    if (!stream.writable) resolve();
    else stream.write('', () => resolve());
  });
