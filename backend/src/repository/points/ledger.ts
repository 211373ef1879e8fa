/**
 * The ledger: which restore points were published, with a second copy of the manifest of each (docs/format.md §6). It
 * lies in the repository itself, so that a machine without any memory can distinguish a restore point that is lost from
 * one that never was.
 */
import { hash } from 'node:crypto';
import { isHvError } from '../../support/errors.ts';
import type { DocumentStore } from '../documents/document-store.ts';
import type { Environment } from '../environment.ts';
import { damaged } from '../errors.ts';
import { Folder, folderOf, ledgerName, manifestOfEntry, pointIdOf } from '../format/names.ts';
import type { ManifestEnvelope } from '../port/points.ts';
import type { Storage } from '../storage/storage.ts';

export interface LedgerEntry {
  /** Id of the restore point. */
  point: string;
  group: string;
  /** ISO 8601; of an entry that was added later, when that was. */
  publishedAt: string;
  /** As it was published. */
  manifest: ManifestEnvelope;
  /** {@link manifestDigest} of it. */
  sha256: string;
}

/** Lower-case hex SHA-256 of the manifest's JSON text, whatever frame it is stored in. */
export const manifestDigest = (manifest: ManifestEnvelope): string => hash('sha256', JSON.stringify(manifest));

export class LedgerStore {
  readonly #storage: Storage;
  readonly #documents: DocumentStore;
  readonly #environment: Environment;

  constructor(storage: Storage, documents: DocumentStore, environment: Environment) {
    this.#storage = storage;
    this.#documents = documents;
    this.#environment = environment;
  }

  /**
   * Notes that a restore point counts. Durable when it resolves; again for the same manifest it changes nothing.
   * @param name of the manifest, `manifests/<folder>/<point id>`
   * @param again it counts anew after a removal, also with the same manifest: a machine that knows it as removed can
   *   see that
   * @returns bytes stored; 0 when it was noted before
   */
  async put(name: string, manifest: ManifestEnvelope, again = false): Promise<number> {
    const sha256 = manifestDigest(manifest);
    const publishedAt = new Date(this.#environment.now()).toISOString();
    const entry: LedgerEntry = { point: manifest.id, group: manifest.group, publishedAt, manifest, sha256 };
    for (let number = 1; ; number++) {
      const bytes = await this.#documents.put(ledgerName(name, number), entry);
      if (bytes > 0) return bytes;
      // Of an earlier publication, or our own, of a put that failed and was done.
      if (again || (await this.#read(name, number).catch(undecodable))?.sha256 !== sha256) continue;
      await this.#storage.settle(ledgerName(name, number));
      return 0;
    }
  }

  /**
   * What was published under a name last. An entry that cannot be read counts as absent: those before it are asked.
   * @param name of the manifest
   * @throws REPOSITORY_DAMAGED when there are entries and none can be read; IO_ERROR
   */
  async get(name: string): Promise<LedgerEntry | null> {
    let found: LedgerEntry | null = null;
    let problem: unknown;
    for (let number = 1; ; number++) {
      try {
        const entry = await this.#read(name, number);
        if (entry === null) break;
        found = entry;
      } catch (error) {
        if (!isHvError(error, 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED')) throw error;
        problem = error;
        if (!(await this.#isListed(name, number))) break;
      }
    }
    if (found === null && problem !== undefined) throw problem;
    return found;
  }

  /**
   * {@link manifestDigest} of each publication, oldest first; '' of one whose entry cannot be read.
   * @throws IO_ERROR
   */
  async publications(name: string): Promise<string[]> {
    const found: string[] = [];
    for (;;) {
      const number = found.length + 1;
      const entry = await this.#read(name, number).catch(async (error) => {
        if (!isHvError(error, 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED')) throw error;
        return (await this.#isListed(name, number)) ? { sha256: '' } : null;
      });
      if (entry === null) return found;
      found.push(entry.sha256);
    }
  }

  /** Where a folder cannot be read, neither can entries that were never there. */
  async #isListed(name: string, number: number): Promise<boolean> {
    const entry = ledgerName(name, number);
    return (await this.#storage.list(folderOf(entry))).some((object) => object.name === entry);
  }

  /** Whether a manifest was published after another one of its name, which was removed in between and copied back. */
  async isSuccessor(name: string, before: ManifestEnvelope, now: ManifestEnvelope): Promise<boolean> {
    const published = await this.publications(name).catch((): string[] => []);
    const first = published.indexOf(manifestDigest(before));
    return first >= 0 && published.lastIndexOf(manifestDigest(now)) > first;
  }

  /** Names of the manifests that were published, by one listing. */
  async names(): Promise<Set<string>> {
    const names = new Set<string>();
    for (const { name } of await this.#storage.list(Folder.ledger)) {
      const manifest = manifestOfEntry(name);
      if (manifest !== null) names.add(manifest);
    }
    return names;
  }

  /** Deletes the entries of a restore point whose tombstone is about to go. The first last: a kill leaves no gap. */
  async drop(name: string): Promise<void> {
    let last = 1;
    const isThere = (number: number) =>
      this.#documents.find(ledgerName(name, number)).then(
        (found) => found !== null,
        () => this.#isListed(name, number),
      );
    while (await isThere(last + 1)) last += 1;
    for (let number = last; number > 0; number--) await this.#storage.delete(ledgerName(name, number));
  }

  /** @returns null when there is no entry of this number */
  async #read(name: string, number: number): Promise<LedgerEntry | null> {
    const path = ledgerName(name, number);
    const entry = (await this.#documents.find(path)) as Partial<LedgerEntry> | null;
    if (entry === null) return null;
    const { point, manifest, sha256 } = entry;
    const fine =
      point === pointIdOf(name) &&
      typeof manifest === 'object' &&
      manifest !== null &&
      manifest.id === point &&
      manifest.group === entry.group &&
      sha256 === manifestDigest(manifest);
    if (!fine) throw damaged('ledger', path, 'it does not describe the publication of the restore point of its name');
    return entry as LedgerEntry;
  }
}

/** An entry that cannot be read proves nothing. */
function undecodable(error: unknown): null {
  if (isHvError(error, 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED')) return null;
  throw error;
}
