/** Restore points: listed by what the storage says, read through the catalog (docs/format.md §2.2). */
import { HvError, isHvError, toHvError } from '../../support/errors.ts';
import { isUlid } from '../../support/ulid.ts';
import type { DocumentStore } from '../documents/document-store.ts';
import type { RowProof } from '../documents/row-proof.ts';
import { damaged } from '../errors.ts';
import { hiddenName, type RepositoryKeys } from '../format/keys.ts';
import {
  Folder,
  folderOf,
  isManifestName,
  manifestFolder,
  manifestName,
  pointFolderOf,
  pointIdOf,
  tombstoneName,
  withoutSlash,
} from '../format/names.ts';
import type { Catalog } from '../port/catalog.ts';
import type { Damage } from '../port/damage.ts';
import type { ManifestEnvelope } from '../port/points.ts';
import { isUnreadable } from '../storage/judging.ts';
import { keepAside } from '../storage/keep-aside.ts';
import { foldersBelow, requireObjectName, type Storage } from '../storage/storage.ts';
import type { LedgerStore } from './ledger.ts';
import type { PointWatch } from './point-watch.ts';
import type { TombstoneStore } from './tombstones.ts';

/** So many are asked for their tombstones one by one: there may be far more of these. */
const FEW = 64;

export class ManifestStore {
  readonly #storage: Storage;
  readonly #documents: DocumentStore;
  readonly #catalog: Catalog;
  readonly #tombstones: TombstoneStore;
  readonly #watch: PointWatch;
  readonly #ledger: LedgerStore;
  readonly #keys: RepositoryKeys | null;
  /** What the folder of a group is called; asked for each manifest of a listing. */
  readonly #folders = new Map<string, string>();
  readonly #proof: RowProof;
  /** Where the catalog was found to differ from the repository, by path. */
  readonly differences = new Map<string, Damage>();
  /** What listings had to do without, by path. */
  readonly #problems = new Map<string, string>();

  /** @param keys of an encrypted repository, else null. @param proof of the catalog's rows */
  constructor(
    storage: Storage,
    documents: DocumentStore,
    catalog: Catalog,
    tombstones: TombstoneStore,
    watch: PointWatch,
    ledger: LedgerStore,
    keys: RepositoryKeys | null,
    proof: RowProof,
  ) {
    this.#storage = storage;
    this.#proof = proof;
    this.#documents = documents;
    this.#catalog = catalog;
    this.#tombstones = tombstones;
    this.#watch = watch;
    this.#ledger = ledger;
    this.#keys = keys;
  }

  /** Name of a manifest. In an encrypted repository it does not reveal the group (docs/format.md §7). @throws USAGE */
  nameOf(group: string, id: string): string {
    return requireObjectName(manifestName(this.#folderOf(group), id));
  }

  #folderOf(group: string): string {
    let folder = this.#folders.get(group);
    if (folder === undefined) {
      folder = this.#keys === null ? group : hiddenName(this.#keys, group);
      requireObjectName(withoutSlash(manifestFolder(folder)));
      this.#folders.set(group, folder);
    }
    return folder;
  }

  /** Names of the manifests of a group (of all groups), ascending by point id. One with a tombstone is not listed. */
  async names(group?: string): Promise<string[]> {
    return this.withoutRemoved(await this.present(group));
  }

  /** What could not be read so far of what decides which restore points are listed. */
  problems(): Damage[] {
    const found = [...this.#problems, ...this.#watch.problems];
    return found.map(([path, message]) => ({ object: 'tombstone', path, message }));
  }

  /** Leaves out those that have a tombstone. */
  async withoutRemoved(names: string[]): Promise<string[]> {
    const hidden = (names.length > FEW ? null : await this.#lookForEach(names)) ?? (await this.#lookInList(names));
    return hidden.size > 0 ? names.filter((name) => !hidden.has(name)) : names;
  }

  /** @returns those that have a tombstone; null when that cannot be determined for each without a listing */
  async #lookForEach(names: readonly string[]): Promise<Set<string> | null> {
    const hidden = new Set<string>();
    const look = async (name: string): Promise<void> => {
      if ((await this.#tombstones.get(pointIdOf(name)).catch(undecodable)) !== null) hidden.add(name);
    };
    try {
      await Promise.all(names.map(look));
      return hidden;
    } catch (error) {
      if (isHvError(error, 'IO_ERROR') || isUnreadable(error)) return null;
      throw error;
    }
  }

  async #lookInList(names: readonly string[]): Promise<Set<string>> {
    const removed = names.length > 0 ? await this.#removedIds() : new Set();
    const hidden = new Set<string>();
    // Not by its name alone: anyone who can write to the storage could take a restore point off the list with it.
    for (const name of names) if (removed.has(pointIdOf(name)) && (await this.#isRemoved(name))) hidden.add(name);
    return hidden;
  }

  /** Like names(), with those whose removal was begun and is not finished. */
  async present(group?: string): Promise<string[]> {
    return this.#presentIn(group === undefined ? Folder.manifests : manifestFolder(this.#folderOf(group)));
  }

  async #presentIn(prefix: string): Promise<string[]> {
    const expected = this.#watch.expect(pointFolderOf(prefix) || undefined);
    const names: string[] = [];
    for (const { name } of await this.#storage.list(prefix)) if (isManifestName(name)) names.push(name);
    await this.#watch.listed(names, expected);
    // Sorted as text, id first: comparing by a function would take most of the time of listing many. Names go by their
    // positions: as a part of such a text each would keep all of it.
    return names
      .map((name, i) => pointIdOf(name) + String(i).padStart(10, '0'))
      .sort()
      .map((text) => names[Number(text.slice(-10))]!);
  }

  /**
   * Those of `names` that are listed: only the folders they are in are looked at.
   * @param options.unfinished with those whose removal was begun and is not finished
   */
  async listed(names: readonly string[], options: { unfinished?: boolean } = {}): Promise<string[]> {
    const found: string[] = [];
    for (const folder of new Set(names.map(folderOf))) {
      const there = new Set(await this.#presentIn(folder));
      found.push(...names.filter((name) => there.has(name)));
    }
    return options.unfinished ? found : this.withoutRemoved(found);
  }

  /**
   * @param options.onDamage goes on without an unreadable manifest; without it the first one is thrown
   * @param options.fresh reads the objects themselves, whatever the catalog says
   */
  async list(
    group?: string,
    options: { onDamage?: (damage: Damage) => void; fresh?: boolean } = {},
  ): Promise<ManifestEnvelope[]> {
    return this.read(await this.names(group), options);
  }

  /** Manifests that were listed. @param options as for list() */
  async read(
    names: readonly string[],
    { onDamage, fresh }: { onDamage?: (damage: Damage) => void; fresh?: boolean } = {},
  ): Promise<ManifestEnvelope[]> {
    const found: ManifestEnvelope[] = [];
    for (const name of names) {
      try {
        found.push(await this.get(name, { fresh }));
      } catch (error) {
        // Removed since the listing.
        if (isHvError(error, 'FILE_NOT_FOUND')) continue;
        if (onDamage === undefined || !isHvError(error, 'REPOSITORY_DAMAGED', 'IO_ERROR', 'NOT_SUPPORTED')) throw error;
        onDamage({ object: 'manifest', path: name, message: toHvError(error).message });
      }
    }
    this.#watch.flush();
    return found;
  }

  /**
   * What lies in the folders below `manifests/` as {@link foldersBelow} returns it: nothing is concluded from it but
   * whether a folder has changed.
   */
  folders(): Promise<Map<string, string>> {
    return foldersBelow(this.#storage, Folder.manifests);
  }

  /** Names in a folder: what is listed there, and all that is present. */
  async inFolder(folder: string): Promise<{ listed: string[]; present: string[] }> {
    const present = await this.#presentIn(folder);
    return { present, listed: await this.withoutRemoved(present) };
  }

  /** @param fresh reads the object itself, whatever the catalog says. @throws FILE_NOT_FOUND, REPOSITORY_DAMAGED */
  async get(name: string, options: { fresh?: boolean } = {}): Promise<ManifestEnvelope> {
    const row = this.#catalog.manifest(name);
    const isSound = row !== undefined && this.#proof.isManifest(name, row);
    const cached = isSound && !options.fresh ? parsed(row.json) : null;
    if (cached !== null && this.#matches(cached, name)) {
      this.#watch.read(name, cached);
      return cached;
    }
    const manifest = this.#require(await this.#documents.get(name), name);
    const proven = this.#proof.manifest(name, JSON.stringify(manifest));
    const isSame = isSound && row.json === proven.json;
    const before = isSound ? parsed(row.json) : null;
    const isAnother = row !== undefined && !isSame;
    if (isAnother && !(before !== null && (await this.#ledger.isSuccessor(name, before, manifest)))) this.differs(name);
    if (!isSame) this.#catalog.addManifest(name, manifest, proven);
    this.#watch.read(name, manifest);
    return manifest;
  }

  /**
   * What the catalog said of a manifest was not what lies in the repository; it has been replaced, or is about to be.
   */
  differs(name: string): void {
    const message = `this machine's catalog held something else for restore point ${pointIdOf(name)} than the repository does; it was replaced`;
    this.differences.set(name, { object: 'catalog', path: name, message });
  }

  /**
   * The one manifest whose id begins with `prefix`.
   * @param options.unfinished looks at those too whose removal was cut short
   * @throws POINT_NOT_FOUND, POINT_AMBIGUOUS
   */
  async find(prefix: string, options: { unfinished?: boolean } = {}): Promise<string> {
    const wanted = prefix.toUpperCase();
    if (isUlid(wanted)) {
      // A whole id that the catalog knows: no need to look through all groups.
      const [known] = await this.listed(this.#catalog.manifestsOf(wanted), options);
      if (known !== undefined) return known;
    }
    const listed = wanted.length < 4 ? [] : await (options.unfinished ? this.present() : this.names());
    const names = listed.filter((name) => pointIdOf(name).startsWith(wanted));
    if (names.length === 1) return names[0]!;
    if (names.length === 0)
      throw new HvError('POINT_NOT_FOUND', `There is no restore point ${prefix} in ${this.#storage.location}`, {
        advice: 'Run "hvbackup list" to see the restore points; give at least four characters of the id.',
        data: { id: prefix },
      });
    const ids = names.map(pointIdOf);
    throw new HvError(
      'POINT_AMBIGUOUS',
      `${ids.length} restore points begin with ${prefix}: ${ids.slice(0, 5).join(', ')}`,
      {
        advice: 'Give more characters of the id.',
        data: { ids },
      },
    );
  }

  /** What this machine has read of a manifest once, whatever became of it since; null when nothing. */
  known(name: string): ManifestEnvelope | null {
    const row = this.#catalog.manifest(name);
    const cached = row !== undefined && this.#proof.isManifest(name, row) ? parsed(row.json) : null;
    return cached !== null && this.#matches(cached, name) ? cached : null;
  }

  /** Makes this machine's catalog know a manifest again. */
  remember(name: string, manifest: ManifestEnvelope): void {
    this.#catalog.addManifest(name, manifest, this.#proof.manifest(name, JSON.stringify(manifest)));
  }

  /** @returns the value, when it can be the manifest of this name. @throws REPOSITORY_DAMAGED */
  checked(value: unknown, name: string): ManifestEnvelope {
    return this.#require(value, name);
  }

  /**
   * In the place of one that cannot be read it is put too: that is kept below `quarantine/`.
   * @returns bytes stored.
   * @throws FILE_EXISTS
   */
  async publish(manifest: ManifestEnvelope): Promise<number> {
    const name = this.nameOf(manifest.group, manifest.id);
    if (!isUlid(manifest.id)) throw new HvError('INTERNAL', `Not the id of a restore point: ${manifest.id}`);
    this.#require(manifest, name);
    let bytes = await this.#documents.put(name, manifest);
    if (bytes === 0 && (await this.#isDamaged(name))) {
      await keepAside(this.#storage, name);
      await this.#storage.delete(name);
      bytes = await this.#documents.put(name, manifest);
    }
    if (bytes === 0) throw new HvError('FILE_EXISTS', `The restore point exists already: ${manifest.id}`);
    this.#catalog.addManifest(name, manifest, this.#proof.manifest(name, JSON.stringify(manifest)));
    this.#watch.published(name, manifest);
    return bytes;
  }

  async #isDamaged(name: string): Promise<boolean> {
    try {
      this.#require(await this.#documents.get(name), name);
      return false;
    } catch (error) {
      if (isHvError(error, 'FILE_NOT_FOUND')) return false;
      if (!isHvError(error, 'REPOSITORY_DAMAGED')) throw error;
      return true;
    }
  }

  /** Manifests that are still there beside their tombstone: their removal was cut short. */
  async unfinished(): Promise<{ name: string; id: string }[]> {
    const names = await this.present();
    const removed = await this.#tombstones.ids();
    return names.map((name) => ({ name, id: pointIdOf(name) })).filter(({ id }) => removed.has(id));
  }

  /** Deletes a manifest without a trace: of a restore point that never was whole, or whose tombstone is there. */
  async withdraw(name: string): Promise<void> {
    await this.#storage.delete(name);
    this.#catalog.removeManifest(name);
    await this.#watch.removed(name);
  }

  async #removedIds(): Promise<Set<string>> {
    try {
      return await this.#tombstones.ids();
    } catch (error) {
      if (!isHvError(error, 'IO_ERROR')) throw error;
      this.#problems.set('removed', `which restore points were removed cannot be determined: ${error.message}`);
      return new Set();
    }
  }

  async #isRemoved(name: string): Promise<boolean> {
    const id = pointIdOf(name);
    try {
      return (await this.#tombstones.get(id)) !== null;
    } catch (error) {
      if (!isUnreadable(error)) {
        if (isHvError(error, 'REPOSITORY_DAMAGED')) return false;
        if (!isHvError(error, 'IO_ERROR')) throw error;
      }
      // It was removed, or it never counted: it may lack what it needs.
      this.#problems.set(tombstoneName(id), `restore point ${id} is not listed: ${error.message}`);
      return true;
    }
  }

  #matches(manifest: ManifestEnvelope, name: string): boolean {
    const { id, group, contents } = manifest;
    return (
      typeof id === 'string' && typeof group === 'string' && Array.isArray(contents) && this.nameOf(group, id) === name
    );
  }

  #require(value: unknown, name: string): ManifestEnvelope {
    const manifest = value as Partial<ManifestEnvelope> | null;
    const contents = manifest?.contents;
    const fine =
      typeof manifest === 'object' &&
      manifest !== null &&
      typeof manifest.createdAt === 'string' &&
      Array.isArray(contents) &&
      contents.every((ref) => typeof ref?.size === 'number' && Number.isInteger(ref.height));
    if (!fine || !this.#matches(manifest as ManifestEnvelope, name))
      throw damaged('manifest', name, 'it does not describe the restore point of its name');
    return manifest as ManifestEnvelope;
  }
}

/** @returns null when it is no JSON */
function parsed(json: string): ManifestEnvelope | null {
  try {
    return JSON.parse(json) as ManifestEnvelope;
  } catch {
    return null;
  }
}

/** A tombstone that was not made by us takes nothing off the list. */
function undecodable(error: unknown): null {
  if (isHvError(error, 'REPOSITORY_DAMAGED') && !isUnreadable(error)) return null;
  throw error;
}
