/**
 * Names that resemble an object which is not there under its own: renamed, encrypted by another program, cut, in
 * another case.
 */
import type { RepositoryCore } from '../core.ts';
import { Folder, lastPart } from '../format/names.ts';
import type { Doubt } from '../port/doubt.ts';
import { foreignNames } from '../storage/foreign-names.ts';

/**
 * What lies in these decides over deletion. Packs and indexes come and go, and one that is missing makes nothing else
 * garbage.
 */
const DECIDING = [
  '',
  Folder.manifests,
  Folder.ledger,
  Folder.removed,
  Folder.holds,
  Folder.sessions,
  Folder.marks,
  Folder.keys,
];
const POINT = /[0-7][0-9A-HJKMNP-TV-Z]{25}/i;

export async function doubtfulNames(core: RepositoryCore): Promise<Doubt[]> {
  const found: Doubt[] = [];
  let removed: ReadonlySet<string> | undefined;
  for (const folder of DECIDING)
    for (const { path, reason, verdict } of await foreignNames(core.storage, folder)) {
      if (verdict !== 'doubtful') continue;
      // What was made of a restore point that has been removed since is no loss.
      const point = POINT.exec(lastPart(path))?.[0].toUpperCase();
      removed ??= await core.tombstones.ids();
      if (point !== undefined && removed.has(point)) continue;
      found.push({ kind: 'name', path, message: `${JSON.stringify(path)}: ${reason}` });
    }
  return found;
}
