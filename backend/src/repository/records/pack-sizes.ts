/** Packs that lie in the storage, with their sizes. */
import { Folder, packFolder, parsePackName } from '../format/names.ts';
import type { ObjectInfo, Storage } from '../storage/storage.ts';
import { PackIds } from './pack-ids.ts';

/** From so many on, the packs are listed folder by folder: the names of all at once take 300 bytes each. */
const MANY = 10_000;
/** Folders that are listed ahead of the one whose packs are looked at. */
const AHEAD = 4;

/**
 * Lists packs, at no more than a few thousand at once.
 * @param expected how many there may be
 */
export async function eachListedPack(
  storage: Storage,
  expected: number,
  options: { sizes?: boolean },
  visit: (id: string, size: number | undefined) => void,
): Promise<void> {
  const folders =
    expected < MANY
      ? [Folder.packs]
      : Array.from({ length: 256 }, (_, i) => packFolder(i.toString(16).padStart(2, '0')));
  const listings: Promise<ObjectInfo[]>[] = [];
  try {
    for (let at = 0; at < folders.length; at++) {
      while (listings.length <= AHEAD && at + listings.length < folders.length)
        listings.push(storage.list(folders[at + listings.length]!, options));
      for (const { name, size } of await listings.shift()!) {
        const id = parsePackName(name);
        if (id !== null) visit(id, size);
      }
    }
  } finally {
    // One has failed: what the others say does not matter, and they must not fail unheard.
    await Promise.allSettled(listings);
  }
}

export class PackSizes {
  readonly #ids = new PackIds();
  /** NaN: gone. */
  #sizes = new Float64Array(64);
  /** Packs that are there. */
  count = 0;

  /** The packs there are, none with its size. @param expected how many there may be */
  static async list(storage: Storage, expected: number): Promise<PackSizes> {
    const found = new PackSizes();
    await eachListedPack(storage, expected, {}, (id) => found.set(id, 0));
    return found;
  }

  /** Gives each its size. @param known says it without asking the storage, which costs a question each */
  async learn(storage: Storage, known: (id: string) => number | undefined): Promise<void> {
    const folders = new Set<string>();
    for (let row = 0; row < this.#ids.count; row++) {
      const id = this.#ids.id(row);
      const size = known(id);
      if (size === undefined) folders.add(packFolder(id));
      else if (this.has(id)) this.#sizes[row] = size;
    }
    for (const folder of folders)
      for (const { name, size } of await storage.list(folder, { sizes: true })) {
        const id = parsePackName(name);
        if (id !== null && this.has(id)) this.set(id, size ?? 0);
      }
  }

  set(id: string, size: number): void {
    if (!this.has(id)) this.count += 1;
    const row = this.#ids.add(id);
    if (row >= this.#sizes.length) {
      const larger = new Float64Array(this.#sizes.length * 2);
      larger.set(this.#sizes);
      this.#sizes = larger;
    }
    this.#sizes[row] = size;
  }

  get(id: string): number | undefined {
    const row = this.#ids.find(id);
    return row < 0 || Number.isNaN(this.#sizes[row]) ? undefined : this.#sizes[row];
  }

  has(id: string): boolean {
    return this.get(id) !== undefined;
  }

  /** Whether the same packs are there. */
  isSame(other: PackSizes): boolean {
    if (other.count !== this.count) return false;
    for (let row = 0; row < this.#ids.count; row++)
      if (!Number.isNaN(this.#sizes[row]) && !other.has(this.#ids.id(row))) return false;
    return true;
  }

  delete(id: string): void {
    if (!this.has(id)) return;
    this.#sizes[this.#ids.find(id)] = Number.NaN;
    this.count -= 1;
  }
}
