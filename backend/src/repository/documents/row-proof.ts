/**
 * What the catalog says of manifests is held against a proof that lies beside it. In an encrypted repository it takes
 * the id key to make one; without, it finds accidents, and rows that were exchanged (docs/format.md §9).
 */
import { createHmac, hash } from 'node:crypto';
import type { RepositoryKeys } from '../format/keys.ts';
import { secretKey } from '../format/secret-keys.ts';
import type { CatalogDigest, CatalogManifest } from '../port/catalog.ts';

export class RowProof {
  readonly #inner: string;
  readonly #outer: string;

  /** @param keys of an encrypted repository, else null */
  constructor(repositoryId: string, keys: RepositoryKeys | null) {
    const derive = (use: string): string =>
      keys === null
        ? repositoryId
        : createHmac('sha256', secretKey(keys.idKey)).update(`HVBKCATALOG ${use}`).digest('hex');
    this.#inner = derive('inner');
    this.#outer = derive('outer');
  }

  /** @param path of the manifest */
  manifest(path: string, json: string): CatalogManifest {
    return { json, proof: this.#of('manifest', path, json) };
  }

  isManifest(path: string, { json, proof }: CatalogManifest): boolean {
    return proof === this.#of('manifest', path, json);
  }

  digest(kind: string, path: string, json: string, key: string | null): CatalogDigest {
    return { json, key, proof: this.#of(`digest ${kind}`, path, json, key) };
  }

  isDigest(kind: string, path: string, { json, key, proof }: CatalogDigest): boolean {
    return proof === this.#of(`digest ${kind}`, path, json, key);
  }

  /**
   * Two hashes with two keys, as in HMAC, at half of its price here: a listing asks for 50,000. No part but the last
   * can hold a line end.
   */
  #of(what: string, path: string, json: string, key: string | null = null): string {
    const inner = hash(
      'sha256',
      `${this.#inner}\n${what}\n${path}\n${json}\n${key === null ? '' : `=${key}`}`,
      'base64',
    );
    return hash('sha256', `${this.#outer}\n${inner}`, 'base64');
  }
}
