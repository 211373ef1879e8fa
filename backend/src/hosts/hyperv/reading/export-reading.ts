/**
 * Reading a checkpoint through WMI exports: full, or differential over a reference point of ours. One disk an export
 * where the host can leave the others out, so that the folder needs room for one; all of them at once where it cannot
 * (before Windows 10 1709).
 */
import { readFile, stat } from 'node:fs/promises';
import type { ChangedRange } from '../../../disk/device.ts';
import { HvError, isHvError, throwIfCancelled, toHvError } from '../../../support/errors.ts';
import type { ConfigurationFile, HostDisk, RecoveryCheckpoint } from '../../port.ts';
import { noSuchDisk } from '../errors.ts';
import type { Helper } from '../helper/helper.ts';
import { placedDisks, placeOf } from '../vms/describe-disks.ts';
import { ExportAbilities, ExportEnd, type Snapshot } from '../wmi.ts';
import { ExportFolder, exportedBytes, requireSpace } from './export-folder.ts';
import { ExportedDisk } from './exported-disk.ts';
import { type ExportedContent, type ExportedFiles, findDisk, listExported, openExported } from './exported-files.ts';

/** Terabytes over a slow share take days. Seconds. */
const EXPORT_SECONDS = 7 * 24 * 3600;

export interface ExportSource {
  helper: Helper;
  server: string | undefined;
  /** Where exports go, as the host names it. */
  root: string;
  checkpoint: RecoveryCheckpoint;
  /** The checkpoint as it is now. @throws CHECKPOINT_NOT_FOUND */
  snapshot(): Promise<Snapshot>;
  /** Said in results: why disks are read in this way. */
  why: string;
}

const NO_DISK = -1;

/** A finished export. */
interface Export {
  folder: ExportFolder;
  files: ExportedFiles;
  /** Reference point it is a difference over; null for a full one. */
  base: string | null;
  /** Index of the only disk in it; null when all are, NO_DISK when none is. */
  disk: number | null;
}

export class ExportReading {
  readonly #source: ExportSource;
  readonly #exports: Export[] = [];
  #abilities: { excludesDisks: boolean } | undefined;
  /** Differences that queryChanges() found and openDisk() is about to ask for, by disk. */
  readonly #differences = new Map<number, ExportedContent>();

  constructor(source: ExportSource) {
    this.#source = source;
  }

  /**
   * What changed since a reference point, by a differential export.
   * @param signal ends the host's job
   * @throws TRACKING_LOST when the host refuses it, TRACKING_INCONSISTENT when what it gives is no difference
   */
  async changes(index: number, referencePointId: string, signal?: AbortSignal): Promise<ChangedRange[]> {
    await this.#dropDifference(index);
    let content: ExportedContent;
    try {
      content = await this.#content(index, referencePointId, signal);
    } catch (error) {
      if (isHvError(error, 'CHECKPOINT_NOT_FOUND', 'CANCELLED', 'HOST_LOST')) throw error;
      const { code, message } = toHvError(error);
      throw new HvError('TRACKING_LOST', `The differential export of disk ${index} failed (${code}): ${message}`, {
        advice: 'The disk is read in full.',
        data: { disk: index },
        cause: error,
      });
    }
    if (content.present === null) {
      await content.disk.close();
      throw new HvError(
        'TRACKING_INCONSISTENT',
        `The differential export of disk ${index} is not a differencing disk`,
        {
          advice: 'The disk is read in full.',
          data: { disk: index },
        },
      );
    }
    this.#differences.set(index, content);
    return content.present;
  }

  /** Whether a differential export of the disk waits to be read. */
  hasDifference(index: number): boolean {
    return this.#differences.has(index);
  }

  /** @param signal ends the host's job, also of an export that a later read needs */
  async open(index: number, signal?: AbortSignal): Promise<HostDisk> {
    const reading = { method: 'export' as const, why: this.#source.why };
    const full = () => this.#full(index, signal);
    const difference = this.#differences.get(index);
    this.#differences.delete(index);
    return new ExportedDisk(difference ?? (await full()), reading, full);
  }

  /** The configuration files that were exported; of an export that has them already, where there is one. */
  async configuration(signal?: AbortSignal): Promise<ConfigurationFile[]> {
    const first = this.#exports[0] ?? (await this.#export(null, null, signal));
    const files: ConfigurationFile[] = [];
    for (const file of first.files.configuration) {
      const { size } = await stat(file);
      const name = file.split(/[\\/]/).at(-1)!;
      const kind = name.slice(name.lastIndexOf('.') + 1).toLowerCase() as ConfigurationFile['kind'];
      files.push({ name, kind, size, read: () => readFile(file) });
    }
    if (files.some(({ kind }) => kind === 'vmcx')) return files;
    throw new HvError('EXPORT_FAILED', 'The export has no configuration file (.vmcx).', {
      advice: 'Back up the data only (--kind data).',
      data: { path: first.folder.path },
    });
  }

  /** Removes everything that was exported. @returns sentences for the result */
  async close(): Promise<string[]> {
    for (const index of [...this.#differences.keys()]) await this.#dropDifference(index);
    const notes: string[] = [];
    for (const { folder } of this.#exports.splice(0)) {
      const problem = await folder.remove();
      if (problem) notes.push(`The export in ${folder.path} could not be removed (${problem}); the next backup does.`);
    }
    return notes;
  }

  async #dropDifference(index: number): Promise<void> {
    const difference = this.#differences.get(index);
    this.#differences.delete(index);
    await difference?.disk.close();
  }

  async #full(index: number, signal: AbortSignal | undefined): Promise<ExportedContent> {
    const content = await this.#content(index, null, signal);
    if (content.present === null) return content;
    await content.disk.close();
    throw new HvError(
      'EXPORT_FAILED',
      `The full export of disk ${index} lacks the parent of ${content.disk.info.path}`,
      {
        advice: 'Use another read method (--read-method native or attached).',
        data: { disk: index },
      },
    );
  }

  /** The disk out of an export that has it, or out of a new one. */
  async #content(index: number, base: string | null, signal: AbortSignal | undefined): Promise<ExportedContent> {
    const disk = this.#source.checkpoint.vm.disks.find((entry) => entry.index === index);
    if (!disk) throw noSuchDisk(this.#source.checkpoint.id, index);
    const place = await this.#place(index);
    const fits = (entry: Export): boolean => entry.base === base && (entry.disk ?? index) === index;
    const known = this.#exports.find(fits);
    if (known) {
      const info = findDisk(known.files, disk, place.path, known.disk !== null);
      // It is removed when it was read; then a new export is made.
      const content = info ? await openExported(known.files, info).catch(() => null) : null;
      if (content) return content;
    }
    const made = await this.#export(index, base, signal);
    const info = findDisk(made.files, disk, place.path, made.disk !== null);
    if (info) return await openExported(made.files, info);
    throw new HvError('EXPORT_FAILED', `The host's export in ${made.folder.path} has no file that is disk ${index}`, {
      advice: 'Use another read method (--read-method native or attached).',
      data: { disk: index, found: made.files.disks.map(({ path, size, diskId }) => ({ path, size, diskId })) },
    });
  }

  async #place(index: number) {
    const snapshot = await this.#source.snapshot();
    const disk = this.#source.checkpoint.vm.disks.find((entry) => entry.index === index);
    const place = disk && placedDisks(snapshot.components).find((entry) => placeOf(entry) === placeOf(disk));
    if (!place || place.passThrough) throw noSuchDisk(this.#source.checkpoint.id, index);
    return place;
  }

  async #export(index: number | null, base: string | null, signal: AbortSignal | undefined): Promise<Export> {
    const { helper, server, root, checkpoint } = this.#source;
    const places = placedDisks((await this.#source.snapshot()).components).filter((place) => !place.passThrough);
    const wanted = index === null ? null : await this.#place(index);
    const canExclude = await this.#canExclude();
    const others = places.filter(({ component }) => component.instanceID !== wanted?.component.instanceID);
    const folder = await ExportFolder.create(root, server, { vmId: checkpoint.vmId, checkpointId: checkpoint.id });
    try {
      if (base === null)
        await requireSpace(folder, await this.#neededBytes(canExclude ? [wanted ?? []].flat() : places));
      const params = {
        snapshotId: checkpoint.id,
        folder: folder.path,
        base: base ?? '',
        exclude: canExclude ? others.map(({ component }) => component.instanceID) : [],
        timeoutSeconds: EXPORT_SECONDS,
      };
      await this.#run(helper, params, signal);
      // The job may have refused to end, or been done before it heard.
      throwIfCancelled(signal);
      // The end of the checkpoint lets the host merge into what was being copied.
      await this.#source.snapshot();
      const files = await listExported(folder.here);
      const made: Export = { folder, files, base, disk: canExclude || others.length === 0 ? (index ?? NO_DISK) : null };
      this.#exports.push(made);
      return made;
    } catch (error) {
      const problem = await folder.remove();
      if (problem && error instanceof HvError) error.data.leftover = folder.path;
      throw error;
    }
  }

  /** Whether the host can leave disks out: since Windows 10 1709. */
  async #canExclude(): Promise<boolean> {
    this.#abilities ??= ExportAbilities.parse(
      await this.#source.helper.request('exportAbilities', {}, { repeat: true }),
    );
    return this.#abilities.excludesDisks;
  }

  async #neededBytes(places: { path: string }[]): Promise<number> {
    const sizes = new Map(this.#source.checkpoint.disks.map(({ path, size }) => [path, size]));
    const disks = places.map(({ path }) => ({ path, size: sizes.get(path) ?? 0 }));
    return await exportedBytes(disks, this.#source.server);
  }

  /** The helper may die while the host goes on: the next one waits for the job's end. */
  async #run(helper: Helper, params: object, signal: AbortSignal | undefined): Promise<void> {
    try {
      await helper.request('exportSnapshot', params, { signal });
    } catch (error) {
      if (!isHvError(error, 'HELPER_FAILED') || error.data.died !== true || typeof error.data.jobId !== 'string')
        throw error;
      const { jobId } = error.data;
      const answer = await helper.request(
        'awaitExport',
        { jobId, timeoutSeconds: EXPORT_SECONDS },
        // A job that is to end is waited for too: it still writes into the folder.
        { repeat: true, signal, evenCancelled: true },
      );
      if (!ExportEnd.parse(answer).ended) throw error;
    }
  }
}
