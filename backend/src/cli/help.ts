/** Help texts, made from the commands themselves. */
import { VERSION } from '../support/version.ts';
import type { Command } from './command.ts';
import type { Option } from './options.ts';
import { findCommand, leadingWords } from './parse.ts';

const WIDTH = 100;

/**
 * Help of what the words name: everything, a group of commands, or one command.
 * @throws USAGE when there is no such command
 */
export function helpFor(commands: readonly Command[], words: readonly string[]): string[] {
  const named = leadingWords(words);
  if (named.length === 0) return overview(commands);
  const group = commands.filter(
    (entry) => entry.words.length > named.length && named.every((word, index) => entry.words[index] === word),
  );
  return group.length > 0 ? overview(group) : commandHelp(findCommand(commands, named));
}

/** Help of `hvbackup` itself: every command in a line. */
function overview(commands: readonly Command[]): string[] {
  const names = commands.map((entry) => entry.words.join(' '));
  const width = Math.max(...names.map((name) => name.length));
  return [
    `hvbackup ${VERSION}: backup of Hyper-V virtual machines`,
    '',
    'Usage: hvbackup COMMAND [OPTIONS]',
    '',
    ...commands.map((entry, index) => `  ${names[index]!.padEnd(width)}  ${entry.summary}`),
    '',
    'Every command takes --json (one JSON document on stdout) and --help.',
    'Exit codes: 0 done, 1 failed, 2 usage, 3 some VMs failed, 4 damage found, 5 cancelled.',
  ];
}

/** Help of one command. */
function commandHelp(entry: Command): string[] {
  const name = `hvbackup ${entry.words.join(' ')}`;
  const options = Object.entries(entry.options);
  const parts = [
    ...entry.positionals,
    ...options.filter(([, option]) => option.required).map(([key, option]) => written(key, option)),
    ...options.filter(([, option]) => !option.required).map(([key, option]) => `[${written(key, option)}]`),
    '[--json]',
  ];
  const rows: [string, string][] = [
    ...options.map(([key, option]): [string, string] => [written(key, option).replace(' …', ''), describe(option)]),
    ['--json', 'Print one JSON document on stdout.'],
  ];
  const width = Math.min(34, Math.max(...rows.map(([left]) => left.length)));
  return [
    entry.summary,
    '',
    ...wrap(`Usage: ${name} `, parts, ' '.repeat(9 + name.length - 1)),
    '',
    'Options:',
    ...rows.flatMap(([left, right]) => optionLines(left, right, width)),
    '',
    'Examples:',
    ...entry.examples.map((example) => `  hvbackup ${example}`),
  ];
}

const written = (key: string, option: Option<unknown>): string =>
  option.kind === 'flag' ? `--${key}` : `--${key} ${option.placeholder}${option.kind === 'list' ? ' …' : ''}`;

const describe = (option: Option<unknown>): string =>
  `${option.help}${option.required ? ' Required.' : ''}${option.kind === 'list' ? ' May be repeated.' : ''}`;

function optionLines(left: string, right: string, width: number): string[] {
  const indent = ' '.repeat(width + 4);
  const head = `  ${left.padEnd(width)}  `;
  if (left.length > width) return [head.trimEnd(), ...wrap(indent, right.split(' '), indent)];
  return wrap(head, right.split(' '), indent);
}

function wrap(first: string, words: readonly string[], indent: string): string[] {
  const lines: string[] = [];
  let line = first;
  let empty = true;
  for (const word of words) {
    if (!empty && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = indent;
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  return [...lines, line];
}
