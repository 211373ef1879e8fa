/** The command line under test: the bundle, as a process of its own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
export const BUNDLE = join(root, 'build', 'out', 'hvbackup.cjs');

export interface CliAnswer {
  status: number | null;
  stdout: string;
  stderr: string;
  // biome-ignore lint/suspicious/noExplicitAny: the shape is what the test is about.
  json: any;
}

export interface CliOptions {
  /** State folder of the machine. */
  state?: string;
  /** Beside the environment of the test. */
  env?: NodeJS.ProcessEnv;
}

/** Runs `hvbackup … --json` and waits. Never throws for an exit code. */
export function cli(
  args: string[],
  options: CliOptions & { timeout?: number; environment?: Record<string, string> } = {},
): CliAnswer {
  const result = spawnSync(process.execPath, [BUNDLE, ...args, '--json'], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout: options.timeout ?? 240_000,
    // One that is caught in a loop hears no other.
    killSignal: 'SIGKILL',
    env: {
      ...process.env,
      ...(options.state ? { HVBACKUP_STATE_DIR: options.state } : {}),
      ...options.environment,
      ...options.env,
    },
  });
  let json: unknown = null;
  try {
    json = JSON.parse(result.stdout);
  } catch {
    // stays null: the test that needs it fails with the text beside it
  }
  return { status: result.status, stdout: result.stdout, stderr: result.stderr, json };
}

/** Runs `hvbackup … --json` and expects success. @returns the document */
// biome-ignore lint/suspicious/noExplicitAny: see above.
export function ok(args: string[], options: CliOptions = {}): any {
  const answer = cli(args, options);
  if (answer.status !== 0 || answer.json === null) {
    throw new Error(`hvbackup ${args.join(' ')}: exit code ${answer.status}\n${answer.stdout}\n${answer.stderr}`);
  }
  return answer.json;
}

/** Starts `hvbackup … --json` and does not wait. */
export function start(args: string[], options: CliOptions = {}): ChildProcess & { done: Promise<CliAnswer> } {
  const child = spawn(process.execPath, [BUNDLE, ...args, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...(options.state ? { HVBACKUP_STATE_DIR: options.state } : {}), ...options.env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const done = new Promise<CliAnswer>((resolve) => {
    child.on('close', (status) => {
      let json: unknown = null;
      try {
        json = JSON.parse(stdout);
      } catch {
        // killed before it could answer
      }
      resolve({ status, stdout, stderr, json });
    });
  });
  return Object.assign(child, { done });
}
