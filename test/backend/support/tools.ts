/** Tools that others wrote, and that our output is compared with. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Absolute path of a program, or null. */
export function findTool(name: string): string | null {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']) {
    if (folder && existsSync(join(folder, name))) return join(folder, name);
  }
  return null;
}

export const hasTool = (name: string): boolean => findTool(name) !== null;

/** Runs a tool. @returns its output @throws Error with its messages when the exit code is not 0 */
export function tool(name: string, ...args: string[]): string {
  const result = spawnSync(findTool(name) ?? name, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (result.status !== 0)
    throw new Error(`${name} ${args.join(' ')}: ${result.status}\n${result.stdout}${result.stderr}`);
  return result.stdout;
}
