/**
 * A note that something which restore points need lies nowhere. No record is left that could be called damaged, so
 * without it an incremental would take over the lost blocks of its base unseen. It is a damage record of a pack that
 * cannot be: all of its id is 0.
 */
import { isHvError } from '../../../support/errors.ts';
import type { RepositoryCore } from '../../core.ts';
import { damageKey, damageName } from '../../format/names.ts';
import type { Damage } from '../../port/damage.ts';

const AT = { packId: '0'.repeat(32), offset: 0 };
const KEY = damageKey(AT);
export const LOSS_NOTE = damageName(KEY);

/** @param damages what a check has found. Puts the note where something is lost, and removes it where nothing is */
export async function noteLosses(core: RepositoryCore, damages: readonly Damage[]): Promise<void> {
  const { storage, documents, environment, index } = core;
  const lost = damages.filter(({ object }) => object === 'block' || object === 'node');
  if (lost.length > 0) {
    const message = `lost with its pack: ${lost[0]!.message}`;
    const at = new Date(environment.now()).toISOString();
    await documents.put(LOSS_NOTE, { pack: AT.packId, offset: AT.offset, message, at });
    index.damaged.add(KEY);
    return;
  }
  if (!index.damaged.has(KEY)) return;
  try {
    await storage.delete(LOSS_NOTE);
    index.damaged.delete(KEY);
  } catch (error) {
    if (!isHvError(error, 'ACCESS_DENIED', 'IO_ERROR')) throw error;
  }
}
