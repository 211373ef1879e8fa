/** Finding the parent of a differencing image: by what the image says, or by what the caller says. */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { HvError } from '../support/errors.ts';
import type { DiskInfo } from './info.ts';
import { isNearby } from './windows-place.ts';

/**
 * Says where a child's parent is. Such a parent is taken as it is, its identity is not compared; null leaves the search
 * to what the child says.
 */
export type ParentResolver = (child: DiskInfo) => Promise<string | null> | string | null;

/**
 * Where to look, in the order that [MS-VHDX] 2.6.2.6.3 asks for, then beside the child: chains get moved together.
 * `refused`: places on a file server that is not the child's own. An image could name any server there is.
 */
export function parentCandidates(
  child: DiskInfo,
  windows = process.platform === 'win32',
): { places: string[]; refused: string[] } {
  const { dirname, join, resolve } = windows ? path.win32 : path.posix;
  const self = resolve(child.path);
  const { relativePath, volumePath, absolutePath } = child.parent ?? { linkage: [] };
  const named: string[] = [];
  if (relativePath) named.push(resolve(dirname(self), windows ? relativePath : relativePath.replaceAll('\\', '/')));
  if (windows) {
    if (volumePath) named.push(resolve(volumePath));
    if (absolutePath) named.push(resolve(absolutePath));
  } else if (absolutePath?.startsWith('/')) named.push(absolutePath);
  const name = baseName(relativePath ?? absolutePath ?? volumePath ?? '');
  if (name !== '') named.push(join(dirname(self), name));
  const all = [...new Set(named)];
  const places = windows ? all.filter((place) => isNearby(place, self)) : all;
  return { places, refused: all.filter((place) => !places.includes(place)) };
}

/** Last part of a path that may be of either platform. */
const baseName = (stored: string): string => stored.split(/[\\/]/).at(-1) ?? '';

/** The candidates that exist. @throws DISK_PARENT_MISSING with what was tried, and what was not */
export async function findParent(child: DiskInfo): Promise<string[]> {
  const { places, refused } = parentCandidates(child);
  const found: string[] = [];
  for (const candidate of places) {
    const there = (await isFile(candidate)) ? candidate : await inOtherCase(candidate);
    if (there !== null && !found.includes(there)) found.push(there);
  }
  if (found.length > 0) return found;
  const named = child.parent?.absolutePath ?? child.parent?.relativePath ?? child.parent?.volumePath ?? 'unnamed';
  throw new HvError('DISK_PARENT_MISSING', `The parent (${named}) of a differencing disk is not there: ${child.path}`, {
    advice:
      refused.length > 0
        ? `Put the parent beside the disk: what an image names on another server is not opened unasked (${refused.join(', ')}).`
        : 'Put the parent beside the disk.',
    data: { path: child.path, parent: named, tried: places, ...(refused.length > 0 ? { refused } : {}) },
  });
}

async function isFile(candidate: string): Promise<boolean> {
  try {
    return (await fs.stat(candidate)).isFile();
  } catch {
    return false;
  }
}

/**
 * Windows made the chain, and asks for no case: the one file of that folder whose name differs by case alone, else
 * null.
 */
async function inOtherCase(candidate: string): Promise<string | null> {
  const folder = path.dirname(candidate);
  const wanted = path.basename(candidate).toLowerCase();
  const names = await fs.readdir(folder).catch(() => []);
  const alike = names.filter((name) => name.toLowerCase() === wanted).map((name) => path.join(folder, name));
  return alike.length === 1 && (await isFile(alike[0]!)) ? alike[0]! : null;
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
      advice: 'Bring back the parent the child was made from: over any other one its content would be wrong.',
      data: { path: child.path, parent: parent.path, expected: child.parent?.linkage ?? [], found: identity },
    },
  );
}
