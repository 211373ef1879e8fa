/**
 * Marks the records of very many blocks in one pass through the catalog: of each the sound whole record, else its only
 * sound delta with the base. What is not as simple as that is left open.
 */

import { throwIfCancelled } from '../../support/errors.ts';
import type { OperationContext } from '../../support/progress.ts';
import type { RepositoryCore } from '../core.ts';
import { RecordKind } from '../format/constants.ts';
import { damagedPack } from '../format/names.ts';
import type { CatalogEntry, IdBatch } from '../port/catalog.ts';
import type { LiveSet } from '../records/live-set.ts';

/** Ids of blocks, by their first six bytes. */
export class OpenIds {
  #values = new Float64Array(16);
  #count = 0;
  #sorted = true;
  /** All there are: nothing is known of any. */
  all = false;

  /** Takes the id at `at`. */
  addId(ids: Uint8Array, at = 0): void {
    this.add(prefixAt(ids, at));
  }

  add(prefix: number): void {
    if (this.#count === this.#values.length) {
      const larger = new Float64Array(this.#count * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#count++] = prefix;
    this.#sorted = false;
  }

  some(): boolean {
    return this.all || this.#count > 0;
  }

  has(ids: Buffer, at: number): boolean {
    if (this.all) return true;
    if (!this.#sorted) this.#values.subarray(0, this.#count).sort();
    this.#sorted = true;
    const wanted = prefixAt(ids, at);
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#values[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return low < this.#count && this.#values[low] === wanted;
  }
}

const prefixAt = (ids: Uint8Array, at: number): number => {
  let prefix = 0;
  for (let i = 0; i < 6; i++) prefix = prefix * 256 + ids[at + i]!;
  return prefix;
};

export class BlockJoin {
  readonly #core: RepositoryCore;
  readonly #live: LiveSet;
  readonly #context: OperationContext;
  readonly #phase: string;
  #open = new OpenIds();
  /** Rows of packs that no one may rely on. */
  #avoided: ReadonlySet<number> = new Set();
  /** Offsets of damaged records by the row of their pack. */
  #damaged: ReadonlyMap<number, ReadonlySet<number>> = new Map();

  /** @param phase what progress calls it */
  constructor(core: RepositoryCore, live: LiveSet, context: OperationContext, phase = 'prune') {
    this.#core = core;
    this.#live = live;
    this.#context = context;
    this.#phase = phase;
  }

  /**
   * @param ids begun before anything was added to it; @param open what is left open already
   * @returns the same with what could not be marked
   */
  async mark(ids: IdBatch, open: OpenIds): Promise<OpenIds> {
    this.#open = open;
    if (ids.count === 0) return this.#open;
    // Numbers of packs are those of the catalog as it is now: whether it has begun anew the batch will report.
    this.#live.addKnown(this.#core.index);
    this.#learnSoundness();
    let deltas = false;
    const whole = await ids.join({
      ...this.#visitor('blocks'),
      found: (entries, prefix) => {
        const entry = this.#choose(entries);
        if (entry === undefined) return this.#open.add(prefix);
        this.#live.markRow(this.#live.byNumber(entry.pack), entry.ordinal, entry.storedLength);
        deltas ||= entry.kind === RecordKind.delta;
      },
    });
    this.#open.all ||= !whole || (deltas && !(await this.#markBases()));
    return this.#open;
  }

  /** Bases of the deltas that live. @returns false when one has no sound record */
  async #markBases(): Promise<boolean> {
    const bases = this.#core.catalog.batch();
    let found = true;
    try {
      this.#core.catalog.eachBase((pack, ordinal, base) => {
        const row = this.#live.byNumber(pack);
        if (row >= 0 && this.#live.isLiveRow(row, ordinal)) bases.add(base);
      });
      const whole = await bases.join({
        ...this.#visitor('bases of deltas'),
        found: (entries) => {
          const entry = entries.find((one) => one.kind === RecordKind.block && this.#isSound(one));
          if (entry === undefined) found = false;
          else this.#live.markRow(this.#live.byNumber(entry.pack), entry.ordinal, entry.storedLength);
        },
        missing: () => {
          found = false;
        },
      });
      return found && whole;
    } finally {
      bases.close();
    }
  }

  #visitor(what: string): { missing: (prefix: number) => void; pause: () => void } {
    return {
      missing: (prefix) => this.#open.add(prefix),
      pause: () => {
        throwIfCancelled(this.#context.signal);
        this.#context.progress?.({ phase: this.#phase, message: what });
      },
    };
  }

  /** The record that RecordIndex.findSound() gives; undefined when it takes that to find out. */
  #choose(entries: readonly CatalogEntry[]): CatalogEntry | undefined {
    if (entries.length === 1) return this.#isSound(entries[0]!) ? entries[0] : undefined;
    const sound = entries.filter((entry) => this.#isSound(entry));
    return sound.find(({ kind }) => kind === RecordKind.block) ?? (sound.length === 1 ? sound[0] : undefined);
  }

  #isSound({ pack, offset }: CatalogEntry): boolean {
    const row = this.#live.byNumber(pack);
    return row >= 0 && !this.#avoided.has(row) && this.#damaged.get(row)?.has(offset) !== true;
  }

  #learnSoundness(): void {
    const { index } = this.#core;
    this.#avoided = new Set([...index.marked, ...index.missing].map((id) => this.#live.rowOf(id)));
    const damaged = new Map<number, Set<number>>();
    for (const key of index.damaged) {
      const row = this.#live.rowOf(damagedPack(key));
      const offsets = damaged.get(row) ?? new Set();
      damaged.set(row, offsets.add(Number.parseInt(key.slice(33), 16)));
    }
    this.#damaged = damaged;
  }
}
