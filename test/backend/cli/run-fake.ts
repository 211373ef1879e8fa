/** Runs a command line in this process on fake operations. */
import { PassThrough } from 'node:stream';
import { runCli } from '../../../backend/src/cli/run.ts';
import type { Operations } from '../../../backend/src/protocol/methods.ts';
import { fakeOperations } from '../protocol/fake-operations.ts';

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
  /** The document on stdout; throws when there is none, or more than one. */
  // biome-ignore lint/suspicious/noExplicitAny: the shape is what the tests are about.
  json: any;
}

export interface RunOptions {
  signal?: AbortSignal;
  /** Width of the terminal on stderr; none when absent. */
  terminal?: number;
}

export async function run(args: string[], fakes: Partial<Operations> = {}, options: RunOptions = {}): Promise<Ran> {
  const text = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') => {
    const made = new PassThrough();
    made.setEncoding('utf8').on('data', (chunk: string) => {
      text[name] += chunk;
    });
    return made;
  };
  const stderr = stream('stderr');
  const code = await runCli({
    args,
    operations: fakeOperations(fakes),
    stdout: stream('stdout'),
    stderr: options.terminal === undefined ? stderr : Object.assign(stderr, { isTTY: true, columns: options.terminal }),
    signal: options.signal ?? new AbortController().signal,
  });
  await new Promise((resolve) => setImmediate(resolve));
  return {
    code,
    ...text,
    get json() {
      return JSON.parse(text.stdout);
    },
  };
}

/** An operation that notes its parameters and answers `result`. */
export function recorder<T>(result: T): { (params: unknown): Promise<T>; calls: unknown[] } {
  const calls: unknown[] = [];
  return Object.assign(
    async (params: unknown) => {
      calls.push(params);
      return result;
    },
    { calls },
  );
}
