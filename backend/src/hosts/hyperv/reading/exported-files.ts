/**
 * What an export made. Its layout is documented nowhere, so files are recognized by their content: virtual disks by
 * their headers, which disk by its identity, then by its name, then because there is only one.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { type Difference, type DiskInfo, inspectDisk, openDifference } from '../../../disk/index.ts';
import type { VmDisk } from '../../../schema/vm.ts';
import { HvError, toHvError } from '../../../support/errors.ts';
import { pathsOf } from '../paths.ts';

const MAX_DEPTH = 6;
const MAX_FILES = 10_000;
const CONFIGURATION = /\.(vmcx|vmrs|vmgs)$/i;

export interface ExportedFiles {
  disks: DiskInfo[];
  /** Paths of configuration files. */
  configuration: string[];
}

/** @param folder as this machine reaches it @throws EXPORT_FAILED when it cannot be looked through */
export async function listExported(folder: string): Promise<ExportedFiles> {
  const found: ExportedFiles = { disks: [], configuration: [] };
  let count = 0;
  const walk = async (at: string, depth: number): Promise<void> => {
    for (const entry of await readdir(at, { withFileTypes: true })) {
      const file = path.join(at, entry.name);
      if (++count > MAX_FILES) throw new Error(`more than ${MAX_FILES} files`);
      if (entry.isDirectory() && depth < MAX_DEPTH) await walk(file, depth + 1);
      // Links are not followed: only what the host wrote here counts.
      else if (entry.isFile() && CONFIGURATION.test(entry.name)) found.configuration.push(file);
      else if (entry.isFile()) await addDisk(file);
    }
  };
  const addDisk = async (file: string): Promise<void> => {
    const info = await inspectDisk(file).catch(() => null);
    if (info && info.format !== 'raw') found.disks.push(info);
  };
  try {
    await walk(folder, 0);
  } catch (error) {
    const { message } = toHvError(error, folder);
    throw new HvError('EXPORT_FAILED', `What the host exported to ${folder} cannot be looked through: ${message}`, {
      advice: 'Check the rights on the export folder.',
      data: { path: folder },
    });
  }
  return found;
}

const isChildOf = (child: DiskInfo, parent: DiskInfo): boolean =>
  child !== parent && parent.dataWriteGuid !== null && child.parent?.linkage.includes(parent.dataWriteGuid) === true;

const stem = (file: string): string => {
  const { basename, extname } = pathsOf(file);
  return basename(file, extname(file)).toLowerCase();
};

/**
 * The exported file of a disk; null when none fits, or more than one.
 * @param frozenPath where the host has it
 * @param alone whether it was the only disk that was asked for
 */
export function findDisk(
  { disks }: ExportedFiles,
  disk: Pick<VmDisk, 'id' | 'size'>,
  frozenPath: string,
  alone: boolean,
): DiskInfo | null {
  const tops = disks.filter((info) => !disks.some((other) => isChildOf(other, info)) && info.size === disk.size);
  // Copies on one VM have their place behind the id (describe-disks.ts).
  const id = disk.id.replace(/@.*$/s, '').toLowerCase();
  const ways: ((info: DiskInfo) => boolean)[] = [
    (info) => id !== '' && info.diskId?.toLowerCase() === id && stem(info.path) === stem(frozenPath),
    (info) => id !== '' && info.diskId?.toLowerCase() === id,
    (info) => stem(info.path) === stem(frozenPath),
    () => alone,
  ];
  for (const fits of ways) {
    const found = tops.filter(fits);
    if (found.length === 1) return found[0]!;
  }
  return null;
}

export interface ExportedContent extends Difference {
  /** The file and the parents that were exported with it. */
  files: string[];
}

/** Opens an exported disk with what was exported of its chain; parents elsewhere are not touched. */
export async function openExported(files: ExportedFiles, info: DiskInfo): Promise<ExportedContent> {
  const parentOf = (child: DiskInfo): string | null =>
    files.disks.find((other) => isChildOf(child, other) && other.path !== child.path)?.path ?? null;
  const content = await openDifference(info.path, parentOf);
  return { ...content, files: content.disk.chain.map((image) => image.path) };
}
