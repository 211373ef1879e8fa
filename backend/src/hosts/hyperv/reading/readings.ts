/** The disks of one open host that are being read: opened and ended in the way that was chosen (ways.ts). */
import type { ChangedRange } from '../../../disk/device.ts';
import type { ReadingMethod } from '../../../schema/readiness.ts';
import type { HostDisk, RecoveryCheckpoint } from '../../port.ts';
import type { Helper } from '../helper/helper.ts';
import { AttachedWay } from './attached-way.ts';
import type { ExportReading } from './export-reading.ts';
import { ExportWay } from './export-way.ts';
import { FileWay } from './file-way.ts';
import { watchMerging } from './merging.ts';
import { frozenRctIds } from './rct-ids.ts';
import type { FrozenPart, ReadingWay, Since } from './reading-way.ts';
import { SetWay } from './set-way.ts';
import { type ReadingOptions, type Way, Ways } from './ways.ts';

export class Readings {
  readonly #helper: Helper;
  readonly #server: string | undefined;
  readonly #choice: Ways;
  readonly #export: ExportWay;
  readonly #set: SetWay;
  readonly #by: Record<ReadingMethod, ReadingWay>;
  #cleaned = false;
  #notes: string[] = [];

  constructor(helper: Helper, server: string | undefined, options: ReadingOptions) {
    this.#helper = helper;
    this.#server = server;
    this.#choice = new Ways(helper, server, options);
    this.#export = new ExportWay(helper, server, options.exportFolder);
    this.#set = new SetWay(helper, server);
    const file = new FileWay(helper, server);
    this.#by = { native: file, share: file, attached: new AttachedWay(helper), export: this.#export };
  }

  /** @param paths of the VM's disk files @throws NOT_SUPPORTED */
  way(paths: readonly string[]): Promise<Way> {
    return this.#choice.of(paths);
  }

  /** Where exports go, as the host names it. */
  exportRoot(): Promise<string> {
    return this.#export.root();
  }

  /** RCT ids of frozen disks, by path (rct-ids.ts). */
  rctIds(paths: readonly string[]): Promise<Map<string, string>> {
    return frozenRctIds(this.#helper, this.#server, paths, async () => (await this.way(paths)).method === 'export');
  }

  /** Removes what exports of dead processes left, once. */
  async clean(): Promise<void> {
    if (this.#cleaned || !this.#choice.mayExport) return;
    this.#cleaned = true;
    this.#notes.push(...(await this.#export.clean()));
  }

  exportOf(checkpoint: RecoveryCheckpoint): ExportReading | undefined {
    return this.#export.of(checkpoint);
  }

  /** Opens a frozen disk. @param signal gives up an export */
  async open(disk: FrozenPart, signal?: AbortSignal): Promise<HostDisk> {
    if (disk.set) return await this.#set.open(disk, this.#choice.ofSet());
    const chosen = await this.way([disk.path]);
    const way: Way = this.#export.hasDifference(disk) ? { ...chosen, method: 'export' } : chosen;
    try {
      return await this.#by[way.method].open(disk, way, signal);
    } catch (error) {
      const other = await this.#choice.afterRefusal(way, error);
      if (!other) throw error;
      return await this.#by[other.method].open(disk, other, signal);
    }
  }

  /**
   * What changed on a disk, in the way that its disks are read.
   * @param signal gives up an export
   * @throws TRACKING_* take a full of this disk
   */
  async *changes(disk: FrozenPart, since: Since, signal?: AbortSignal): AsyncGenerator<ChangedRange[]> {
    if (disk.set) return yield* this.#set.changes(disk, since);
    const way = await this.way([disk.path]);
    try {
      yield* this.#by[way.method].changes(disk, since, way, signal);
    } catch (error) {
      const other = this.#choice.afterLostTracking(way, error);
      if (!other) throw error;
      yield* this.#by[other.method].changes(disk, since, other, signal);
    }
  }

  /** Gives back what reading a checkpoint took. @returns whether that was anything */
  async end(checkpointId: string): Promise<boolean> {
    let taken = false;
    for (const way of new Set([this.#set, ...Object.values(this.#by)])) {
      const notes = await way.end(checkpointId);
      taken ||= notes !== null;
      this.#notes.push(...(notes ?? []));
    }
    return taken;
  }

  /** After an export: whether the host merges what the checkpoint had set apart (merging.ts). */
  async watchMerging(look: () => Promise<{ diskIndex: number; state: 'merging' | 'failed' }[]>): Promise<void> {
    const note = await watchMerging(look);
    if (note !== null) this.#notes.push(note);
  }

  takeNotes(): string[] {
    return this.#notes.splice(0);
  }

  async close(): Promise<void> {
    for (const checkpointId of this.#export.checkpoints) await this.end(checkpointId);
  }
}
