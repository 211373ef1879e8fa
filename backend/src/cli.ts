/** The `hvbackup` command in a process: standard streams, signals, exit code. */
import { runCli } from './cli/run.ts';
import type { Operations } from './protocol/methods.ts';

const CANCELLED = 5;

/** Runs the process's command line and ends the process. */
export async function main(operations: Operations): Promise<never> {
  const args = process.argv.slice(2);
  const code = args[0] === 'serve' ? await runServer(operations) : await runCommand(operations, args);
  return process.exit(code);
}

async function runCommand(operations: Operations, args: string[]): Promise<number> {
  const signal = cancelOnSignals('Cancelling and cleaning up; press Ctrl-C again to stop at once.');
  const { stdout, stderr } = process;
  // Whoever reads may stop at any time (`hvbackup list | head`); the work still goes on to its end.
  for (const stream of [stdout, stderr]) stream.on('error', () => {});
  const code = await runCli({ args, operations, stdout, stderr, signal });
  await Promise.all([flushed(stdout), flushed(stderr)]);
  return code;
}

async function runServer(operations: Operations): Promise<number> {
  const signal = cancelOnSignals('Cancelling every job and cleaning up.');
  process.stderr.on('error', () => {});
  const log = (message: string): void => {
    process.stderr.write(`${message}\n`);
  };
  // Stdout belongs to the protocol: what a library prints must not end up in it.
  console.log = console.info = console.debug = (...words: unknown[]) => log(words.map(String).join(' '));
  const { serve } = await import('./protocol/serve.ts');
  await serve({ operations, input: process.stdin, output: process.stdout, log, signal });
  return 0;
}

/** The first signal asks to stop, the second one stops. */
function cancelOnSignals(message: string): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(CANCELLED);
      process.stderr.write(`${process.stderr.isTTY ? '\n' : ''}${message}\n`);
      controller.abort();
    });
  }
  return controller.signal;
}

const flushed = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => {
    if (!stream.writable) resolve();
    else stream.write('', () => resolve());
  });
