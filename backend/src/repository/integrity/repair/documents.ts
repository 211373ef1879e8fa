/**
 * Small records that cannot be read: what is known of them otherwise is written anew, the others are quarantined. None
 * is needed for a restore (docs/format.md §6).
 */
import { isHvError, throwIfCancelled } from '../../../support/errors.ts';
import type { RepositoryCore } from '../../core.ts';
import {
  Folder,
  holdFolder,
  holdName,
  parseDamageKey,
  parseDamageName,
  parseHoldName,
  parseTombstoneName,
} from '../../format/names.ts';
import { isUnreadable } from '../../storage/judging.ts';
import type { Quarantine } from '../quarantine.ts';
import type { RepairContext } from './bad-packs.ts';

const FOLDERS = [Folder.chains, Folder.jobs, Folder.holds, Folder.removed, Folder.damaged];

/** @returns paths of what was written anew; what was quarantined `aside` knows */
export async function repairDocuments(
  core: RepositoryCore,
  aside: Quarantine,
  context: RepairContext,
): Promise<string[]> {
  const rewritten: string[] = [];
  for (const folder of FOLDERS) {
    const names = (await core.storage.list(folder)).map(({ name }) => name);
    for (const name of names) {
      throwIfCancelled(context.signal);
      aside.objects += 1;
      if (!(await isDamaged(core, name))) continue;
      const anew = await successor(core, name, names);
      // A hold holds before the one that cannot be read goes.
      if (anew !== null && anew.name !== name && !context.dryRun) await core.documents.put(anew.name, anew.value);
      // What cannot even be kept stays: it may be readable another day.
      if (!(await aside.keep(name))) continue;
      await aside.drop(name);
      if (anew === null) continue;
      if (anew.name === name && !context.dryRun) await core.documents.put(name, anew.value);
      rewritten.push(anew.name);
    }
  }
  return rewritten;
}

async function isDamaged(core: RepositoryCore, name: string): Promise<boolean> {
  try {
    await core.documents.get(name);
    return false;
  } catch (error) {
    if (!isHvError(error, 'REPOSITORY_DAMAGED', 'FILE_NOT_FOUND', 'NOT_SUPPORTED')) throw error;
    return error.code === 'REPOSITORY_DAMAGED' && !isUnreadable(error);
  }
}

interface Successor {
  name: string;
  value: object;
}

async function successor(core: RepositoryCore, name: string, names: readonly string[]): Promise<Successor | null> {
  if (name.startsWith(Folder.holds)) return holdAnew(core, name, names);
  if (name.startsWith(Folder.removed)) return tombstoneAnew(core, name);
  return name.startsWith(Folder.damaged) ? damageAnew(core, name) : null;
}

/** A hold that cannot be read holds, and goes on to, until a person releases it. Older ones counted for nothing. */
function holdAnew({ environment }: RepositoryCore, name: string, names: readonly string[]): Successor | null {
  const hold = parseHoldName(name);
  if (hold === null) return null;
  const point = hold.of;
  const newest = names.filter((other) => other.startsWith(holdFolder(point))).at(-1);
  if (newest !== name) return null;
  const at = new Date(environment.now()).toISOString();
  const value = { schema: 1, point, state: 'held', at, by: environment.identity().machine.split('/')[0] };
  return { name: holdName(point, hold.number + 1), value };
}

/**
 * Where this machine knows that the restore point was removed. Otherwise it is unknown, and the restore point counts as
 * missing.
 */
function tombstoneAnew({ memory, environment }: RepositoryCore, name: string): Successor | null {
  const point = parseTombstoneName(name);
  const known = memory?.points().find(({ id, gone }) => gone && id === point);
  if (known === undefined) return null;
  const removedAt = new Date(environment.now()).toISOString();
  const by = environment.identity().machine;
  const reason = 'removed; its tombstone was damaged and is written anew';
  return { name, value: { point, group: known.folder, removedAt, by, reason } };
}

/** Its name says which record it is about. */
function damageAnew({ environment }: RepositoryCore, name: string): Successor | null {
  const about = parseDamageKey(parseDamageName(name) ?? '');
  if (about === null) return null;
  const at = new Date(environment.now()).toISOString();
  const message = 'found damaged once; what was said of it could not be read';
  return { name, value: { pack: about.packId, offset: about.offset, message, at } };
}
