/** Which way a VM's disks are read: from their files, attached by virtdisk.dll, or exported by the host. */
import { open } from 'node:fs/promises';
import path from 'node:path';
import type { ReadingMethod } from '../../../schema/readiness.ts';
import { HvError } from '../../../support/errors.ts';
import { pathsOf, reachable } from '../paths.ts';

/** What the caller wants. */
export interface ReadingOptions {
  readMethod?: 'auto' | 'native' | 'attached' | 'export';
  /** Where exports go, as the host names it. */
  exportFolder?: string;
}

export interface Way {
  method: ReadingMethod;
  /** A sentence for people. */
  why: string;
}

export interface WayFacts extends ReadingOptions {
  /** Another machine; undefined for this one. */
  server: string | undefined;
  virtDisk: { available: boolean; reason: string };
  /** Why the disks' files cannot be opened from here; null when they can. */
  unreachable: string | null;
}

/** @throws NOT_SUPPORTED when what was asked for is not possible here */
export function chooseWay({ readMethod, exportFolder, server, virtDisk, unreachable }: WayFacts): Way {
  if (readMethod === 'export') return { method: 'export', why: 'Reading from exports was asked for.' };
  if (readMethod === 'attached') {
    if (virtDisk.available) return { method: 'attached', why: 'Attached reading was asked for.' };
    throw new HvError('NOT_SUPPORTED', `Disks cannot be attached here: ${virtDisk.reason}.`, {
      advice: 'Read them in another way (--read-method auto, native or export).',
      data: { readMethod },
    });
  }
  if (server === undefined) return { method: 'native', why: 'The disks are files of this machine.' };
  if (readMethod !== 'native' && unreachable !== null && exportFolder !== undefined) {
    const why = `The host is another machine (${server}) whose disks cannot be opened over its shares (${unreachable}): it exports them.`;
    return { method: 'export', why };
  }
  const why = `The host is another machine (${server}): its disks are read over its administrative shares.`;
  return { method: 'share', why };
}

/** In use is no reason: it shows that the file is reached. */
const IN_USE = ['EBUSY', 'EMFILE', 'ENFILE'];

/** Why a file of the host cannot be opened from here; null when it can. */
export async function whyUnreachable(hostPath: string, server: string | undefined): Promise<string | null> {
  if (server === undefined) return null;
  const file = reachable(hostPath, server);
  try {
    await (await open(file, 'r')).close();
    return null;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code && IN_USE.includes(code) ? null : `${code ?? message}: ${file}`;
  }
}

/** Errors after which another reader may still succeed: the file is there, and ours does not understand it. */
export const REFUSED_BY_READER = [
  'DISK_CORRUPT',
  'DISK_UNSUPPORTED',
  'DISK_FORMAT_UNKNOWN',
  'DISK_PARENT_MISSING',
  'DISK_PARENT_MISMATCH',
] as const;

/** @throws USAGE for a folder that is not absolute: the host would not know from where */
export function requireAbsolute(folder: string | undefined): void {
  if (folder === undefined || pathsOf(folder).isAbsolute(folder) || path.isAbsolute(folder)) return;
  throw new HvError('USAGE', `The export folder is not an absolute path: ${folder}`, {
    advice: 'Give it as the host names it: D:\\Folder or \\\\server\\share\\folder.',
    data: { exportFolder: folder },
  });
}
