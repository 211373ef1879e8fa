/**
 * The ways to read of one open host: what was chosen, the exports that are under way, and what the result should say of
 * them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChangedRange } from '../../../disk/device.ts';
import { HvError, isHvError } from '../../../support/errors.ts';
import type { HostDisk, RecoveryCheckpoint, ReferencePoint } from '../../port.ts';
import { idUnknown } from '../errors.ts';
import type { Helper } from '../helper/helper.ts';
import { pathsOf, reachable } from '../paths.ts';
import { HostDefaults, type Snapshot, TrackingAnswer } from '../wmi.ts';
import { AttachedDisk } from './attached-disk.ts';
import { queryChanges } from './changes.ts';
import { DEFAULT_NAME, removeLeftovers } from './export-folder.ts';
import { ExportReading } from './export-reading.ts';
import { openFrozenFile } from './frozen-disk.ts';
import { chooseWay, REFUSED_BY_READER, type ReadingOptions, type Way, whyUnreachable } from './ways.ts';

/**
 * Stands for the RCT id of a disk whose own cannot be asked for, where it is read by exports: the reference point is
 * then all that is known of its last backup.
 */
const UNKNOWN_ID = 'reference-point';
/** Looks at whether the host merges after an export, ms between them: it begins a moment after the conversion. */
const MERGE_LOOKS = [0, 500, 1500, 3000];
const ADVICE = 'Take a full backup of this disk.';

interface ChangeFacts {
  /** The checkpoint as it is now. */
  snapshot(): Promise<Snapshot>;
  /** Reference points of the VM as they are now. */
  points(): Promise<ReferencePoint[]>;
  referencePointId: string | undefined;
  /** Gives up an export. */
  signal: AbortSignal | undefined;
}

export class Readings {
  readonly options: ReadingOptions;
  readonly #helper: Helper;
  readonly #server: string | undefined;
  readonly #exports = new Map<string, ExportReading>();
  readonly #probes = new Map<string, Promise<string | null>>();
  #cleaned = false;
  #notes: string[] = [];

  constructor(helper: Helper, server: string | undefined, options: ReadingOptions) {
    this.#helper = helper;
    this.#server = server;
    this.options = options;
  }

  /** @param paths of the VM's disk files @throws NOT_SUPPORTED */
  async way(paths: readonly string[]): Promise<Way> {
    const { virtDisk } = await this.#helper.state();
    const unreachable = await this.#unreachable(paths);
    return chooseWay({ ...this.options, server: this.#server, virtDisk, unreachable });
  }

  /** Asked only where it matters, and once a file: a share that does not answer takes its time to say so. */
  #unreachable(paths: readonly string[]): Promise<string | null> {
    const [first] = paths;
    if (first === undefined || this.options.exportFolder === undefined) return Promise.resolve(null);
    const known = this.#probes.get(first) ?? whyUnreachable(first, this.#server);
    this.#probes.set(first, known);
    return known;
  }

  /** Where exports go, as the host names it. */
  async exportRoot(): Promise<string> {
    if (this.options.exportFolder !== undefined) return this.options.exportFolder;
    const defaults = HostDefaults.parse(await this.#helper.request('hostDefaults', {}, { repeat: true }));
    const root = defaults.virtualHardDiskPath;
    if (root !== '') return pathsOf(root).join(root, DEFAULT_NAME);
    throw new HvError('HOST_STATE_CORRUPT', 'The host names no folder for virtual disks.', {
      advice: 'Set it with Set-VMHost -VirtualHardDiskPath, or name an export folder (--export-folder, -ExportFolder).',
    });
  }

  /**
   * RCT ids of frozen disks, by path. Of another host's disks they are asked for over its share; where that gives none,
   * the next backup has nothing that was certainly sealed at the freeze, and reads in full. Unless exports read: they
   * begin where a reference point ends.
   */
  async rctIds(paths: string[]): Promise<Map<string, string>> {
    if (paths.length === 0) return new Map();
    const near = new Map(paths.map((path) => [reachable(path, this.#server), path]));
    const answer = TrackingAnswer.parse(
      await this.#helper.request('changeTracking', { paths: [...near.keys()] }, { repeat: true }),
    );
    const exported = (await this.way(paths)).method === 'export';
    return new Map(
      answer.disks.flatMap(({ path, enabled, mostRecentId, error }) => {
        if (enabled && mostRecentId) return [[near.get(path)!, mostRecentId] as const];
        return exported && (error || enabled) ? [[near.get(path)!, UNKNOWN_ID] as const] : [];
      }),
    );
  }

  /** Removes what exports of dead processes left, once. */
  async clean(): Promise<void> {
    const { readMethod, exportFolder } = this.options;
    // Of another host only where it may be used: its shares may not answer.
    const uses = exportFolder !== undefined || readMethod === 'export' || this.#server === undefined;
    if (this.#cleaned || !uses || readMethod === 'native') return;
    this.#cleaned = true;
    try {
      this.#notes.push(...(await removeLeftovers(await this.exportRoot(), this.#server)));
    } catch (error) {
      // The backup itself may not need the folder.
      if (!(error instanceof HvError)) throw error;
    }
  }

  exportOf(checkpoint: RecoveryCheckpoint): ExportReading | undefined {
    return this.#exports.get(checkpoint.id);
  }

  async #export(checkpoint: RecoveryCheckpoint, snapshot: () => Promise<Snapshot>, why: string) {
    const known = this.#exports.get(checkpoint.id);
    if (known) return known;
    const [helper, server, root] = [this.#helper, this.#server, await this.exportRoot()];
    const made = new ExportReading({ helper, server, root, checkpoint, snapshot, why });
    this.#exports.set(checkpoint.id, made);
    return made;
  }

  /**
   * What changed on a disk since an id, in the way that its disks are read.
   * @throws TRACKING_* take a full of this disk
   */
  async *changes(
    checkpoint: RecoveryCheckpoint,
    disk: { index: number; rctId: string; path: string; size: number },
    facts: ChangeFacts,
  ): AsyncGenerator<ChangedRange[]> {
    const { path, rctId, size } = disk;
    const way = await this.way([path]);
    if (way.method === 'export') return yield await this.#exportedChanges(checkpoint, disk, facts, way.why);
    if (rctId === UNKNOWN_ID) throw idUnknown(path);
    const { virtDisk } = await this.#helper.state();
    const method = virtDisk.available ? 'virtdisk' : 'wmi';
    try {
      yield* queryChanges(this.#helper, { path, rctId, size, method });
    } catch (error) {
      const { exportFolder, readMethod = 'auto' } = this.options;
      const may = readMethod === 'auto' && exportFolder !== undefined;
      if (!may || !isHvError(error, 'TRACKING_LOST') || error.data.unsupported !== true) throw error;
      const why = `What changed can be had from an export only (${error.message}).`;
      yield await this.#exportedChanges(checkpoint, disk, facts, why);
    }
  }

  /** By a differential export over the reference point that the earlier checkpoint became. */
  async #exportedChanges(
    checkpoint: RecoveryCheckpoint,
    { index, rctId }: { index: number; rctId: string },
    { snapshot, points, referencePointId, signal }: ChangeFacts,
    why: string,
  ): Promise<ChangedRange[]> {
    const diskId = checkpoint.disks.find((disk) => disk.index === index)?.id;
    const present = await points();
    const seals = (point: ReferencePoint): boolean =>
      point.disks.some((disk) => disk.diskId === diskId && disk.rctId === rctId);
    const named = present.find((point) => point.id === referencePointId);
    // Where the id of the freeze is known the reference point must carry it: one that was sealed later would leave out
    // what the guest wrote in between. Where it is not, the reference point is taken for what its checkpoint froze.
    const base = rctId === UNKNOWN_ID ? named : named && seals(named) ? named : present.find(seals);
    if (!base) {
      const message = `The host has no reference point that was sealed with disk ${index}'s last backup`;
      throw new HvError('TRACKING_ID_INVALID', message, { advice: ADVICE, data: { disk: index, rctId } });
    }
    const reading = await this.#export(checkpoint, snapshot, why);
    return await reading.changes(index, base.id, signal);
  }

  /** Opens the file of a snapshot within a VHD set, the one way that is known to read one. */
  async openSetSnapshot(path: string, snapshot: () => Promise<Snapshot>): Promise<HostDisk> {
    const method = this.#server === undefined ? 'native' : 'share';
    const reading = { method, why: 'A VHD set is read from the file of its snapshot.' } as const;
    return await openFrozenFile(reachable(path, this.#server), async () => void (await snapshot()), reading);
  }

  /** Opens a frozen disk. @param path where the host has it */
  async open(
    checkpoint: RecoveryCheckpoint,
    index: number,
    path: string,
    snapshot: () => Promise<Snapshot>,
    signal?: AbortSignal,
  ): Promise<HostDisk> {
    const way = await this.way([path]);
    if (way.method === 'export' || this.#exports.get(checkpoint.id)?.hasDifference(index))
      return await (await this.#export(checkpoint, snapshot, way.why)).open(index, signal);
    const stillThere = async (): Promise<void> => void (await snapshot());
    const [helper, reading] = [this.#helper, way];
    if (way.method === 'attached') return await AttachedDisk.open({ helper, path, reading, stillThere });
    try {
      return await openFrozenFile(reachable(path, this.#server), stillThere, reading);
    } catch (error) {
      const { virtDisk } = await helper.state();
      const other = (this.options.readMethod ?? 'auto') === 'auto' && virtDisk.available;
      if (!other || !isHvError(error, ...REFUSED_BY_READER)) throw error;
      const why = `The file cannot be read directly (${error.code}: ${error.message}).`;
      return await AttachedDisk.open({ helper, path, reading: { method: 'attached', why }, stillThere });
    }
  }

  /** Removes the exports of a checkpoint. @returns whether there were any */
  async end(checkpointId: string): Promise<boolean> {
    const reading = this.#exports.get(checkpointId);
    this.#exports.delete(checkpointId);
    if (reading) this.#notes.push(...(await reading.close()));
    return reading !== undefined;
  }

  /**
   * After an export: whether the host merges what the checkpoint had set apart. It may not, until its service restarts
   * (docs/hyperv.md, A backup).
   */
  async watchMerging(look: () => Promise<{ diskIndex: number; state: 'merging' | 'failed' }[]>): Promise<void> {
    for (const pause of MERGE_LOOKS) {
      await sleep(pause);
      const states = await look();
      const disks = states.map(({ diskIndex }) => diskIndex).join(', ');
      if (states.length === 0) return;
      const waits = states.some(({ state }) => state === 'failed');
      if (!waits) return void this.#notes.push(`The host is merging the checkpoint's files of disk ${disks}.`);
      if (pause !== MERGE_LOOKS.at(-1)) continue;
      this.#notes.push(
        `After the export the host has not resumed merging the checkpoint's files of disk ${disks}. It does when its Virtual Machine ` +
          'Management service (vmms) or the VM restarts; events 19070 to 19100 of Hyper-V-VMMS tell.',
      );
    }
  }

  takeNotes(): string[] {
    return this.#notes.splice(0);
  }

  async close(): Promise<void> {
    for (const checkpointId of [...this.#exports.keys()]) await this.end(checkpointId);
  }
}
