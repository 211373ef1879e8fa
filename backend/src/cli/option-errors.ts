/** Parameters that a method refuses, in the words of the command line: its options, not the protocol's parameters. */
import { HvError, isHvError } from '../support/errors.ts';
import type { Command } from './command.ts';

interface Issue {
  path: string;
  message: string;
}

/** Parameters whose option has a name of its own. */
const OTHER_NAMES: Record<string, string> = { directory: 'to', processors: 'cpu', action: 'set' };

/**
 * @returns `error`, or for refused parameters a usage error that names the options; advice names the option that helps
 */
export function inOptions(error: unknown, command: Command): unknown {
  if (isHvError(error, 'DISK_PARENT_MISSING') && 'parent' in command.options)
    return new HvError(error.code, error.message, {
      advice: `${error.advice ?? ''} Or name it: --parent FILE.`.trim(),
      data: error.data,
      cause: error,
    });
  if (!(error instanceof HvError) || error.code !== 'PROTOCOL_INVALID' || !Array.isArray(error.data.issues))
    return error;
  const issues = error.data.issues as Issue[];
  const sentence = issues.map(({ path, message }) => `${writtenAs(path, command)} ${message}`).join('; ');
  return new HvError('USAGE', `${sentence}.`, {
    advice: `See "hvbackup ${command.words.join(' ')} --help".`,
    data: { ...error.data, options: issues.map(({ path }) => writtenAs(path, command)) },
    cause: error,
  });
}

/**
 * `keepLast` → `--keep-last`, `disks.0` → `--disk`, `location` → the positional argument, else the parameter's name.
 */
function writtenAs(path: string, { options, positionals }: Command): string {
  const parameter = path.split('.')[0]!;
  const kebab = parameter.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const names = [
    OTHER_NAMES[parameter] ?? '',
    kebab,
    kebab.replace(/s$/, ''),
    kebab.replace(/es$/, ''),
    `${kebab}-file`,
  ];
  const option = names.find((name) => Object.hasOwn(options, name));
  if (option !== undefined) return `--${option}`;
  return positionals.length === 1 ? positionals[0]! : parameter;
}
