/**
 * Folders of Windows that only this account, administrators and the system may enter. Node knows neither owners nor
 * access lists there, so programs of Windows are asked, by their full paths: a name alone could be answered by a
 * program in the current folder.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** Runs a program. `status` null: it could not be run. */
export type RunProgram = (file: string, args: readonly string[]) => { status: number | null; stdout: string };

export const runProgram: RunProgram = (file, args) => {
  const { status, stdout } = spawnSync(file, args, { encoding: 'utf8', windowsHide: true, timeout: 30_000 });
  return { status, stdout: stdout ?? '' };
};

const SYSTEM = 'S-1-5-18';
const ADMINISTRATORS = 'S-1-5-32-544';
/** How the text form of a security descriptor shortens the two. */
const SHORT_NAMES: Record<string, string> = { SY: SYSTEM, BA: ADMINISTRATORS };

const systemProgram = (environment: NodeJS.ProcessEnv, ...path: string[]): string =>
  join(environment.SystemRoot ?? 'C:\\Windows', 'System32', ...path);

/**
 * Gives a folder that was just created a protected access list: system, administrators and this account, nothing
 * inherited.
 * @returns whether that was done
 */
export function protectFolder(path: string, environment: NodeJS.ProcessEnv, run: RunProgram): boolean {
  const own = ownSid(environment, run);
  const grants = [SYSTEM, ADMINISTRATORS, ...(own === null ? [] : [own])].map((sid) => `*${sid}:(OI)(CI)F`);
  const icacls = systemProgram(environment, 'icacls.exe');
  return run(icacls, [path, '/inheritance:r', '/grant:r', ...grants]).status === 0;
}

export interface FolderState {
  /**
   * SID of an owner of the folder, or of what lies directly in it, that is neither the system, administrators nor this
   * account.
   */
  foreignOwner: string | null;
  /** Nothing is inherited from the folder above. */
  isProtected: boolean;
}

/** @returns null when that cannot be determined */
export function inspectFolder(path: string, environment: NodeJS.ProcessEnv, run: RunProgram): FolderState | null {
  const shell = systemProgram(environment, 'WindowsPowerShell', 'v1.0', 'powershell.exe');
  const { status, stdout } = run(shell, ['-NoProfile', '-NonInteractive', '-Command', inspection(path)]);
  const descriptors = stdout.split(/\r?\n/).filter((line) => line.startsWith('O:'));
  const own = ownSid(environment, run);
  if (status !== 0 || descriptors.length === 0 || own === null) return null;
  const owners = descriptors.map((descriptor) => /^O:(S-[\d-]+|[A-Z]{2})/.exec(descriptor)?.[1] ?? 'unknown');
  return {
    foreignOwner: owners.map((name) => SHORT_NAMES[name] ?? name).find((sid) => !isTrusted(sid, own)) ?? null,
    isProtected: /D:P/.test(descriptors[0]!),
  };
}

/**
 * Prints the security descriptor of the folder, then those of what lies in it, a line each. Works in constrained
 * language mode too.
 */
function inspection(path: string): string {
  const literal = `'${path.replaceAll(/['\u2018-\u201b]/g, '$&$&')}'`;
  return [
    '$env:PSModulePath = "$PSHOME\\Modules"',
    `$items = @(Get-Item -Force -LiteralPath ${literal}) + @(Get-ChildItem -Force -LiteralPath ${literal})`,
    '$items | ForEach-Object { (Get-Acl -LiteralPath $_.FullName).Sddl }',
  ].join('; ');
}

/** `LA` is the machine's built-in administrator account, whose SID ends so. */
function isTrusted(sid: string, own: string): boolean {
  return sid === SYSTEM || sid === ADMINISTRATORS || sid === own || (sid === 'LA' && own.endsWith('-500'));
}

function ownSid(environment: NodeJS.ProcessEnv, run: RunProgram): string | null {
  const { status, stdout } = run(systemProgram(environment, 'whoami.exe'), ['/user', '/fo', 'csv', '/nh']);
  return (status === 0 && /"(S-1-[\d-]+)"\s*$/.exec(stdout)?.[1]) || null;
}
