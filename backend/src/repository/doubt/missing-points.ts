/**
 * Restore points that were published and are gone, though they were not removed: by the ledger, by what this machine
 * remembers, and by the newest chain record of each VM, which older software wrote as well.
 */
import { isHvError } from '../../support/errors.ts';
import { isUlid, ulidTime } from '../../support/ulid.ts';
import type { RepositoryCore } from '../core.ts';
import { Folder, manifestName, parseChainName, pointFolderOf, pointIdOf } from '../format/names.ts';
import { TOMBSTONE_LIFETIME } from '../points/tombstones.ts';
import type { Doubt } from '../port/doubt.ts';
import { probe } from '../storage/probe.ts';

export interface ExpectedPoint {
  vmName: string | null;
  createdAt: string;
  by: 'ledger' | 'memory' | 'chain';
}

/**
 * What was published, by the name of its manifest. To be asked before the manifests are listed: what comes meanwhile is
 * younger.
 */
export async function expectedPoints(core: RepositoryCore): Promise<Map<string, ExpectedPoint>> {
  const expected = new Map<string, ExpectedPoint>();
  for (const name of await core.ledger.names())
    expected.set(name, { vmName: null, createdAt: madeAt(pointIdOf(name)), by: 'ledger' });
  for (const name of await namedByChains(core))
    if (!expected.has(name)) expected.set(name, { vmName: null, createdAt: madeAt(pointIdOf(name)), by: 'chain' });
  for (const { folder, id, vmName, createdAt, gone } of core.memory?.points() ?? []) {
    const name = manifestName(folder, id);
    if (gone && expected.get(name)?.by !== 'ledger') expected.delete(name);
    else if (!gone) expected.set(name, { vmName, createdAt, by: 'memory' });
  }
  return expected;
}

/**
 * @param expected asked for before `present` was listed
 * @param present names of all manifests that lie there by listings; gets those that lie there when asked for by name: a
 *   put that is under way may be seen by one process and not be listed for another
 */
export async function missingPoints(
  core: RepositoryCore,
  expected: ReadonlyMap<string, ExpectedPoint>,
  present: Set<string>,
): Promise<Doubt[]> {
  const gone = [...expected].filter(([name]) => !present.has(name));
  if (gone.length === 0) return [];
  const known = new Set((core.memory?.points() ?? []).flatMap(({ gone: is, id }) => (is ? [id] : [])));
  const doubts: Doubt[] = [];
  for (const [name, { vmName, createdAt }] of gone) {
    const pointId = pointIdOf(name);
    if (known.has(pointId) || (await isRemoved(core, name, createdAt))) continue;
    if ((await probe(core.storage, name)) === 'readable') {
      present.add(name);
      continue;
    }
    const message = `restore point ${pointId} was published and is missing without a valid removal`;
    doubts.push({ kind: 'point', path: name, message, pointId, createdAt, vmName: vmName ?? undefined });
  }
  return doubts.length === 0 ? [] : describe(core, doubts);
}

/** By a tombstone that can be read. What this machine has read once it need not read again. */
async function isRemoved(core: RepositoryCore, name: string, createdAt: string): Promise<boolean> {
  const id = pointIdOf(name);
  try {
    if ((await core.tombstones.get(id)) === null) return false;
  } catch (error) {
    if (isHvError(error, 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED', 'IO_ERROR')) return false;
    throw error;
  }
  core.memory?.remember([{ id, folder: pointFolderOf(name), vmName: null, createdAt, gone: true }]);
  return true;
}

/** Names and times as the ledger has them, of those that may be named in a message. */
async function describe(core: RepositoryCore, doubts: Doubt[]): Promise<Doubt[]> {
  for (const doubt of doubts.slice(0, 100)) {
    const entry = await core.ledger.get(doubt.path).catch(() => null);
    if (entry === null) continue;
    doubt.createdAt = entry.manifest.createdAt;
    doubt.vmName ??= core.memory?.vmNameOf(entry.manifest) ?? undefined;
  }
  return doubts;
}

/** A record may outlive what it speaks of and the tombstone of that; such old ones say nothing. */
async function namedByChains(core: RepositoryCore): Promise<string[]> {
  const newest = new Map<string, string>();
  for (const { name } of await core.storage.list(Folder.chains)) {
    const chain = parseChainName(name);
    if (chain !== null) newest.set(chain.of, name);
  }
  const limit = core.environment.now() - TOMBSTONE_LIFETIME;
  const names: string[] = [];
  for (const [folder, name] of newest) {
    const record = (await core.documents.find(name).catch(unreadable)) as { pointId?: unknown } | null;
    const id = record?.pointId;
    if (typeof id === 'string' && isUlid(id) && ulidTime(id) > limit) names.push(manifestName(folder, id));
  }
  return names;
}

/** It is lost without harm, and check names it. */
function unreadable(error: unknown): null {
  if (isHvError(error, 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED', 'IO_ERROR')) return null;
  throw error;
}

const madeAt = (id: string): string => new Date(ulidTime(id)).toISOString();
