/** Creates a repository as operations do, by a process that may be hit by a fault. */
import { type InitOptions, initRepository } from '../../backend/src/repository/open.ts';
import type { Files } from '../../backend/src/repository/storage/folder/files.ts';
import { FolderStorage, isVacant } from '../../backend/src/repository/storage/folder/folder.ts';
import { isHvError } from '../../backend/src/support/errors.ts';
import type { FaultyProcess } from './faults.ts';
import type { ModelProcess } from './machines.ts';

/** @throws when a sound process can neither create it nor finds it created by an attempt before */
export async function create(
  location: string,
  files: Files,
  options: InitOptions,
  environment: ModelProcess,
  faulty: FaultyProcess,
): Promise<void> {
  const storage = new FolderStorage(location, files);
  try {
    const vacant = await isVacant(location, files);
    await initRepository(storage, { ...options, environment });
    if (!vacant && faulty.fired === 0)
      throw new Error(`${location} was taken for occupied, and there is no repository`);
  } catch (error) {
    if (!faulty.dead && !isHvError(error)) throw error;
    // The attempt before was not told that it is there.
    if (faulty.fired === 0 && !isHvError(error, 'REPOSITORY_EXISTS')) throw error;
  }
  await storage.close();
}
