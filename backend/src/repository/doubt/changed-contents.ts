/** Manifests that are not what was published, by the ledger. */
import { isHvError } from '../../support/errors.ts';
import type { RepositoryCore } from '../core.ts';
import { pointIdOf } from '../format/names.ts';
import { manifestDigest } from '../points/ledger.ts';
import type { CatalogDigest } from '../port/catalog.ts';
import type { Doubt } from '../port/doubt.ts';

/** In the catalog: manifests that were held against the ledger once. They never change, and a new one is read anew. */
const KIND = 'ledger-1';

/** @param names of listed manifests */
export async function changedContents(core: RepositoryCore, names: readonly string[]): Promise<Doubt[]> {
  const known = core.catalog.digests(KIND);
  const same = new Map<string, CatalogDigest>();
  const doubts: Doubt[] = [];
  for (const name of names) {
    const row = known.get(name);
    if (row !== undefined && core.proof.isDigest(KIND, name, row)) continue;
    const sha256 = await digests(core, name);
    if (sha256 === null) continue;
    if (sha256.manifest === sha256.ledger)
      same.set(name, core.proof.digest(KIND, name, JSON.stringify(sha256.ledger), null));
    else {
      const pointId = pointIdOf(name);
      const message = `the manifest of restore point ${pointId} is not the one that was published (ledger)`;
      doubts.push({ kind: 'content', path: name, message, pointId });
    }
  }
  if (same.size > 0) core.catalog.addDigests(KIND, same);
  return doubts;
}

/** @returns null when there is no entry, or one of the two cannot be read: that is damage of its own */
async function digests(core: RepositoryCore, name: string): Promise<{ manifest: string; ledger: string } | null> {
  try {
    const entry = await core.ledger.get(name);
    if (entry === null) return null;
    const known = manifestDigest(await core.manifests.get(name));
    // The catalog may hold the one from before a removal; what was copied back since lies in the repository.
    const manifest = known === entry.sha256 ? known : manifestDigest(await core.manifests.get(name, { fresh: true }));
    return { manifest, ledger: entry.sha256 };
  } catch (error) {
    if (isHvError(error, 'FILE_NOT_FOUND', 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED', 'IO_ERROR')) return null;
    throw error;
  }
}
