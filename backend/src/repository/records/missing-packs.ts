/** Which packs that indexes name are not there: nothing in them may be relied on. */
import type { Storage } from '../storage/storage.ts';
import { PackIds } from './pack-ids.ts';
import { eachListedPack } from './pack-sizes.ts';
import type { RecordIndex } from './record-index.ts';

/** One listing of names. Notes them in {@link RecordIndex.missing}. */
export async function noteMissingPacks(storage: Storage, index: RecordIndex): Promise<void> {
  const named = new PackIds();
  // Before the listing: what is indexed meanwhile may have been stored after it.
  for (const id of index.catalog.packIds()) named.add(id);
  const there = new Uint8Array(named.count);
  await eachListedPack(storage, named.count, {}, (id) => {
    const row = named.find(id);
    if (row >= 0) there[row] = 1;
  });
  index.missing.clear();
  for (let row = 0; row < there.length; row++) if (there[row] === 0) index.missing.add(named.id(row));
}
