/** Finding the parent of a differencing image: by what the image says, or by what the caller says. */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { HvError } from '../support/errors.ts';
import type { DiskInfo } from './info.ts';

/**
 * Says where a child's parent is. Such a parent is taken as it is, its identity is not compared; null leaves the search
 * to what the child says.
 */
export type ParentResolver = (child: DiskInfo) => Promise<string | null> | string | null;

/** Where to look, in the order that [MS-VHDX] 2.6.2.6.3 asks for, then beside the child: chains get moved together. */
export function parentCandidates(child: DiskInfo): string[] {
  const folder = path.dirname(path.resolve(child.path));
  const { relativePath, volumePath, absolutePath } = child.parent ?? { linkage: [] };
  const candidates: string[] = [];
  if (relativePath) candidates.push(path.resolve(folder, toNative(relativePath)));
  if (process.platform === 'win32') {
    if (volumePath) candidates.push(volumePath);
    if (absolutePath) candidates.push(absolutePath);
  } else if (absolutePath?.startsWith('/')) candidates.push(absolutePath);
  const name = baseName(relativePath ?? absolutePath ?? volumePath ?? '');
  if (name !== '') candidates.push(path.join(folder, name));
  return [...new Set(candidates)];
}

/** Last part of a path that may be of either platform. */
const baseName = (stored: string): string => stored.split(/[\\/]/).at(-1) ?? '';

const toNative = (stored: string): string => (path.sep === '\\' ? stored : stored.replaceAll('\\', path.sep));

/** The first candidate that exists. @throws DISK_PARENT_MISSING with what was tried */
export async function findParent(child: DiskInfo): Promise<string[]> {
  const tried = parentCandidates(child);
  const found: string[] = [];
  for (const candidate of tried) {
    if (await isFile(candidate)) found.push(candidate);
  }
  if (found.length > 0) return found;
  const named = child.parent?.absolutePath ?? child.parent?.relativePath ?? child.parent?.volumePath ?? 'unnamed';
  throw new HvError('DISK_PARENT_MISSING', `The parent (${named}) of a differencing disk is not there: ${child.path}`, {
    advice: 'Put the parent beside the disk, or name it explicitly.',
    data: { path: child.path, parent: named, tried },
  });
}

async function isFile(candidate: string): Promise<boolean> {
  try {
    return (await fs.stat(candidate)).isFile();
  } catch {
    return false;
  }
}

/** What a child records of its parent: a path from its own folder, and on Windows the absolute one. */
export function describeParentPath(
  childPath: string,
  parentPath: string,
): { relativePath: string; absolutePath?: string } {
  const folder = path.dirname(path.resolve(childPath));
  const target = path.resolve(parentPath);
  const relative = path.relative(folder, target).replaceAll('/', '\\');
  const relativePath = relative.startsWith('.') || path.isAbsolute(relative) ? relative : `.\\${relative}`;
  return process.platform === 'win32' ? { relativePath, absolutePath: target } : { relativePath };
}

/** @throws DISK_PARENT_MISMATCH when the parent's identity is none the child names */
export function checkLinkage(child: DiskInfo, parent: DiskInfo): void {
  const identity = parent.format === 'vhdx' ? parent.dataWriteGuid : parent.diskId;
  if (identity !== null && parent.format === child.format && child.parent?.linkage.includes(identity)) return;
  throw new HvError(
    'DISK_PARENT_MISMATCH',
    `The parent was changed or replaced after its child was made: ${parent.path} (child: ${child.path})`,
    {
      advice:
        'Bring back the parent the child was made from; only name another one explicitly if you know it is right.',
      data: { path: child.path, parent: parent.path, expected: child.parent?.linkage ?? [], found: identity },
    },
  );
}
