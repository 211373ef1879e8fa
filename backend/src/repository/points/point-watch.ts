/**
 * Holds every listing of restore points against what this machine has seen: one that is gone without a tombstone was
 * not removed by us, one that is back after its removal neither (docs/format.md §9).
 */
import { isHvError } from '../../support/errors.ts';
import { manifestName, pointFolderOf, pointIdOf, tombstoneName } from '../format/names.ts';
import type { Memory, RememberedPoint } from '../port/memory.ts';
import type { ManifestEnvelope, UnexpectedPoint } from '../port/points.ts';
import { isUnreadable } from '../storage/judging.ts';
import type { LedgerStore } from './ledger.ts';
import type { TombstoneStore } from './tombstones.ts';

export class PointWatch {
  readonly #memory: Memory | null;
  readonly #tombstones: TombstoneStore;
  readonly #ledger: LedgerStore;
  /** Removed ones that were validly published again. */
  readonly #returned = new Map<string, RememberedPoint>();
  /** By folder, loaded when the folder is first listed; then by point. */
  readonly #known = new Map<string, Map<string, RememberedPoint>>();
  #allKnown = false;
  readonly #unexpected = new Map<string, UnexpectedPoint>();
  /** Tombstones that cannot be read, by path: what they say of a restore point is not known. */
  readonly problems = new Map<string, string>();
  /** Changes that are not written yet. */
  readonly #changed = new Map<string, RememberedPoint>();

  /** @param memory null: nothing is remembered and nothing is found */
  constructor(memory: Memory | null, tombstones: TombstoneStore, ledger: LedgerStore) {
    this.#memory = memory;
    this.#tombstones = tombstones;
    this.#ledger = ledger;
  }

  /** Restore points that are not as this machine last knew them, as far as they were listed. */
  unexpected(): UnexpectedPoint[] {
    return [...this.#unexpected.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Restore points that this machine knew as removed, and that were published again since: they count. */
  returned(): RememberedPoint[] {
    return [...this.#returned.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /**
   * To be called before a listing: what is published beside it may be missing from it.
   * @param folder below `manifests/` that will be listed; all when absent
   */
  expect(folder: string | undefined): RememberedPoint[] {
    if (this.#memory === null) return [];
    this.#load(folder);
    const folders = folder === undefined ? [...this.#known.values()] : [this.#folder(folder)];
    return folders.flatMap((points) => [...points.values()]);
  }

  /**
   * Takes note of a listing.
   * @param names of the manifests that lie there, whether they have a tombstone or not
   * @param expected what expect() gave
   */
  async listed(names: readonly string[], expected: readonly RememberedPoint[]): Promise<void> {
    if (this.#memory === null) return;
    const present = new Map<string, string>();
    for (const name of names) {
      const [where, id] = [pointFolderOf(name), pointIdOf(name)];
      present.set(id, where);
      const known = this.#folder(where).get(id);
      // One that has not been read yet may be anything: it is remembered when its manifest is read.
      if (known === undefined) continue;
      if (known.gone) await this.#isBack(known);
      else if (this.#unexpected.get(id)?.state === 'gone') this.#unexpected.delete(id);
    }
    for (const { id, folder } of expected) {
      const point = this.#folder(folder).get(id);
      if (point === undefined || present.has(id)) continue;
      if (!point.gone) await this.#isMissing(point);
      // What had come back is gone again, as it should be.
      else this.#unexpected.delete(id);
    }
    this.flush();
  }

  /** This process has published it. */
  published(name: string, manifest: ManifestEnvelope): void {
    if (this.#memory === null) return;
    const [folder, id] = [pointFolderOf(name), pointIdOf(name)];
    this.#load(folder);
    const vmName = this.#memory.vmNameOf(manifest);
    this.#settle({ id, folder, vmName, createdAt: manifest.createdAt, gone: false });
    this.flush();
  }

  /** Whether its manifest has to be read for it to be remembered. */
  isNew(name: string): boolean {
    if (this.#memory === null) return false;
    const [folder, id] = [pointFolderOf(name), pointIdOf(name)];
    this.#load(folder);
    return !this.#folder(folder).has(id);
  }

  /** A manifest was read. Written by the next flush(). */
  read(name: string, manifest: ManifestEnvelope): void {
    if (this.#memory === null) return;
    const [folder, id] = [pointFolderOf(name), pointIdOf(name)];
    this.#load(folder);
    const known = this.#folder(folder).get(id);
    if (known !== undefined) return;
    const vmName = this.#memory.vmNameOf(manifest);
    this.#change({ id, folder, vmName, createdAt: manifest.createdAt, gone: false });
  }

  /** This process has removed it. */
  async removed(name: string): Promise<void> {
    const [folder, id] = [pointFolderOf(name), pointIdOf(name)];
    if (this.#memory === null) return;
    this.#load(folder);
    const known = this.#folder(folder).get(id);
    if (known === undefined) return;
    const publications = await this.#publications(name).catch(() => 0);
    this.#settle({ ...known, gone: true, publications });
    this.flush();
  }

  /**
   * A person says that all is well: what is gone counts as removed, what is back as there.
   * @returns what that concerned
   */
  accept(): UnexpectedPoint[] {
    const accepted = this.unexpected();
    for (const { id, folder, state } of accepted) {
      const known = this.#folder(folder).get(id);
      if (known !== undefined) this.#settle({ ...known, gone: state === 'gone' });
    }
    this.flush();
    return accepted;
  }

  /** Makes what was learnt durable. */
  flush(): void {
    if (this.#changed.size === 0) return;
    this.#memory?.remember([...this.#changed.values()]);
    this.#changed.clear();
  }

  async #isMissing(point: RememberedPoint): Promise<void> {
    const tombstone = await this.#tombstoneOf(point.id);
    if (tombstone === 'unknown') return;
    // Another process of this machine may know more by now.
    const isKnown = () => this.#memory!.points(point.folder).some(({ id, gone }) => gone && id === point.id);
    const publications = await this.#publications(nameOf(point)).catch(() => 0);
    if (tombstone === 'sound' || isKnown()) this.#settle({ ...point, gone: true, publications });
    else this.#unexpected.set(point.id, { ...describe(point), state: 'gone', forged: tombstone === 'unsound' });
  }

  async #isBack(point: RememberedPoint): Promise<void> {
    // A copy of the manifest beside its tombstone is not listed: a removal that was not finished, or undone.
    if (/^(sound|unknown)$/.test(await this.#tombstoneOf(point.id))) return;
    // Copied back on purpose it was published once more since. An older state that is brought back does not know
    // of that.
    if ((await this.#publications(nameOf(point)).catch(() => 0)) > Math.max(1, point.publications ?? 0)) {
      this.#settle({ ...point, gone: false, publications: 0 });
      this.#returned.set(point.id, point);
      return;
    }
    this.#unexpected.set(point.id, { ...describe(point), state: 'back', forged: false });
  }

  /** Only what can be read counts: in an encrypted repository it takes the key to make one. */
  async #tombstoneOf(id: string): Promise<'none' | 'sound' | 'unsound' | 'unknown'> {
    try {
      return (await this.#tombstones.get(id)) === null ? 'none' : 'sound';
    } catch (error) {
      if (isHvError(error, 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED') && !isUnreadable(error)) return 'unsound';
      if (isHvError(error, 'IO_ERROR') || isUnreadable(error)) {
        this.problems.set(
          tombstoneName(id),
          `whether restore point ${id} was removed cannot be determined: ${error.message}`,
        );
        return 'unknown';
      }
      throw error;
    }
  }

  /** How often it was published, by entries that can be read. */
  async #publications(name: string): Promise<number> {
    return (await this.#ledger.publications(name)).filter((sha256) => sha256 !== '').length;
  }

  #load(folder: string | undefined): void {
    if (this.#allKnown || (folder !== undefined && this.#known.has(folder))) return;
    if (folder === undefined) this.#allKnown = true;
    else this.#folder(folder);
    for (const point of this.#memory!.points(folder)) {
      // What this process has learnt since is newer.
      const points = this.#folder(point.folder);
      if (!points.has(point.id)) points.set(point.id, point);
    }
  }

  #folder(folder: string): Map<string, RememberedPoint> {
    let points = this.#known.get(folder);
    if (points === undefined) {
      points = new Map();
      this.#known.set(folder, points);
    }
    return points;
  }

  #settle(point: RememberedPoint): void {
    this.#unexpected.delete(point.id);
    this.#change(point);
  }

  #change(point: RememberedPoint): void {
    this.#folder(point.folder).set(point.id, point);
    this.#changed.set(point.id, point);
  }
}

const nameOf = ({ folder, id }: RememberedPoint): string => manifestName(folder, id);

const describe = ({ id, folder, vmName, createdAt }: RememberedPoint): Omit<UnexpectedPoint, 'state' | 'forged'> => ({
  id,
  folder,
  vmName,
  createdAt,
});
