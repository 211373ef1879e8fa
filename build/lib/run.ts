/** Child processes of the development scripts. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { root } from '../runtime.mjs';

/** Runs a command with inherited output. @returns its exit code (1 when it was killed) */
export function run(command: string, args: string[], env: NodeJS.ProcessEnv = {}): number {
  const result = spawnSync(command, args, { stdio: 'inherit', cwd: root, env: { ...process.env, ...env } });
  return result.status ?? 1;
}

export interface Ended {
  /** Exit code, 1 when it was killed or could not be started. */
  status: number;
  /** All that it wrote, when its output was kept. */
  output: string;
}

/**
 * Starts a command beside others.
 * @param keep whether its output is kept instead of mixed with that of the others
 */
export function start(command: string, args: string[], keep: boolean): Promise<Ended> {
  const child = spawn(command, args, {
    stdio: ['ignore', keep ? 'pipe' : 'inherit', keep ? 'pipe' : 'inherit'],
    cwd: root,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ status: 1, output: `${output}${error.message}\n` }));
    child.once('close', (code) => resolve({ status: code ?? 1, output }));
  });
}

/** Runs a package's script on the pinned Node, without the detour through a shell. */
export const runModule = (file: string, args: string[], env: NodeJS.ProcessEnv = {}): number =>
  run(process.execPath, [join(root, 'node_modules', file), ...args], env);

/** Absolute path of a program on PATH, or null. */
export function findProgram(name: string): string | null {
  const names = process.platform === 'win32' ? [`${name}.exe`, `${name}.cmd`] : [name];
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']) {
    for (const file of names) if (folder && existsSync(join(folder, file))) return join(folder, file);
  }
  return null;
}
