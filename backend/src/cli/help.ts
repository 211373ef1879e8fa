/** Help texts, made from the commands themselves. */
import { VERSION } from '../support/version.ts';
import type { Command } from './command.ts';
import type { Option } from './options.ts';

const WIDTH = 100;

/** Help of `hvbackup` itself: every command in a line. */
export function overview(commands: readonly Command[]): string[] {
  const names = commands.map((entry) => entry.words.join(' '));
  const width = Math.max(...names.map((name) => name.length));
  return [
    `hvbackup ${VERSION}: backup of Hyper-V virtual machines`,
    '',
    'Usage: hvbackup COMMAND [OPTIONS]',
    '',
    ...commands.map((entry, index) => `  ${names[index]!.padEnd(width)}  ${entry.summary}`),
    `  ${'serve'.padEnd(width)}  Serve JSON-RPC 2.0 on stdin and stdout (for the PowerShell module).`,
    '',
    'Every command takes --json (one JSON document on stdout) and --help.',
    'Exit codes: 0 done, 1 failed, 2 usage, 3 some VMs failed, 4 damage found, 5 cancelled.',
  ];
}

/** Help of one command. */
export function commandHelp(entry: Command): string[] {
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
