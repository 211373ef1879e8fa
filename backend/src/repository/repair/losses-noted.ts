/**
 * A note that something which restore points need lies nowhere. No record is left that could be called damaged, so without it an
 * incremental would take over the lost blocks of its base unseen.
 */
import { isHvError } from '../../support/errors.ts';
import { ulid } from '../../support/ulid.ts';
import type { RepositoryCore } from '../core.ts';
import type { Damage } from '../port.ts';

const PREFIX = 'damaged/lost-';

/** @param damages what a check has found. Puts the note where something is lost, and removes it where nothing is */
export async function noteLosses(core: RepositoryCore, damages: readonly Damage[]): Promise<void> {
  const { storage, documents, environment, index } = core;
  const notes = (await storage.list('damaged/')).map(({ name }) => name).filter((name) => name.startsWith(PREFIX));
  const lost = damages.filter(({ object }) => object === 'block' || object === 'node');
  if (lost.length > 0) {
    if (notes.length > 0) return;
    const name = PREFIX + ulid(environment.now());
    const at = new Date(environment.now()).toISOString();
    await documents.put(name, { message: lost[0]!.message, at });
    index.damaged.add(name.slice('damaged/'.length));
    return;
  }
  for (const name of notes) {
    try {
      await storage.delete(name);
      index.damaged.delete(name.slice('damaged/'.length));
    } catch (error) {
      if (!isHvError(error, 'ACCESS_DENIED', 'IO_ERROR')) throw error;
    }
  }
}
