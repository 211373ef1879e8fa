/**
 * Runs one command line: finds the command, connects progress, warnings and cancellation, prints the outcome. With
 * `--json` stdout gets exactly one JSON document, also when the command fails: `{"error":{…}}`, and the sentence for
 * people goes to stderr.
 */
import { resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { createInvoke } from '../protocol/invoke.ts';
import { METHODS, type MethodName, type Operations } from '../protocol/methods.ts';
import { EXIT_CODE } from '../support/error-codes.ts';
import { type HvError, toHvError } from '../support/errors.ts';
import { absoluteLocation } from '../support/location.ts';
import { readCredentialFile, readPassphraseFile } from '../support/passphrase.ts';
import type { OperationContext, ProgressEvent } from '../support/progress.ts';
import { VERSION } from '../support/version.ts';
import type { CommandContext } from './command.ts';
import { COMMANDS } from './commands/index.ts';
import { helpFor } from './help.ts';
import { inOptions } from './option-errors.ts';
import { CREDENTIAL_OPTION, CREDENTIAL_VARIABLE, PASSPHRASE_OPTION, PASSPHRASE_VARIABLE } from './options.ts';
import { findCommand, type Invocation, parseCommand } from './parse.ts';
import { type ErrorStream, Terminal } from './terminal.ts';

export interface CliOptions {
  args: readonly string[];
  operations: Operations;
  stdout: Writable;
  stderr: ErrorStream;
  signal: AbortSignal;
  /** Called with what is being done. */
  watch?: (event: ProgressEvent) => void;
}

/** What a shell reports of a program that SIGPIPE ended: its reader went away before all was written. */
const READER_GONE = 128 + 13;

/** @returns the exit code, when all output has been taken */
export async function runCli({ args, operations, stdout, stderr, signal, watch }: CliOptions): Promise<number> {
  const terminal = new Terminal(stdout, stderr);
  const progress = (event: ProgressEvent): void => {
    watch?.(event);
    terminal.progress(event);
  };
  const code = await runCommand(args, operations, terminal, { signal, progress });
  const failure = await terminal.ended();
  if (failure === null) return code;
  const reader = ['EPIPE', 'ERR_STREAM_DESTROYED'].includes((failure as NodeJS.ErrnoException).code ?? '');
  if (!reader)
    terminal.note(`hvbackup: The result could not be written to standard output: ${toHvError(failure).message}`);
  // What the command itself ended with says more.
  return code || (reader ? READER_GONE : EXIT_CODE.failed);
}

type Running = Required<Pick<OperationContext, 'signal' | 'progress'>>;

async function runCommand(
  args: readonly string[],
  operations: Operations,
  terminal: Terminal,
  run: Running,
): Promise<number> {
  const json = args.includes('--json');
  const words = args.filter((arg) => arg !== '--json');
  try {
    if (words.includes('--help') || words.includes('-h') || words.length === 0 || words[0] === 'help') {
      terminal.print(helpFor(COMMANDS, words[0] === 'help' ? words.slice(1) : words));
      return 0;
    }
    if (words[0] === '--version') {
      if (json) terminal.document({ version: VERSION });
      else terminal.print([`hvbackup ${VERSION}`]);
      return 0;
    }
    const invocation = parseCommand(findCommand(COMMANDS, words), words);
    const context = commandContext(invocation, operations, terminal, run);
    const outcome = await invocation.command.run(invocation.values, invocation.positionals, context);
    if (json) terminal.document(outcome.json);
    else terminal.print(outcome.lines);
    return outcome.exitCode ?? 0;
  } catch (caught) {
    const error = toHvError(caught);
    if (json) terminal.document({ error: error.toJSON() });
    for (const sentence of errorLines(error)) terminal.note(sentence);
    return error.exitCode;
  }
}

function commandContext(
  { command, values }: Invocation,
  operations: Operations,
  terminal: Terminal,
  { signal, progress }: Running,
): CommandContext {
  const invoke = createInvoke(operations, (message) => terminal.note(`defect: ${message}`));
  const warn = (message: string): void => terminal.note(`Warning: ${message}`);
  return {
    signal,
    note: (message) => terminal.note(message),
    absolute: (path) => resolve(path),
    location: absoluteLocation,
    call: async (method, params) => {
      const secret = await passphraseFor(method, values);
      const account = await credentialFor(method, values);
      const given = {
        ...params,
        ...(secret === undefined ? {} : { passphrase: secret }),
        ...(account === undefined ? {} : { credential: account }),
      };
      const result = await invoke(method, given, { signal, progress, warn }).catch((error) => {
        throw inOptions(error, command);
      });
      if ('warnings' in result) result.warnings.forEach(warn);
      return result;
    },
  };
}

/**
 * The passphrase of the repository that a call is about, from the file that the option or the variable names; undefined
 * when there is none, or the method knows no passphrase.
 */
async function passphraseFor(method: MethodName, values: Record<string, unknown>): Promise<string | undefined> {
  if (!(await takes(method, 'passphrase'))) return undefined;
  const file = values[PASSPHRASE_OPTION] ?? (process.env[PASSPHRASE_VARIABLE] || undefined);
  return typeof file === 'string' ? readPassphraseFile(resolve(file)) : undefined;
}

/**
 * The account for another host, from the file that the option names; the variable counts only where an account can be
 * of use.
 */
async function credentialFor(method: MethodName, values: Record<string, unknown>) {
  if (!(await takes(method, 'credential'))) return undefined;
  const remote = /^hyperv:./i.test(String(values.host ?? ''));
  const file = values[CREDENTIAL_OPTION] ?? (remote ? process.env[CREDENTIAL_VARIABLE] || undefined : undefined);
  return typeof file === 'string' ? readCredentialFile(resolve(file)) : undefined;
}

const takes = async (method: MethodName, parameter: string): Promise<boolean> =>
  parameter in (await METHODS[method].schemas()).params.shape;

/** What a person reads about an error: what happened, then what to do. */
export function errorLines(error: HvError): string[] {
  const lines = [`hvbackup: ${error.message}`];
  if (error.advice) lines.push(`  ${error.advice}`);
  if (error.code === 'INTERNAL') lines.push('  This is a defect.', ...places(error));
  return lines;
}

/** Where it was thrown, without the message: that may have several lines, and say anything. */
const places = ({ stack = '' }: Error): string[] => stack.split('\n').filter((line) => /^ +at /.test(line));
