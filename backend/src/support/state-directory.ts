/**
 * Where this machine keeps what it can rebuild, what it remembers of repositories, and locks. Much is decided by what
 * lies there, so it is for this account alone, and a folder that another account made is not used (docs/encryption.md).
 */
import { chmodSync, lstatSync, readdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { HvError, toHvError } from './errors.ts';
import { makeFolderSync } from './make-folder.ts';
import { inspectFolder, protectFolder, type RunProgram, runProgram } from './windows-protection.ts';

/** Folders in it. A state folder in which something else lies too keeps its mode: it may serve others. */
const STATE_FOLDERS = ['catalogs', 'seen', 'locks', 'removals', 'references'] as const;
export type StateFolder = (typeof STATE_FOLDERS)[number];

/** What the checks ask of the machine; tests give their own. */
export interface StateEnvironment {
  variables: NodeJS.ProcessEnv;
  platform: NodeJS.Platform;
  /** Effective user id; undefined on Windows. */
  account: number | undefined;
  run: RunProgram;
}

const machine = (): StateEnvironment => ({
  variables: process.env,
  platform: process.platform,
  account: process.geteuid?.(),
  run: runProgram,
});

/** On Windows a check takes processes: it is made once. */
const checked = new Set<string>();

/**
 * Absolute path, neither created nor checked. `HVBACKUP_STATE_DIR` overrides; per machine on Windows, per user
 * elsewhere.
 */
export function stateLocation({ variables, platform }: StateEnvironment = machine()): string {
  if (variables.HVBACKUP_STATE_DIR) return resolve(variables.HVBACKUP_STATE_DIR);
  if (platform === 'win32') return join(variables.ProgramData ?? 'C:\\ProgramData', 'HyperVBackup');
  return join(variables.XDG_STATE_HOME ?? join(homedir(), '.local', 'state'), 'hypervbackup');
}

/**
 * The state folder, made when missing.
 * @throws STATE_FOLDER_UNSAFE when another account owns it; ACCESS_DENIED, … when it cannot be made
 */
export function stateDirectory(environment: StateEnvironment = machine()): string {
  const path = stateLocation(environment);
  const created = secure(path, environment, () => !environment.variables.HVBACKUP_STATE_DIR || holdsOnlyOurs(path));
  if (environment.platform === 'win32') secureOnWindows(path, created, environment);
  return path;
}

/**
 * A folder in it, made when missing.
 * @param state default: this machine's state folder
 * @throws as stateDirectory()
 */
export function stateFolder(name: StateFolder, state?: string, environment: StateEnvironment = machine()): string {
  const path = join(state ?? stateDirectory(environment), name);
  secure(path, environment, () => true);
  return path;
}

/** @param isOurs whether an existing folder's mode may be changed */
function secure(path: string, environment: StateEnvironment, isOurs: () => boolean): boolean {
  try {
    const created = makeFolderSync(path, 0o700).length > 0;
    if (environment.platform !== 'win32') secureByMode(path, environment.account, isOurs);
    return created;
  } catch (error) {
    throw toHvError(error, path);
  }
}

function secureByMode(path: string, account: number | undefined, isOurs: () => boolean): void {
  const at = statSync(path);
  // Who owns a link decides where it leads.
  for (const { uid } of [lstatSync(path), at]) if (uid !== account && uid !== 0) throw unsafe(path, `user ${uid}`);
  if ((at.mode & 0o077) !== 0 && at.uid === account && isOurs()) chmodSync(path, 0o700);
}

/** What lies in it is looked at with it, and inherits from it. */
function secureOnWindows(path: string, created: boolean, { variables, run }: StateEnvironment): void {
  if (checked.has(path)) return;
  const before = created ? null : inspectFolder(path, variables, run);
  if (before?.foreignOwner) throw unsafe(path, before.foreignOwner);
  // A folder that was named by hand may serve others too, or lie where there are no access lists.
  const byHand = Boolean(variables.HVBACKUP_STATE_DIR);
  const isOpen = created || (before !== null && !before.isProtected && !byHand);
  if (isOpen && !protectFolder(path, variables, run) && !byHand)
    throw new HvError('STATE_FOLDER_UNSAFE', `The state folder cannot be closed to other accounts: ${path}`, {
      advice: 'Remove it, or set HVBACKUP_STATE_DIR to a folder that only administrators may write to.',
      data: { path },
    });
  checked.add(path);
}

const unsafe = (path: string, owner: string): HvError =>
  new HvError('STATE_FOLDER_UNSAFE', `The state folder belongs to another account (${owner}): ${path}`, {
    advice:
      'What lies there is not believed. Remove the folder, or take it over after a look, or set HVBACKUP_STATE_DIR to a folder of your own.',
    data: { path, owner },
  });

function holdsOnlyOurs(path: string): boolean {
  return readdirSync(path).every((name) => (STATE_FOLDERS as readonly string[]).includes(name));
}
