/** Looks again at records that were found damaged: a bad cable or controller may have been all it was. */
import { isHvError, throwIfCancelled } from '../support/errors.ts';
import type { OperationContext } from '../support/progress.ts';
import type { RepositoryCore } from './core.ts';
import { RecordKind } from './format/constants.ts';
import { packName } from './format/ids.ts';
import { damageKey } from './records/record-index.ts';

/** @returns damage records looked at, and how many were dropped because their record reads fine, or is gone */
export async function recheckDamage(
  core: RepositoryCore,
  options: OperationContext & { dryRun?: boolean },
): Promise<{ records: number; healed: number }> {
  const packs = new Set((await core.storage.list('packs/')).map(({ name }) => name));
  const names = (await core.storage.list('damaged/')).map(({ name }) => name);
  let healed = 0;
  for (const [done, name] of names.entries()) {
    throwIfCancelled(options.signal);
    options.progress?.({ phase: 'repair', message: `damage record ${done + 1} of ${names.length}` });
    const key = /^damaged\/([0-9a-f]{32}-[0-9a-f]{8})$/.exec(name)?.[1];
    if (key === undefined) continue;
    const gone = !packs.has(packName(key.slice(0, 32)));
    if (!gone && !(await isSound(core, key, name))) continue;
    if (!gone) healed += 1;
    if (options.dryRun) continue;
    try {
      await core.storage.delete(name);
      core.index.damaged.delete(key);
    } catch (error) {
      if (!isHvError(error, 'ACCESS_DENIED', 'IO_ERROR')) throw error;
    }
  }
  return { records: names.length, healed };
}

async function isSound(core: RepositoryCore, key: string, name: string): Promise<boolean> {
  const body = (await core.documents.find(name).catch((error) => {
    if (isHvError(error, 'REPOSITORY_DAMAGED', 'IO_ERROR')) return null;
    throw error;
  })) as { id?: unknown } | null;
  if (typeof body?.id !== 'string' || !/^[0-9a-f]{64}$/.test(body.id)) return false;
  const id = Buffer.from(body.id, 'hex');
  for (const kind of [RecordKind.block, RecordKind.node] as const) {
    const location = core.index.findAll(kind, id).find((one) => damageKey(one) === key);
    if (location !== undefined) return core.reader.isSound(kind, id, location);
  }
  return false;
}
