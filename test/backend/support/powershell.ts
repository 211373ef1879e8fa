/**
 * A PowerShell that stays open for a suite and runs pieces of script: starting one and compiling types takes seconds.
 */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { findTool } from './tools.ts';

const LOOP = join(dirname(fileURLToPath(import.meta.url)), 'powershell-loop.ps1');

/** What a script threw: the message and, of a VirtDiskException, its properties. */
export class ScriptError extends Error {
  readonly details: Record<string, unknown>;
  constructor(details: Record<string, unknown>) {
    super(String(details.Message));
    this.details = details;
  }
}

export type PowerShell = {
  /**
   * Runs a script; `$data` in it is the second argument.
   * @returns what it wrote to its output, through JSON @throws ScriptError when it throws
   */
  run<T = unknown>(script: string, data?: unknown): Promise<T>;
  close(): Promise<void>;
};

/** Starts one. @param env added to this process's environment */
export function startPowerShell(env: Record<string, string>): PowerShell {
  const child = spawn(findTool('pwsh')!, ['-NoProfile', '-NonInteractive', '-File', LOOP], {
    env: { ...process.env, ...env, POWERSHELL_TELEMETRY_OPTOUT: '1' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const waiting: { resolve: (value: never) => void; reject: (error: Error) => void }[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    const at = line.indexOf('@@');
    if (at < 0) return;
    const answer = JSON.parse(Buffer.from(line.slice(at + 2), 'base64').toString('utf8'));
    const next = waiting.shift()!;
    if (answer.error) next.reject(new ScriptError(answer.error));
    else next.resolve(answer.value as never);
  });
  void ended.then(() => {
    for (const { reject } of waiting.splice(0)) reject(new Error('PowerShell has ended'));
  });
  return {
    run: (script, data = null) =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        child.stdin.write(`${Buffer.from(JSON.stringify({ script, data })).toString('base64')}\n`);
      }),
    close: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
