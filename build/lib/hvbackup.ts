/** Runs the bundled command line from a development script, the way a script of a user would. */
import { spawnSync } from 'node:child_process';
import { BUNDLE } from './bundle.ts';

/**
 * `hvbackup … --json`. @returns the one JSON document it prints
 * @throws Error with the command and its message when the exit code is not 0
 */
export function hvbackup<T>(args: string[], env: NodeJS.ProcessEnv = {}): T {
  const result = spawnSync(process.execPath, [BUNDLE, ...args, '--json'], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, ...env },
  });
  if (result.status !== 0) throw new Error(`hvbackup ${args.join(' ')}: exit code ${result.status}\n${result.stderr}`);
  return JSON.parse(result.stdout) as T;
}

/** 1536 → "1.5 KiB". */
export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
