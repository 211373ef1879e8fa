/** Reads the parts of a frozen disk that a backup needs and hands them to the repository, block by block. */
import type { ByteSource } from '../../disk/device.ts';
import type { ContentWriter } from '../../repository/port/writing.ts';
import { runLimited } from '../../support/concurrency.ts';
import { throwIfCancelled } from '../../support/errors.ts';
import type { BlockRun } from './block-runs.ts';

/** Below this, reading a run costs less than asking the disk image whether it holds zeros. Bytes. */
const EXTENT_QUERY_MINIMUM = 4 * 1024 * 1024;

/** Scattered blocks are read this many at a time, so that a disk queue has something to work on. */
const PARALLEL_READS = 8;

export interface ReadingOptions {
  blockSize: number;
  /** Largest number of blocks the writer takes at once. */
  maxRun: number;
  signal?: AbortSignal;
  /** Called with the bytes read since the last call. */
  onRead?: (bytes: number) => void;
}

/** The runs of a device that may hold data, in blocks; everything else is certain to be zero. */
export async function allocatedRuns(
  device: ByteSource,
  blockSize: number,
): Promise<{ runs: BlockRun[]; bytes: number }> {
  const runs: BlockRun[] = [];
  let bytes = 0;
  for await (const extent of device.extents()) {
    if (extent.kind === 'zero') continue;
    bytes += extent.length;
    const first = Math.floor(extent.offset / blockSize);
    const end = Math.ceil((extent.offset + extent.length) / blockSize);
    const last = runs.at(-1);
    if (last && first <= last.first + last.count) last.count = Math.max(last.count, end - last.first);
    else runs.push({ first, count: end - first });
  }
  return { runs, bytes };
}

/**
 * Reads `runs` into `writer`. Parts of long runs that the image knows to be zero are not read but marked as zeros.
 * @returns bytes read from the device
 */
export async function readRuns(
  device: ByteSource,
  runs: readonly BlockRun[],
  writer: ContentWriter,
  options: ReadingOptions,
): Promise<number> {
  const reader = new RunReader(device, writer, options);
  for (const run of runs) {
    if (run.count * options.blockSize < EXTENT_QUERY_MINIMUM) await reader.data(run);
    else await reader.split(run);
  }
  await reader.flush();
  return reader.bytesRead;
}

class RunReader {
  bytesRead = 0;
  readonly #device: ByteSource;
  readonly #writer: ContentWriter;
  readonly #options: ReadingOptions;
  /** Blocks gathered for the next write: scattered ones share a buffer, or small changes would waste it. */
  #batch: number[] = [];

  constructor(device: ByteSource, writer: ContentWriter, options: ReadingOptions) {
    this.#device = device;
    this.#writer = writer;
    this.#options = options;
  }

  /** Splits a run at what the image knows to be zero. A block with any data in it is read whole. */
  async split(run: BlockRun): Promise<void> {
    const { blockSize } = this.#options;
    const start = run.first * blockSize;
    const stop = Math.min((run.first + run.count) * blockSize, this.#device.size);
    let next = run.first;
    for await (const extent of this.#device.extents(start, stop - start)) {
      if (extent.kind === 'zero') continue;
      const first = Math.max(next, Math.floor(extent.offset / blockSize));
      const end = Math.ceil((extent.offset + extent.length) / blockSize);
      if (end <= next) continue;
      await this.#zero(next, first - next);
      await this.data({ first, count: end - first });
      next = end;
    }
    await this.#zero(next, run.first + run.count - next);
  }

  async data(run: BlockRun): Promise<void> {
    for (let block = run.first; block < run.first + run.count; block++) {
      this.#batch.push(block);
      if (this.#batch.length === this.#options.maxRun) await this.flush();
    }
  }

  async flush(): Promise<void> {
    const blocks = this.#batch;
    this.#batch = [];
    if (blocks.length === 0) return;
    throwIfCancelled(this.#options.signal);
    await this.#writer.write(blocks, (buffer) => this.#fill(blocks, buffer));
  }

  async #zero(first: number, count: number): Promise<void> {
    if (count <= 0) return;
    await this.flush(); // the writer wants ascending order
    await this.#writer.zero(first, count);
  }

  async #fill(blocks: readonly number[], buffer: Buffer): Promise<void> {
    const { blockSize, onRead } = this.#options;
    const reads: { offset: number; target: Buffer }[] = [];
    let total = 0;
    for (let i = 0; i < blocks.length; ) {
      let count = 1;
      while (i + count < blocks.length && blocks[i + count] === blocks[i]! + count) count++;
      const offset = blocks[i]! * blockSize;
      const length = Math.min(count * blockSize, this.#device.size - offset);
      const target = buffer.subarray(i * blockSize, (i + count) * blockSize);
      target.fill(0, length);
      reads.push({ offset, target: target.subarray(0, length) });
      total += length;
      i += count;
    }
    await runLimited(reads, PARALLEL_READS, ({ offset, target }) => this.#device.read(offset, target));
    this.bytesRead += total;
    onRead?.(total);
  }
}
