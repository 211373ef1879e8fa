/** Creating and opening the folder of a simulated host. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { HvError, isHvError, toHvError } from '../../support/errors.ts';
import {
  createDirectoryDurably,
  exists,
  PRIVATE_FOLDER,
  publishFile,
  removeFile,
  syncDirectory,
} from '../../support/file.ts';
import { makeFolder } from '../../support/make-folder.ts';
import type { HostContext } from './context.ts';
import { SimulatedHost } from './host.ts';
import { FOLDERS, LOCK_FILE, STATE_FILE } from './layout.ts';
import { HostLock } from './lock.ts';
import { settleAtOpen } from './locked.ts';
import { emptyDeadPlans } from './plan-leftovers.ts';
import { createStateFile, State } from './state.ts';

const NEW_STATE_FILE = `${STATE_FILE}.new`;

export interface OpenOptions {
  /** How long to wait for other processes before HOST_BUSY, ms. Default 60 s. */
  lockTimeout?: number;
}

/**
 * Makes an empty folder (created when missing) a simulated host.
 * @throws HOST_EXISTS when it is one already or holds anything else, ACCESS_DENIED, …
 */
export async function createSimulatedHost(directory: string, options: OpenOptions = {}): Promise<SimulatedHost> {
  const root = path.resolve(directory);
  await createDirectoryDurably(root, PRIVATE_FOLDER);
  try {
    await requireEmpty(root);
    for (const folder of FOLDERS) await makeFolder(path.join(root, folder));
    await syncDirectory(root);
    const temporary = path.join(root, NEW_STATE_FILE);
    await removeFile(temporary);
    createStateFile(temporary);
    // The state file comes last: with it, the folder is a host.
    await publishFile(temporary, path.join(root, STATE_FILE));
  } catch (error) {
    if (isHvError(error, 'FILE_EXISTS')) throw hostExists(root, 'it is a simulated host already');
    throw toHvError(error, root);
  }
  return await openSimulatedHost(root, options);
}

/** What a creation that was cut short leaves may be there. */
async function requireEmpty(root: string): Promise<void> {
  const names = await readdir(root);
  if (names.includes(STATE_FILE)) throw hostExists(root, 'it is a simulated host already');
  const ours = new Set([...FOLDERS, NEW_STATE_FILE, `${NEW_STATE_FILE}-journal`]);
  const foreign = names.find((name) => !ours.has(name));
  if (foreign !== undefined) throw hostExists(root, `it holds "${foreign}"`);
  for (const folder of FOLDERS.filter((name) => names.includes(name))) {
    if ((await readdir(path.join(root, folder))).length > 0)
      throw hostExists(root, `its folder "${folder}" is not empty`);
  }
}

const hostExists = (root: string, why: string): HvError =>
  new HvError('HOST_EXISTS', `No host can be created in this folder, ${why}: ${root}`, {
    advice: 'Choose a folder that is empty or does not exist.',
    data: { path: root },
  });

/**
 * Opens a simulated host; changes that were cut short by a crash are finished or undone first.
 * @throws HOST_NOT_FOUND, HOST_STATE_CORRUPT, HOST_BUSY
 */
export async function openSimulatedHost(directory: string, options: OpenOptions = {}): Promise<SimulatedHost> {
  const root = path.resolve(directory);
  const stateFile = path.join(root, STATE_FILE);
  if (!(await exists(stateFile))) {
    throw new HvError('HOST_NOT_FOUND', `There is no simulated host in this folder: ${root}`, {
      advice: 'Check the path, or create a host there.',
      data: { path: root },
    });
  }
  const lock = new HostLock(path.join(root, LOCK_FILE), options.lockTimeout);
  const ctx: HostContext = { root, lock, ...(await openState(root, stateFile, lock)) };
  const host = new SimulatedHost(ctx);
  try {
    await settleAtOpen(ctx);
  } catch (error) {
    await host.close();
    throw error;
  }
  return host;
}

/**
 * On a full volume the dead give their room back first. Where that is not enough, one connection for both sees to it
 * that what is there can be looked at.
 */
async function openState(root: string, file: string, lock: HostLock): Promise<Pick<HostContext, 'state' | 'view'>> {
  try {
    return openBoth(file);
  } catch (error) {
    if (!isHvError(error, 'DISK_FULL')) throw error;
  }
  try {
    await lock.runIfFree(async () => void (await emptyDeadPlans(root))).catch(() => undefined);
    try {
      return openBoth(file);
    } catch (error) {
      if (!isHvError(error, 'DISK_FULL')) throw error;
      const alone = new State(file, { alone: true });
      return { state: alone, view: alone };
    }
  } catch (error) {
    lock.close();
    throw error;
  }
}

function openBoth(file: string): Pick<HostContext, 'state' | 'view'> {
  const state = new State(file);
  try {
    return { state, view: new State(file) };
  } catch (error) {
    state.close();
    throw error;
  }
}
