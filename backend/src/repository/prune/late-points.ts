/**
 * Restore points whose writers were taken for over and published them all the same, behind a tombstone that says so
 * (docs/format.md §6): one that lacks nothing is listed from now on, any other goes.
 */
import { isHvError } from '../../support/errors.ts';
import type { RepositoryCore } from '../core.ts';
import { ID_LENGTH, RecordKind } from '../format/constants.ts';
import { keyOf } from '../format/ids.ts';
import { LiveSet } from '../records/live-set.ts';
import type { IdClass } from '../records/record-index.ts';
import { isUnreadable } from '../storage/judging.ts';
import { type TreeVisitor, visitTree } from '../tree/visit.ts';
import { listPacks } from './survey.ts';

/** Only for a prune that is alone at work: what it lists again it keeps. @param name of the manifest */
export async function settleLatePoint(core: RepositoryCore, name: string, id: string): Promise<void> {
  const complete = await look(core, name);
  if (complete) await core.tombstones.withdraw(id);
  // Looked at twice: a listing may have been short.
  else if (complete === false && (await look(core, name)) === false) await core.manifests.withdraw(name);
}

/** By new listings of indexes and packs. */
async function look(core: RepositoryCore, name: string): Promise<boolean | null> {
  await core.refresh();
  const named = new LiveSet();
  named.addKnown(core.index);
  await listPacks(core, named);
  return isComplete(core, name);
}

/**
 * Whether all it needs is in packs that are there and stay: that are named by indexes, and by no mark.
 * @returns null when something of it cannot be read, now: it stays as it is
 */
async function isComplete(core: RepositoryCore, name: string): Promise<boolean | null> {
  const seen = new Set<string>();
  let complete = true;
  const look = (kind: IdClass, id: Buffer): void => {
    complete &&= core.index.findSound(kind, id) !== undefined;
  };
  const visitor: TreeVisitor = {
    enter: async (id, level) => {
      look(RecordKind.node, id);
      if (!complete || seen.has(keyOf(id))) return null;
      seen.add(keyOf(id));
      return core.nodes.load(id, level);
    },
    block: (ids, at) => look(RecordKind.block, ids.subarray(at, at + ID_LENGTH)),
  };
  try {
    const { contents } = await core.manifests.get(name, { fresh: true });
    for (const ref of contents) if (complete) await visitTree(ref, core.config.blockSize, visitor);
    return complete;
  } catch (error) {
    if (isUnreadable(error)) return null;
    if (isHvError(error, 'REPOSITORY_DAMAGED', 'FILE_NOT_FOUND')) return false;
    throw error;
  }
}
