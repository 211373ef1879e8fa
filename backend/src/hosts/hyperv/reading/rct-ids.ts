/** RCT ids of frozen disks. */
import type { Helper } from '../helper/helper.ts';
import { reachable } from '../paths.ts';
import { TrackingAnswer } from '../wmi.ts';
import { UNKNOWN_ID } from './changes.ts';

/**
 * RCT ids by path. Of another host's disks they are asked for over its share; where that gives none, the next backup
 * has nothing that was certainly sealed at the freeze, and reads in full. Unless exports read: they begin where a
 * reference point ends.
 * @param isExported whether exports read the disks
 */
export async function frozenRctIds(
  helper: Helper,
  server: string | undefined,
  paths: readonly string[],
  isExported: () => Promise<boolean>,
): Promise<Map<string, string>> {
  if (paths.length === 0) return new Map();
  const near = new Map(paths.map((path) => [reachable(path, server), path]));
  const answer = TrackingAnswer.parse(
    await helper.request('changeTracking', { paths: [...near.keys()] }, { repeat: true }),
  );
  const exported = await isExported();
  return new Map(
    answer.disks.flatMap(({ path, enabled, mostRecentId, error }) => {
      if (enabled && mostRecentId) return [[near.get(path)!, mostRecentId] as const];
      return exported && (error || enabled) ? [[near.get(path)!, UNKNOWN_ID] as const] : [];
    }),
  );
}
