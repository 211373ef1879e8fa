/** Puts segments together in the background, where there are many or much in them is stale. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { CatalogFile } from '../catalog-file.ts';
import { listedSegments, livePacks, stalePacks } from '../sqlite-rows.ts';
import { mergeSegments } from './merge.ts';
import { removeOrphans } from './orphans.ts';
import type { Segment } from './segment.ts';
import { SegmentDamage } from './segment-format.ts';
import { SegmentWriter } from './segment-writer.ts';

export class Tidying {
  readonly #file: CatalogFile;
  #running: Promise<void> | undefined;
  #closed = false;
  #held = 0;

  constructor(file: CatalogFile) {
    this.#file = file;
  }

  /** Never fails. */
  tidy(): Promise<void> {
    if (this.#held > 0) return Promise.resolve();
    this.#running ??= this.#merge()
      .catch((error) => {
        if (!this.#closed && error instanceof SegmentDamage) this.#file.run(() => this.#file.recover());
      })
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  /** While segments are gone through, none is merged: it would be closed under its reader. */
  async hold<T>(action: () => Promise<T>): Promise<T> {
    await this.#running;
    this.#held += 1;
    try {
      return await action();
    } finally {
      this.#held -= 1;
    }
  }

  /** Stops what is running. */
  close(): void {
    this.#closed = true;
  }

  async #merge(): Promise<void> {
    const file = this.#file;
    for (;;) {
      const { generation, folder } = file;
      const stale = file.run(() => stalePacks(file.sql));
      const inputs = stale.length > 0 ? file.segments.segments : file.segments.worthMerging();
      if (inputs.length === 0) return;
      if (folder !== null) removeOrphans(folder, new Set(file.run(() => listedSegments(file.sql))));
      const entries = inputs.reduce((sum, { info }) => sum + info.entries, 0);
      const isLive = file.run(() => livePacks(file.sql, entries));
      const target = new SegmentWriter(folder, entries);
      const isWanted = (): boolean => !this.#closed && generation === file.generation;
      try {
        const done = await mergeSegments(inputs, target, isLive, isWanted);
        if (!done || !this.#replace(inputs, target, stale)) return target.abort();
      } catch (error) {
        target.abort();
        throw error;
      }
    }
  }

  /** @returns false when another process has replaced some of them meanwhile */
  #replace(inputs: readonly Segment[], target: SegmentWriter, stale: readonly number[]): boolean {
    const file = this.#file;
    const names = inputs.map((segment) => segment.info.name);
    let replaced = false;
    file.transaction(() => {
      const listed = new Set(listedSegments(file.sql));
      replaced = names.every((name) => listed.has(name));
      if (!replaced) return;
      file.enter(target);
      for (const name of names) file.sql.removeSegment.run(name);
      for (const pack of stale) {
        file.sql.removeBases.run(pack);
        file.sql.removeStale.run(pack);
      }
    });
    file.run(() => file.loadSegments());
    if (!replaced) return false;
    for (const name of names) {
      file.segments.forget(name);
      if (file.folder !== null) rmSync(join(file.folder, name), { force: true });
    }
    return true;
  }
}
