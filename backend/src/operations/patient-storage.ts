/** A repository's storage as operations use it: what fails for the moment is repeated (docs/storage.md). */
import { placeAt } from '../repository/storage/open.ts';
import type { StoragePlace } from '../repository/storage/place.ts';
import { Patience } from '../repository/storage/retrying/patience.ts';
import { RetryingStorage } from '../repository/storage/retrying/retrying.ts';
import type { Storage } from '../repository/storage/storage.ts';
import type { OperationContext } from '../support/progress.ts';

/** How long a storage that does not answer is waited for, seconds; 0: nothing is repeated. */
const WAIT_VARIABLE = 'HVBACKUP_STORAGE_WAIT_SECONDS';

export interface PatientStorage {
  place: StoragePlace;
  storage: Storage;
  patience: Patience;
}

/**
 * @param context ends the waiting, and hears of it; what was repeated is summed up and counted when the storage is
 * closed
 * @throws USAGE for a location whose scheme is not known
 */
export function patientStorage(
  location: string,
  context: Pick<OperationContext, 'signal' | 'warn' | 'repeated'>,
): PatientStorage {
  const place = placeAt(location);
  const seconds = Number(process.env[WAIT_VARIABLE] || Number.NaN);
  const patience = new Patience({
    ...context,
    location: place.location,
    limitMs: seconds >= 0 ? seconds * 1000 : undefined,
    probe: () => place.probe(),
  });
  const summary = (): void => {
    const sentence = patience.summary();
    if (sentence !== null) context.warn?.(sentence);
    context.repeated?.(patience.counts);
  };
  return { place, patience, storage: new RetryingStorage(place.open(patience), patience, summary) };
}
