/**
 * Which way a VM's disks are read: from their files, attached by virtdisk.dll, or exported by the host; and which is
 * taken when one fails.
 */
import { open } from 'node:fs/promises';
import path from 'node:path';
import type { ReadingMethod } from '../../../schema/readiness.ts';
import { HvError, isHvError } from '../../../support/errors.ts';
import type { Helper } from '../helper/helper.ts';
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
      advice: 'Use another read method (--read-method auto, native or export).',
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
const REFUSED_BY_READER = [
  'DISK_CORRUPT',
  'DISK_UNSUPPORTED',
  'DISK_FORMAT_UNKNOWN',
  'DISK_PARENT_MISSING',
  'DISK_PARENT_MISMATCH',
] as const;

/** Decides for one open host. */
export class Ways {
  readonly #helper: Helper;
  readonly #server: string | undefined;
  readonly #options: ReadingOptions;
  readonly #probes = new Map<string, Promise<string | null>>();

  constructor(helper: Helper, server: string | undefined, options: ReadingOptions) {
    this.#helper = helper;
    this.#server = server;
    this.#options = options;
  }

  /** @param paths of the VM's disk files @throws NOT_SUPPORTED */
  async of(paths: readonly string[]): Promise<Way> {
    const { virtDisk } = await this.#helper.state();
    const unreachable = await this.#unreachable(paths);
    return chooseWay({ ...this.#options, server: this.#server, virtDisk, unreachable });
  }

  /** For a VHD set there is no choice. */
  ofSet(): Way {
    const method = this.#server === undefined ? 'native' : 'share';
    return { method, why: 'A VHD set is read from the file of its snapshot.' };
  }

  /** Whether exports may be used. Of another host only where they were spoken of: its shares may not answer. */
  get mayExport(): boolean {
    const { readMethod, exportFolder } = this.#options;
    if (readMethod === 'native') return false;
    return exportFolder !== undefined || readMethod === 'export' || this.#server === undefined;
  }

  /** The way to open a disk whose file was refused; null when there is no other. */
  async afterRefusal(way: Way, error: unknown): Promise<Way | null> {
    if (way.method !== 'native' && way.method !== 'share') return null;
    const { virtDisk } = await this.#helper.state();
    if (!this.#isFree || !virtDisk.available || !isHvError(error, ...REFUSED_BY_READER)) return null;
    return { method: 'attached', why: `The file cannot be read directly (${error.code}: ${error.message}).` };
  }

  /** The way to have what changed where the host cannot be asked for it; null when there is no other. */
  afterLostTracking(way: Way, error: unknown): Way | null {
    const may = way.method !== 'export' && this.#isFree && this.#options.exportFolder !== undefined;
    if (!may || !isHvError(error, 'TRACKING_LOST') || error.data.unsupported !== true) return null;
    return { method: 'export', why: `What changed can be had from an export only (${error.message}).` };
  }

  get #isFree(): boolean {
    return (this.#options.readMethod ?? 'auto') === 'auto';
  }

  /** Asked only where it matters, and once a file: a share that does not answer takes its time to say so. */
  #unreachable(paths: readonly string[]): Promise<string | null> {
    const [first] = paths;
    if (first === undefined || this.#options.exportFolder === undefined) return Promise.resolve(null);
    const known = this.#probes.get(first) ?? whyUnreachable(first, this.#server);
    this.#probes.set(first, known);
    return known;
  }
}

/** @throws USAGE for a folder that is not absolute: the host would not know from where */
export function requireAbsolute(folder: string | undefined): void {
  if (folder === undefined || pathsOf(folder).isAbsolute(folder) || path.isAbsolute(folder)) return;
  throw new HvError('USAGE', `The export folder is not an absolute path: ${folder}`, {
    advice: 'Give it as the host names it: D:\\Folder or \\\\server\\share\\folder.',
    data: { exportFolder: folder },
  });
}
