/** What a command of `hvbackup` is. */
import type { MethodInput, MethodName, MethodResult } from '../protocol/methods.ts';
import type { Option, Values } from './options.ts';

/** What a command has to say when it is done. */
export interface Outcome {
  /** The one document that `--json` prints. */
  json: object;
  /** Lines for people. */
  lines: string[];
  /** Exit code; 0 when absent. */
  exitCode?: number;
}

export interface CommandContext {
  /** Calls a method of the protocol with progress, warnings and cancellation connected. */
  call: <M extends MethodName>(method: M, params: MethodInput<M>) => Promise<MethodResult<M>>;
  /** Says something on stderr at once. */
  note: (message: string) => void;
  readonly signal: AbortSignal;
  /** Absolute path of a path that the person wrote. */
  absolute: (path: string) => string;
  /** Of a repository: the absolute path of a path, anything else as it is. */
  location: (location: string) => string;
}

export interface Command {
  /** Words of the command: `['vm', 'list']`. */
  words: readonly string[];
  summary: string;
  /** Names of the positional arguments, all required. */
  positionals: readonly string[];
  options: Readonly<Record<string, Option<unknown>>>;
  /** Command lines, without `hvbackup`. */
  examples: readonly string[];
  run: (values: Record<string, unknown>, positionals: string[], context: CommandContext) => Promise<Outcome>;
}

/** Defines a command; `run` gets its options' values under their own names, typed. */
export function command<const O extends Record<string, Option<unknown>>>(definition: {
  words: string;
  summary: string;
  positionals?: string[];
  options: O;
  examples: string[];
  run: (values: Values<O>, context: CommandContext, positionals: string[]) => Promise<Outcome>;
}): Command {
  return {
    words: definition.words.split(' '),
    summary: definition.summary,
    positionals: definition.positionals ?? [],
    options: definition.options,
    examples: definition.examples,
    run: (values, positionals, context) => definition.run(values as Values<O>, context, positionals),
  };
}
