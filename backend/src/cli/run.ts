/**
 * Runs one command line: finds the command, connects progress, warnings and cancellation, prints the outcome. With
 * `--json` stdout gets exactly one JSON document, also when the command fails: `{"error":{…}}`, and the sentence for
 * people goes to stderr.
 */
import { resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { createInvoke } from '../protocol/invoke.ts';
import { METHODS, type MethodName, type Operations } from '../protocol/methods.ts';
import { type HvError, toHvError } from '../support/errors.ts';
import { readCredentialFile, readPassphraseFile } from '../support/passphrase.ts';
import type { ProgressEvent } from '../support/progress.ts';
import { VERSION } from '../support/version.ts';
import type { Command, CommandContext } from './command.ts';
import { COMMANDS } from './commands/index.ts';
import { commandHelp, overview } from './help.ts';
import { CREDENTIAL_OPTION, CREDENTIAL_VARIABLE, PASSPHRASE_OPTION, PASSPHRASE_VARIABLE } from './options.ts';
import { findCommand, leadingWords, parseCommand } from './parse.ts';
import { ProgressLine } from './progress-line.ts';
import { printable } from './table.ts';

export interface CliOptions {
  args: readonly string[];
  operations: Operations;
  stdout: Writable;
  stderr: Writable & { isTTY?: boolean; columns?: number };
  signal: AbortSignal;
  /** Told what is being done. */
  watch?: (event: ProgressEvent) => void;
}

/** @returns the exit code */
export async function runCli({ args, operations, stdout, stderr, signal, watch }: CliOptions): Promise<number> {
  const json = args.includes('--json');
  const words = args.filter((arg) => arg !== '--json');
  const line = stderr.isTTY ? new ProgressLine(stderr) : null;
  const print = (lines: readonly string[]): void => {
    if (lines.length > 0) stdout.write(`${lines.join('\n')}\n`);
  };
  const note = (message: string): void => {
    line?.clear();
    stderr.write(`${message}\n`);
  };
  try {
    if (words.includes('--help') || words.includes('-h') || words.length === 0 || words[0] === 'help') {
      print(helpFor(words[0] === 'help' ? words.slice(1) : words));
      return 0;
    }
    if (words[0] === '--version') {
      print([json ? JSON.stringify({ version: VERSION }) : `hvbackup ${VERSION}`]);
      return 0;
    }
    const { command, values, positionals } = parseCommand(findCommand(COMMANDS, words), words);
    const invoke = createInvoke(operations, (message) => note(`defect: ${message}`));
    const context: CommandContext = {
      signal,
      note,
      absolute: (path) => resolve(path),
      call: async (method, params) => {
        const warn = (message: string): void => note(`Warning: ${printable(message)}`);
        const secret = await passphraseFor(method, values);
        const account = await credentialFor(method, values);
        const given = {
          ...params,
          ...(secret === undefined ? {} : { passphrase: secret }),
          ...(account === undefined ? {} : { credential: account }),
        };
        const progress = (event: ProgressEvent): void => {
          watch?.(event);
          line?.show(event);
        };
        const result = await invoke(method, given, { signal, progress, warn });
        if ('warnings' in result) result.warnings.forEach(warn);
        return result;
      },
    };
    const outcome = await command.run(values, positionals, context);
    line?.clear();
    print(json ? [JSON.stringify(outcome.json)] : outcome.lines);
    return outcome.exitCode ?? 0;
  } catch (caught) {
    const error = toHvError(caught);
    if (json) print([JSON.stringify({ error: error.toJSON() })]);
    for (const sentence of errorLines(error)) note(sentence);
    return error.exitCode;
  } finally {
    line?.clear();
  }
}

/**
 * The passphrase of the repository that a call is about, from the file that the option or the variable names; undefined when
 * there is none, or the method knows no passphrase.
 */
async function passphraseFor(method: MethodName, values: Record<string, unknown>): Promise<string | undefined> {
  if (!(await takes(method, 'passphrase'))) return undefined;
  const file = values[PASSPHRASE_OPTION] ?? (process.env[PASSPHRASE_VARIABLE] || undefined);
  return typeof file === 'string' ? readPassphraseFile(resolve(file)) : undefined;
}

/** The account for another host, from the file that the option names; the variable counts only where an account can be of use. */
async function credentialFor(method: MethodName, values: Record<string, unknown>) {
  if (!(await takes(method, 'credential'))) return undefined;
  const remote = /^hyperv:./i.test(String(values.host ?? ''));
  const file = values[CREDENTIAL_OPTION] ?? (remote ? process.env[CREDENTIAL_VARIABLE] || undefined : undefined);
  return typeof file === 'string' ? readCredentialFile(resolve(file)) : undefined;
}

const takes = async (method: MethodName, parameter: string): Promise<boolean> =>
  parameter in (await METHODS[method].schemas()).params.shape;

function helpFor(words: readonly string[]): string[] {
  const named = leadingWords(words);
  if (named.length === 0) return overview(COMMANDS);
  const group = COMMANDS.filter((entry: Command) => named.length === 1 && entry.words[0] === named[0]);
  if (group.length > 1) return overview(group);
  return commandHelp(findCommand(COMMANDS, named));
}

/** What a person reads about an error: what happened, then what to do. */
export function errorLines(error: HvError): string[] {
  const lines = [`hvbackup: ${printable(error.message)}`];
  if (error.advice) lines.push(`  ${printable(error.advice)}`);
  if (error.code === 'INTERNAL') lines.push(`  This is a defect. ${printable(error.stack ?? '')}`);
  return lines;
}
