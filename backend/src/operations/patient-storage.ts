/** A repository's folder as operations use it: what fails for the moment is repeated (docs/storage.md). */
import { join, resolve } from 'node:path';
import { CONFIG_NAME } from '../repository/format/constants.ts';
import { spareOf } from '../repository/format/names.ts';
import { type Files, systemFiles } from '../repository/storage/folder/files.ts';
import { FolderStorage } from '../repository/storage/folder/folder.ts';
import { Patience } from '../repository/storage/retrying/patience.ts';
import { RetryingStorage } from '../repository/storage/retrying/retrying.ts';
import { retryingFiles } from '../repository/storage/retrying/retrying-files.ts';
import type { Storage } from '../repository/storage/storage.ts';
import type { OperationContext } from '../support/progress.ts';

/** How long a storage that does not answer is waited for, seconds; 0: nothing is repeated. */
const WAIT_VARIABLE = 'HVBACKUP_STORAGE_WAIT_SECONDS';

export interface PatientStorage {
  storage: Storage;
  files: Files;
  patience: Patience;
}

/**
 * @param context ends the waiting, and hears of it; what was repeated is summed up and counted when the storage is
 * closed
 */
export function patientStorage(
  location: string,
  context: Pick<OperationContext, 'signal' | 'warn' | 'repeated'>,
): PatientStorage {
  const seconds = Number(process.env[WAIT_VARIABLE] || Number.NaN);
  const patience = new Patience({
    ...context,
    location: resolve(location),
    limitMs: seconds >= 0 ? seconds * 1000 : undefined,
    // One bad sector is no storage that does not answer: not even under the configuration itself.
    probe: () =>
      readSomething(join(location, CONFIG_NAME)).catch(() => readSomething(join(location, spareOf(CONFIG_NAME)))),
  });
  const files = retryingFiles(systemFiles, patience);
  const summary = (): void => {
    const sentence = patience.summary();
    if (sentence !== null) context.warn?.(sentence);
    context.repeated?.(patience.counts);
  };
  return { files, patience, storage: new RetryingStorage(new FolderStorage(location, files), patience, summary) };
}

/** Opening asks the server of a share, whatever of the file is cached here. */
async function readSomething(filePath: string): Promise<void> {
  const file = await systemFiles.open(filePath, 'read');
  try {
    await file.readUpTo(0, Buffer.alloc(64));
  } finally {
    await file.close();
  }
}
