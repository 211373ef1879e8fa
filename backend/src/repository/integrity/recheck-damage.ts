/** Looks again at records that were found damaged: a bad cable or controller may have been all it was. */
import { isHvError, throwIfCancelled } from '../../support/errors.ts';
import type { OperationContext } from '../../support/progress.ts';
import type { RepositoryCore } from '../core.ts';
import { RecordKind } from '../format/constants.ts';
import {
  damagedPack,
  damageKey,
  Folder,
  packFolder,
  packName,
  parseDamageKey,
  parseDamageName,
} from '../format/names.ts';
import { readPackTail } from '../records/pack-tail.ts';
import { LOSS_NOTE } from './repair/losses-noted.ts';

/**
 * @param options.phase of the progress events
 * @returns damage records looked at, and the keys of those whose record reads fine; these, and those of records that
 *   are gone, are dropped unless it is a dry run
 */
export async function recheckDamage(
  core: RepositoryCore,
  options: OperationContext & { dryRun?: boolean; phase: string },
): Promise<{ records: number; sound: string[] }> {
  const names = (await core.storage.list(Folder.damaged)).map(({ name }) => name);
  // Hundreds of thousands of packs are not listed for nothing.
  const listed = names.length === 0 ? [] : await core.storage.list(Folder.packs);
  const packs = new Set(listed.map(({ name }) => name));
  const sound: string[] = [];
  for (const [done, name] of names.entries()) {
    throwIfCancelled(options.signal);
    options.progress?.({ phase: options.phase, message: `damage record ${done + 1} of ${names.length}` });
    const key = parseDamageName(name);
    if (key === null || name === LOSS_NOTE) continue;
    const gone = !packs.has(packName(damagedPack(key)));
    if (!gone && !(await isSound(core, key, name))) continue;
    if (!gone) sound.push(key);
    if (options.dryRun) continue;
    try {
      await core.storage.delete(name);
      core.index.damaged.delete(key);
    } catch (error) {
      if (!isHvError(error, 'ACCESS_DENIED', 'IO_ERROR')) throw error;
    }
  }
  return { records: names.length, sound };
}

async function isSound(core: RepositoryCore, key: string, name: string): Promise<boolean> {
  const body = (await core.documents.find(name).catch((error) => {
    if (isHvError(error, 'REPOSITORY_DAMAGED', 'IO_ERROR')) return null;
    throw error;
  })) as { id?: unknown } | null;
  const known = typeof body?.id === 'string' && /^[0-9a-f]{64}$/.test(body.id) ? Buffer.from(body.id, 'hex') : null;
  const id = known ?? (await idInPack(core, key));
  if (id === null) return false;
  for (const kind of [RecordKind.block, RecordKind.node] as const) {
    const location = core.index.findAll(kind, id).find((one) => damageKey(one) === key);
    if (location !== undefined) return core.reader.isSound(kind, id, location);
  }
  return false;
}

/**
 * Which record a damage record is about that cannot be read itself: its name says where, the pack says what is there.
 */
async function idInPack(core: RepositoryCore, key: string): Promise<Buffer | null> {
  const about = parseDamageKey(key);
  if (about === null) return null;
  const { packId } = about;
  try {
    const listed = await core.storage.list(packFolder(packId), { sizes: true });
    const size = listed.find(({ name }) => name === packName(packId))?.size ?? 0;
    const { records } = await readPackTail(core.storage, core.config.id, packId, size);
    return records.find(({ offset }) => offset === about.offset)?.id ?? null;
  } catch (error) {
    if (isHvError(error, 'REPOSITORY_DAMAGED', 'IO_ERROR', 'FILE_NOT_FOUND', 'NOT_SUPPORTED')) return null;
    throw error;
  }
}
