/**
 * The checkpoint tree. That `/configuration/global_settings/snapshots/list` has a `size` was seen, always 0; what an
 * entry looks like was not: the names below are assumed, and anything with a GUID in it is taken for a checkpoint.
 */
import { parseGuid } from '../../support/guid.ts';
import { fromFileTime, toFileTime } from './file-time.ts';
import { bytes, type HvsItem, int, node, text } from './hvs/values.ts';
import type { Keys } from './keys.ts';

export interface ConfiguredCheckpoint {
  /** GUID, lower case. */
  id: string;
  name?: string;
  /** The checkpoint it was made on; absent for the first. */
  parentId?: string;
  /** ISO 8601. */
  createdAt?: string;
}

const LIST = '/configuration/global_settings/snapshots/list';

export async function describeCheckpoints(keys: Keys): Promise<ConfiguredCheckpoint[]> {
  const found: ConfiguredCheckpoint[] = [];
  for (const entry of keys.below(LIST)) {
    if (!entry.isNode) continue;
    const checkpoint = await describeCheckpoint(keys, entry.path);
    if (checkpoint) found.push(checkpoint);
  }
  const size = (await keys.count(`${LIST}/size`)) ?? 0;
  if (size !== found.length) keys.note(`The file claims ${size} checkpoints; ${found.length} were understood.`);
  return found;
}

async function describeCheckpoint(keys: Keys, path: string): Promise<ConfiguredCheckpoint | undefined> {
  let id: string | undefined;
  let parentId: string | undefined;
  for (const key of keys.below(path)) {
    if (key.isNode || !/guid|id$/i.test(key.name)) continue;
    const guid = parseGuid((await keys.text(key.path)) ?? '');
    if (guid && /parent/i.test(key.name)) parentId ??= guid;
    else if (guid) id ??= guid;
  }
  if (!id) return undefined;
  const name = await keys.text(`${path}/name`);
  const createdAt = fromFileTime(await keys.bytes(`${path}/creation_time`));
  return { id, ...(name ? { name } : {}), ...(parentId ? { parentId } : {}), ...(createdAt ? { createdAt } : {}) };
}

/** The node `list`. */
export function renderCheckpoints(checkpoints: ConfiguredCheckpoint[]): HvsItem {
  const entries = checkpoints.map(({ id, name, parentId, createdAt }, index) => {
    const items: HvsItem[] = [text('guid', id.toUpperCase())];
    if (name !== undefined) items.push(text('name', name));
    if (parentId !== undefined) items.push(text('parent_guid', parentId.toUpperCase()));
    const time = createdAt === undefined ? null : toFileTime(createdAt);
    if (time) items.push(bytes('creation_time', time));
    return node(`node${index}`, ...items);
  });
  return node('list', int('size', checkpoints.length), ...entries);
}
