/** Child processes of the development scripts. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { root } from '../runtime.mjs';

/** Runs a command with inherited output. @returns its exit code (1 when it was killed) */
export function run(command: string, args: string[], env: NodeJS.ProcessEnv = {}): number {
  const result = spawnSync(command, args, { stdio: 'inherit', cwd: root, env: { ...process.env, ...env } });
  return result.status ?? 1;
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
