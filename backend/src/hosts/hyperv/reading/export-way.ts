/** Frozen disks out of what the host exports, and what changed out of differential exports. One open host's. */
import type { ChangedRange } from '../../../disk/device.ts';
import { HvError } from '../../../support/errors.ts';
import type { HostDisk, Reading, RecoveryCheckpoint, ReferencePoint } from '../../port.ts';
import type { Helper } from '../helper/helper.ts';
import { pathsOf } from '../paths.ts';
import { HostDefaults } from '../wmi.ts';
import { UNKNOWN_ID } from './changes.ts';
import { DEFAULT_NAME, removeLeftovers } from './export-folder.ts';
import { ExportReading } from './export-reading.ts';
import type { FrozenPart, ReadingWay, Since } from './reading-way.ts';

const ADVICE = 'Take a full backup of this disk.';

export class ExportWay implements ReadingWay {
  readonly #helper: Helper;
  readonly #server: string | undefined;
  readonly #folder: string | undefined;
  /** By checkpoint. */
  readonly #exports = new Map<string, ExportReading>();

  /** @param folder where exports go, as the host names it; undefined: below the host's folder for virtual disks */
  constructor(helper: Helper, server: string | undefined, folder: string | undefined) {
    this.#helper = helper;
    this.#server = server;
    this.#folder = folder;
  }

  /** Where exports go, as the host names it. */
  async root(): Promise<string> {
    if (this.#folder !== undefined) return this.#folder;
    const defaults = HostDefaults.parse(await this.#helper.request('hostDefaults', {}, { repeat: true }));
    const root = defaults.virtualHardDiskPath;
    if (root !== '') return pathsOf(root).join(root, DEFAULT_NAME);
    throw new HvError('HOST_STATE_CORRUPT', 'The host names no folder for virtual disks.', {
      advice: 'Set it with Set-VMHost -VirtualHardDiskPath, or name an export folder (--export-folder, -ExportFolder).',
    });
  }

  /** Removes what exports of dead processes left. @returns sentences for the result */
  async clean(): Promise<string[]> {
    try {
      return await removeLeftovers(await this.root(), this.#server);
    } catch (error) {
      // The backup itself may not need the folder.
      if (!(error instanceof HvError)) throw error;
      return [];
    }
  }

  /** Checkpoints that were exported and not ended yet. */
  get checkpoints(): string[] {
    return [...this.#exports.keys()];
  }

  /** What was exported of a checkpoint, if anything was. */
  of({ id }: RecoveryCheckpoint): ExportReading | undefined {
    return this.#exports.get(id);
  }

  /** Whether what changed was exported already, and waits to be read. */
  hasDifference({ checkpoint, index }: FrozenPart): boolean {
    return this.of(checkpoint)?.hasDifference(index) === true;
  }

  async open(disk: FrozenPart, { why }: Reading, signal?: AbortSignal): Promise<HostDisk> {
    return await (await this.#begun(disk, why)).open(disk.index, signal);
  }

  /** By a differential export over the reference point that the earlier checkpoint became. */
  async *changes(
    disk: FrozenPart,
    { rctId, referencePointId, points }: Since,
    { why }: Reading,
    signal?: AbortSignal,
  ): AsyncGenerator<ChangedRange[]> {
    const { checkpoint, index } = disk;
    const diskId = checkpoint.disks.find((entry) => entry.index === index)?.id;
    const present = await points();
    const seals = (point: ReferencePoint): boolean =>
      point.disks.some((entry) => entry.diskId === diskId && entry.rctId === rctId);
    const named = present.find((point) => point.id === referencePointId);
    // Where the id of the freeze is known the reference point must carry it: one that was sealed later would leave out
    // what the guest wrote in between. Where it is not, the reference point is taken for what its checkpoint froze.
    const base = rctId === UNKNOWN_ID ? named : named && seals(named) ? named : present.find(seals);
    if (!base) {
      const message = `The host has no reference point that was sealed with disk ${index}'s last backup`;
      throw new HvError('TRACKING_ID_INVALID', message, { advice: ADVICE, data: { disk: index, rctId } });
    }
    const reading = await this.#begun(disk, why);
    yield await reading.changes(index, base.id, signal);
  }

  /** Removes the exports of a checkpoint. */
  async end(checkpointId: string): Promise<string[] | null> {
    const reading = this.#exports.get(checkpointId);
    this.#exports.delete(checkpointId);
    return reading ? await reading.close() : null;
  }

  async #begun({ checkpoint, snapshot }: FrozenPart, why: string): Promise<ExportReading> {
    const known = this.#exports.get(checkpoint.id);
    if (known) return known;
    const [helper, server, root] = [this.#helper, this.#server, await this.root()];
    const made = new ExportReading({ helper, server, root, checkpoint, snapshot, why });
    this.#exports.set(checkpoint.id, made);
    return made;
  }
}
