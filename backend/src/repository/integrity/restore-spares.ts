/** Repair of the second copies (docs/format.md §2.5), and by them. */
import { isHvError } from '../../support/errors.ts';
import { isThere, originals, readIntact, spareKeyIds, UNUSABLE } from '../documents/spares.ts';
import { CONFIG_NAME } from '../format/constants.ts';
import { keyObjectName, spareOf } from '../format/names.ts';
import type { Storage } from '../storage/storage.ts';
import type { Quarantine } from './quarantine.ts';

/**
 * Writes back what only a copy stands for, and copies what has no sound copy. A key object that is gone is written back
 * only when it is the one the repository was opened with: any other may have been removed by a program that knew no
 * copies.
 * @param current id of the key that the repository was opened with; null without encryption
 * @returns names of what was written
 */
export async function restoreFromSpares(
  storage: Storage,
  aside: Quarantine,
  options: { current: string | null; dryRun?: boolean },
): Promise<string[]> {
  const written: string[] = [];
  const replace = async (path: string, bytes: Buffer): Promise<void> => {
    written.push(path);
    if (options.dryRun || (await storage.put(path, bytes))) return;
    // Its bytes are worth nothing with the copy at hand; where they can be read they are kept all the same.
    await aside.keep(path).catch((error) => {
      if (!isHvError(error, ...UNUSABLE)) throw error;
    });
    await aside.drop(path);
    await storage.put(path, bytes);
  };
  const ours = options.current === null ? null : keyObjectName(options.current);
  const names = new Set([...(await originals(storage)), ...(await spareKeyIds(storage)).map(keyObjectName)]);
  for (const name of names) {
    const [original, copy] = [await readIntact(storage, name, name), await readIntact(storage, name, spareOf(name))];
    if (original === null && copy !== null) {
      const gone = name !== CONFIG_NAME && !(await isThere(storage, name));
      if (!gone || name === ours) await replace(name, copy);
    } else if (original !== null && (copy === null || !copy.equals(original))) {
      await storage.settle(name);
      await replace(spareOf(name), original);
    }
  }
  return written;
}
