/**
 * A frozen disk as it was exported. Of a differential export only what changed is there; a caller that asks for more
 * gets it from a full export, which is made only then.
 */
import { rm } from 'node:fs/promises';
import type { BlockDevice, ChangedRange, Extent } from '../../../disk/device.ts';
import { covers } from '../../../disk/index.ts';
import type { HostDisk, Reading } from '../../port.ts';
import type { ExportedContent } from './exported-files.ts';

export class ExportedDisk implements HostDisk {
  readonly reading: Reading;
  readonly #part: ExportedContent;
  readonly #makeFull: () => Promise<ExportedContent>;
  #full: Promise<ExportedContent> | undefined;
  #closed = false;

  /** @param makeFull the disk whole; called at most once */
  constructor(part: ExportedContent, reading: Reading, makeFull: () => Promise<ExportedContent>) {
    this.#part = part;
    this.reading = reading;
    this.#makeFull = makeFull;
  }

  get present(): readonly ChangedRange[] | null {
    return this.#part.present;
  }

  get size(): number {
    return this.#part.disk.size;
  }

  get logicalSectorSize(): number {
    return this.#part.disk.logicalSectorSize;
  }

  get physicalSectorSize(): number {
    return this.#part.disk.physicalSectorSize;
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    await (await this.#with(offset, target.length)).read(offset, target);
  }

  async *extents(offset = 0, length = this.size - offset): AsyncGenerator<Extent> {
    yield* (await this.#with(offset, length)).extents(offset, length);
  }

  async #with(offset: number, length: number): Promise<BlockDevice> {
    const { disk, present } = this.#part;
    if (present === null || length === 0 || covers(present, offset, length)) return disk;
    this.#full ??= this.#makeFull();
    return (await this.#full).disk;
  }

  /** Closes the files and removes them: they can be as large as the disk. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const full = await this.#full?.catch(() => undefined);
    for (const content of full ? [this.#part, full] : [this.#part]) {
      await content.disk.close();
      // What cannot be removed now goes with the folder.
      for (const file of content.files) await rm(file, { force: true }).catch(() => undefined);
    }
  }
}
