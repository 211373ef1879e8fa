/**
 * What is known of a manifest that cannot be read, or is gone: from the ledger, else from what this machine has read of
 * it once.
 */
import { isHvError } from '../../support/errors.ts';
import type { RepositoryCore } from '../core.ts';
import type { ManifestEnvelope } from '../port/points.ts';

/** @param name of the manifest. @returns null when it is unknown. @throws IO_ERROR when the storage itself fails */
export async function recallManifest(core: RepositoryCore, name: string): Promise<ManifestEnvelope | null> {
  try {
    const entry = await core.ledger.get(name);
    if (entry !== null) return core.manifests.checked(entry.manifest, name);
  } catch (error) {
    if (!isHvError(error, 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED')) throw error;
  }
  return core.manifests.known(name);
}
