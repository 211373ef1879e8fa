/**
 * What callers derive from manifests: made once, kept in the catalog, and found by a key without asking for each. A
 * folder in which nothing has changed since all of its manifests had their digests need not be looked at again.
 */
import { hash } from 'node:crypto';
import { isHvError, toHvError } from '../../support/errors.ts';
import type { RowProof } from '../documents/row-proof.ts';
import { folderOf, manifestFolder, pointFolderOf, pointIdOf } from '../format/names.ts';
import type { Catalog, CatalogDigest } from '../port/catalog.ts';
import type { Memory } from '../port/memory.ts';
import type { DigestOptions, ManifestDigest } from '../port/points.ts';
import type { ManifestStore } from './manifests.ts';
import type { PointWatch } from './point-watch.ts';

/** From so many on, all digests are read at once. */
const MANY_DIGESTS = 1000;
/** From so many folders on it is quicker to list all there is. */
const MANY_FOLDERS = 100;

export class DigestStore {
  readonly #manifests: ManifestStore;
  readonly #catalog: Catalog;
  readonly #watch: PointWatch;
  readonly #memory: Memory | null;
  readonly #proof: RowProof;
  /** Of the memory when the listing at hand began: one that begins anew meanwhile has learnt nothing from it. */
  #token = '';

  /** @param memory null: nothing is remembered */
  constructor(manifests: ManifestStore, catalog: Catalog, watch: PointWatch, memory: Memory | null, proof: RowProof) {
    this.#proof = proof;
    this.#manifests = manifests;
    this.#catalog = catalog;
    this.#watch = watch;
    this.#memory = memory;
  }

  /** What `digest` makes of each listed manifest, by ascending id. */
  async list<T>(digest: ManifestDigest<T>, options: DigestOptions = {}): Promise<T[]> {
    const { group, key } = options;
    if (key !== undefined && group === undefined && digest.key !== undefined) return this.#ofKey(digest, key, options);
    const { values } = await this.#make(digest, await this.#manifests.names(group), options);
    this.#watch.flush();
    return values;
  }

  /** As list(), with the names of those that were gone or unreadable when they were to be read. */
  async #make<T>(
    digest: ManifestDigest<T>,
    listed: readonly string[],
    { key, after, limit, onDamage }: DigestOptions,
  ): Promise<{ values: T[]; gone: string[] }> {
    const names = after === undefined ? listed : listed.filter((name) => pointIdOf(name) > after);
    const many = Math.min(names.length, limit ?? names.length) > MANY_DIGESTS;
    const known = many ? this.#catalog.digests(digest.kind) : null;
    const added = new Map<string, CatalogDigest>();
    const values: T[] = [];
    const gone: string[] = [];
    for (const name of names) {
      if (values.length === limit) break;
      const text = this.#checked(
        digest.kind,
        name,
        known === null ? this.#catalog.digest(digest.kind, name) : known.get(name),
      );
      // What this machine is to remember of a restore point stands in its manifest.
      if (text !== undefined && this.#watch.isNew(name)) await this.#manifests.get(name).catch(() => undefined);
      const made =
        text === undefined ? await this.#makeOne(name, digest, added, onDamage) : { value: JSON.parse(text) as T };
      if (made === null) gone.push(name);
      else if (key === undefined || digest.key?.(made.value) === key) values.push(made.value);
    }
    if (added.size > 0) this.#catalog.addDigests(digest.kind, added);
    return { values, gone };
  }

  /** @returns the digest; undefined when there is none, or what is there is not what was put there */
  #checked(kind: string, name: string, row: CatalogDigest | undefined): string | undefined {
    if (row === undefined || this.#proof.isDigest(kind, name, row)) return row?.json;
    this.#manifests.differs(name);
    return undefined;
  }

  /** @returns null when it was removed since the listing, or cannot be read */
  async #makeOne<T>(
    name: string,
    digest: ManifestDigest<T>,
    added: Map<string, CatalogDigest>,
    onDamage: DigestOptions['onDamage'],
  ): Promise<{ value: T } | null> {
    try {
      const value = digest.make(await this.#manifests.get(name));
      added.set(name, this.#proof.digest(digest.kind, name, JSON.stringify(value), digest.key?.(value) ?? null));
      return { value };
    } catch (error) {
      if (isHvError(error, 'FILE_NOT_FOUND')) return null;
      // Of a version that is not known here: as good as unreadable, to this one.
      const isOfOne = isHvError(error, 'REPOSITORY_DAMAGED', 'IO_ERROR', 'REPOSITORY_VERSION', 'NOT_SUPPORTED');
      if (onDamage === undefined || !isOfOne) throw error;
      onDamage({ object: 'manifest', path: name, message: toHvError(error).message });
      return null;
    }
  }

  /** Looks at folders that have changed, and at those that are known to have the key. */
  async #ofKey<T>(digest: ManifestDigest<T>, key: string, options: DigestOptions): Promise<T[]> {
    const { kind } = digest;
    const before = this.#catalog.digestedFolders(kind);
    const there = await this.#manifests.folders();
    this.#token = this.#memory?.token ?? '';
    const remembered = this.#remembered();
    const folders = new Set([...this.#catalog.digests(kind, key).keys()].map(folderOf));
    for (const [folder, names] of there)
      if (before.get(folder) !== this.#markOf(names, remembered.get(folder))) folders.add(folder);
    // A folder that is gone is a loss to be reported, or a removal to be noticed.
    for (const folder of [...before.keys(), ...remembered.keys()]) if (!there.has(folder)) folders.add(folder);

    const { listed, present } = await this.#look(folders);
    const { values, gone } = await this.#make(digest, listed.sort(byId), { ...options, key });
    this.#watch.flush();
    // Half a listing says nothing about the rest.
    if (options.after === undefined && options.limit === undefined) {
      const whole = wholeFolders({ there, present, listed: new Set(listed), gone: new Set(gone) });
      for (const { folder } of this.#watch.unexpected()) whole.delete(manifestFolder(folder));
      this.#note(kind, folders, whole, before);
    }
    return values;
  }

  async #look(folders: ReadonlySet<string>): Promise<{ listed: string[]; present: string[] }> {
    if (folders.size > MANY_FOLDERS) {
      const present = await this.#manifests.present();
      return { present, listed: await this.#manifests.withoutRemoved(present) };
    }
    const looked = await Promise.all([...folders].map((folder) => this.#manifests.inFolder(folder)));
    return { listed: looked.flatMap((one) => one.listed), present: looked.flatMap((one) => one.present) };
  }

  /** Notes which of the folders that were looked at need no look the next time. */
  #note(
    kind: string,
    folders: ReadonlySet<string>,
    whole: ReadonlyMap<string, string>,
    before: ReadonlyMap<string, string>,
  ): void {
    // All at once only where it takes less than asking for each.
    const remembered = folders.size > MANY_FOLDERS ? this.#remembered() : null;
    const changes = new Map<string, string | null>();
    for (const folder of folders) {
      const names = whole.get(folder);
      const points = remembered === null ? this.#rememberedIn(folder) : remembered.get(folder);
      const mark = names === undefined ? null : this.#markOf(names, points);
      if (mark !== (before.get(folder) ?? null)) changes.set(folder, mark);
    }
    if (changes.size > 0) this.#catalog.noteDigested(kind, changes);
  }

  /**
   * What is in the folder, and what this machine remembers of it: when either changes, it is looked at again.
   * @param names as {@link ManifestStore.folders} returns them
   */
  #markOf(names: string, remembered = 0): string {
    return hash('sha256', `${this.#token} ${remembered}\n${names}`);
  }

  /** Restore points that are to be there, by folder. */
  #remembered(): Map<string, number> {
    const found = new Map<string, number>();
    for (const [folder, points] of this.#memory?.folders() ?? []) found.set(manifestFolder(folder), points);
    return found;
  }

  #rememberedIn(folder: string): number {
    const points = this.#memory?.points(pointFolderOf(folder)) ?? [];
    return points.filter(({ gone }) => !gone).length;
  }
}

/** Folders in which all that lies there is listed and has its digest, with the names in them. */
function wholeFolders(found: {
  /** An earlier look: what was published or removed since makes a folder look different. */
  there: ReadonlyMap<string, string>;
  present: readonly string[];
  listed: ReadonlySet<string>;
  gone: ReadonlySet<string>;
}): Map<string, string> {
  const { there, present, listed, gone } = found;
  const counts = new Map<string, number>();
  for (const name of present) counts.set(folderOf(name), (counts.get(folderOf(name)) ?? 0) + 1);
  const whole = new Map<string, string>();
  for (const [folder, count] of counts) {
    const text = there.get(folder) ?? '';
    const names = text.split('/').map((name) => folder + name);
    if (names.length === count && names.every((name) => listed.has(name) && !gone.has(name))) whole.set(folder, text);
  }
  return whole;
}

const byId = (a: string, b: string): number => (pointIdOf(a) < pointIdOf(b) ? -1 : 1);
