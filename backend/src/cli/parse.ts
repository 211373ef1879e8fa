/** From words on the command line to a command and its values. */
import { parseArgs } from 'node:util';
import { HvError } from '../support/errors.ts';
import { nearest } from '../support/suggest.ts';
import type { Command } from './command.ts';

export interface Invocation {
  command: Command;
  values: Record<string, unknown>;
  positionals: string[];
}

const usage = (message: string, advice: string, data: Record<string, unknown> = {}): HvError =>
  new HvError('USAGE', message, { advice, data });

/**
 * The command that the first words name.
 * @throws USAGE with the nearest command when there is none
 */
export function findCommand(commands: readonly Command[], args: readonly string[]): Command {
  const words = leadingWords(args);
  if (words.length === 0) throw optionFirst(commands, args);
  const match = commands
    .filter((candidate) => candidate.words.every((word, index) => words[index] === word))
    .sort((a, b) => b.words.length - a.words.length)[0];
  if (match) return match;
  // The commands that begin as what was typed does, as far as any does.
  let group = commands.filter((candidate) => candidate.words.length > 1 && candidate.words[0] === words[0]);
  if (group.length > 0) {
    let known = 1;
    for (; ; known++) {
      const longer = group.filter(({ words: w }) => w.length > known + 1 && w[known] === words[known]);
      if (longer.length === 0) break;
      group = longer;
    }
    const before = words.slice(0, known).join(' ');
    const choices = [...new Set(group.map((candidate) => candidate.words[known]!))];
    const typed = words[known];
    const hint = typed === undefined ? null : nearest(typed, choices);
    throw usage(
      typed === undefined
        ? `"${before}" needs one more word: ${choices.join(', ')}.`
        : `There is no command "${before} ${typed}".`,
      hint ? `Did you mean "hvbackup ${before} ${hint}"?` : `See "hvbackup ${words[0]} --help".`,
      { ...(hint ? { suggestion: `${before} ${hint}` } : {}) },
    );
  }
  const typed = words[0]!;
  const hint = nearest(typed, [...new Set(commands.map((candidate) => candidate.words[0]!))]);
  throw usage(`There is no command "${typed}".`, hint ? `Did you mean "hvbackup ${hint}"?` : 'See "hvbackup --help".', {
    ...(hint ? { suggestion: hint } : {}),
  });
}

/** `hvbackup --vm web01 list`: which words are values of the options cannot be known before the command is. */
function optionFirst(commands: readonly Command[], args: readonly string[]): HvError {
  const option = args[0] ?? '';
  const isCommand = (from: number): Command | undefined =>
    commands.find(({ words }) => words.every((word, index) => args[from + index] === word));
  const at = args.findIndex((_arg, index) => isCommand(index));
  const words = at < 0 ? [] : isCommand(at)!.words;
  const rest = [...args.slice(0, at), ...args.slice(at + words.length)];
  return usage(
    `The option ${option} stands before the command.`,
    at < 0 ? 'Write the command first; see "hvbackup --help".' : `Write: hvbackup ${[...words, ...rest].join(' ')}`,
    { option },
  );
}

/** @throws USAGE for unknown options (with the nearest one), missing or surplus values */
export function parseCommand(command: Command, args: readonly string[]): Invocation {
  const name = command.words.join(' ');
  const help = `See "hvbackup ${name} --help".`;
  const specs = Object.fromEntries(
    Object.entries(command.options).map(([option, spec]) => [
      option,
      { type: spec.kind === 'flag' ? ('boolean' as const) : ('string' as const), multiple: spec.kind === 'list' },
    ]),
  );
  // Not strict: its messages know nothing of suggestions, and repeated options would silently win.
  const { tokens } = parseArgs({ args: args.slice(command.words.length), options: specs, strict: false, tokens: true });
  const values: Record<string, unknown> = Object.create(null);
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const spec = Object.hasOwn(command.options, token.name) ? command.options[token.name] : undefined;
    const written = token.rawName;
    if (spec === undefined || !written.startsWith('--')) throw unknownOption(command, written, help);
    if (spec.kind === 'flag') {
      if (token.value !== undefined) throw usage(`${written} takes no value.`, help, { option: written });
      values[token.name] = spec.parse('', written);
      continue;
    }
    if (token.value === undefined || (!token.inlineValue && token.value.startsWith('--'))) {
      throw usage(`${written} needs a value: ${written} ${spec.placeholder}.`, help, { option: written });
    }
    const value = spec.parse(token.value, written);
    if (spec.kind === 'list') values[token.name] = [...((values[token.name] as unknown[]) ?? []), value];
    else if (token.name in values) throw usage(`${written} is given twice.`, help, { option: written });
    else values[token.name] = value;
  }
  checkComplete(command, values, positionals, help);
  return { command, values, positionals };
}

function checkComplete(command: Command, values: Record<string, unknown>, positionals: string[], help: string): void {
  for (const [option, spec] of Object.entries(command.options)) {
    if (spec.kind === 'list') values[option] ??= [];
    if (spec.kind === 'flag') values[option] ??= false;
    if (spec.required && !(option in values)) {
      throw usage(`--${option} is missing: --${option} ${spec.placeholder}.`, help, { option: `--${option}` });
    }
  }
  if (positionals.length < command.positionals.length) {
    throw usage(`${command.positionals[positionals.length]} is missing.`, help);
  }
  if (positionals.length > command.positionals.length) {
    throw usage(`"${positionals[command.positionals.length]}" is one word too many.`, help);
  }
}

function unknownOption(command: Command, written: string, help: string): HvError {
  const known = [...Object.keys(command.options), 'json', 'help'];
  const hint = nearest(written.replace(/^-+/, ''), known);
  return usage(
    `"hvbackup ${command.words.join(' ')}" has no option ${written}.`,
    hint ? `Did you mean --${hint}?` : help,
    { option: written, ...(hint ? { suggestion: `--${hint}` } : {}) },
  );
}

/** The words before the first option. */
export function leadingWords(args: readonly string[]): string[] {
  const end = args.findIndex((arg) => arg.startsWith('-'));
  return end < 0 ? [...args] : args.slice(0, end);
}
