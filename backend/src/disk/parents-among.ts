/** Parents that a person names: of these the one that a child was made from, whatever its name and place. */
import { isHvError } from '../support/errors.ts';
import type { DiskInfo } from './info.ts';
import { inspectDisk } from './open.ts';
import { checkLinkage, findParent, type ParentResolver } from './parent.ts';

/**
 * @param paths of images, in any order; each child gets the one whose identity it names, or what is found by what it
 *   says
 * @returns a resolver that throws DISK_PARENT_MISMATCH when none fits and none is found, DISK_PARENT_MISSING when none
 *   was given
 */
export const parentsAmong =
  (paths: readonly string[]): ParentResolver =>
  async (child) => {
    let mismatch: unknown;
    for (const path of paths) {
      const problem = await misfit(child, path);
      if (problem === null) return path;
      mismatch ??= problem;
    }
    try {
      await findParent(child);
      return null;
    } catch (error) {
      throw mismatch ?? error;
    }
  };

/** @returns null when it is the parent @throws what opening it fails with */
async function misfit(child: DiskInfo, path: string): Promise<unknown> {
  const info = await inspectDisk(path);
  try {
    checkLinkage(child, info);
    return null;
  } catch (error) {
    if (!isHvError(error, 'DISK_PARENT_MISMATCH')) throw error;
    return error;
  }
}
