/** The `hvbackup` command in a process: standard streams, signals, exit code. */
import { runCli } from './cli/run.ts';
import type { Operations } from './protocol/methods.ts';
import { endAtOnce } from './support/end-process.ts';
import { HvError } from './support/errors.ts';

const CANCELLED = 5;
/** How long a command may clean up after the first signal; the variable overrides it. Seconds. */
const CLEANUP_SECONDS = 60;
const CLEANUP_VARIABLE = 'HVBACKUP_CANCEL_SECONDS';

/** Runs the process's command line and ends the process. */
export async function main(operations: Operations): Promise<never> {
  const args = process.argv.slice(2);
  return args[0] === 'serve' ? await runServer(operations) : await runCommand(operations, args);
}

async function runCommand(operations: Operations, args: string[]): Promise<never> {
  const stop = cancelOnSignals('Cancelling and cleaning up; press Ctrl-C again to stop at once.');
  const { stdout, stderr } = process;
  // Whoever reads may stop at any time (`hvbackup list | head`); the work still goes on to its end.
  for (const stream of [stdout, stderr]) stream.on('error', () => {});
  let at = '';
  const watch = ({ phase, vmName }: { phase: string; vmName?: string }): void => {
    at = vmName === undefined ? phase : `${phase} of VM ${vmName}`;
  };
  const code = await Promise.race([
    runCli({ args, operations, stdout, stderr, signal: stop.signal, watch }),
    stop.overdue.then(() => {
      const error = overdueError(at);
      if (args.includes('--json')) stdout.write(`${JSON.stringify({ error: error.toJSON() })}\n`);
      stderr.write(`hvbackup: ${error.message}\n  ${error.advice}\n`);
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
    process.stderr.write(`${message}\n`);
  };
  // Stdout belongs to the protocol: what a library prints must not end up in it.
  console.log = console.info = console.debug = (...words: unknown[]) => log(words.map(String).join(' '));
  const { serve } = await import('./protocol/serve.ts');
  const served = serve({ operations, input: process.stdin, output: process.stdout, log, signal: stop.signal });
  const code = await Promise.race([
    served.then(() => 0),
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

const flushed = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => {
    if (!stream.writable) resolve();
    else stream.write('', () => resolve());
  });
