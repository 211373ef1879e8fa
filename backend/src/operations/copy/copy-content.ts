/**
 * Copying one content between repositories whose block sizes and keys may differ: whole, or what differs from a content that
 * both have. Every block read is checked against its id on the way.
 */
import type {
  ContentReader,
  ContentRef,
  ContentStats,
  ContentWriter,
  Repository,
  WriteSession,
} from '../../repository/port.ts';
import { throwIfCancelled } from '../../support/errors.ts';
import { blockRuns, runBytes } from '../block-runs.ts';
import { readRuns } from '../disk-reading.ts';

export interface CopyOptions {
  signal?: AbortSignal;
  /** Told how far it is, bytes. */
  progress?: (doneBytes: number, totalBytes: number) => void;
}

/** The same content in both repositories. */
export interface SharedContent {
  source: ContentRef;
  target: ContentRef;
}

/**
 * @param base of the same size; only what differs from it is read
 * @returns readBytes: of the content, decoded
 * @throws REPOSITORY_DAMAGED, POINT_NOT_FOUND when the base is gone from the target
 */
export async function copyContent(
  from: Repository,
  session: WriteSession,
  targetBlockSize: number,
  content: ContentRef,
  base: SharedContent | null,
  options: CopyOptions,
): Promise<{ ref: ContentRef; stats: ContentStats; readBytes: number }> {
  const reader = await from.openContent(content);
  try {
    const writer = await session.openContent(content.size, base?.target);
    const readBytes = base
      ? await copyDifferences(from, reader, writer, session.maxRun, targetBlockSize, base.source, options)
      : await copyStream(reader, writer, session.maxRun, targetBlockSize, options);
    return { ...(await writer.finish()), readBytes };
  } finally {
    await reader.close();
  }
}

async function copyDifferences(
  from: Repository,
  reader: ContentReader,
  writer: ContentWriter,
  maxRun: number,
  blockSize: number,
  base: ContentRef,
  { signal, progress }: CopyOptions,
): Promise<number> {
  const changes: { offset: number; length: number }[] = [];
  for await (const range of from.differences(base, reader.ref)) changes.push(range);
  const runs = blockRuns(changes, blockSize, reader.size);
  const total = runBytes(runs, blockSize, reader.size);
  let done = 0;
  const onRead = (bytes: number) => {
    done += bytes;
    progress?.(done, total);
  };
  return readRuns(reader, runs, writer, { blockSize, maxRun, signal, onRead });
}

/** Streams the content and cuts it anew. */
async function copyStream(
  reader: ContentReader,
  writer: ContentWriter,
  maxRun: number,
  blockSize: number,
  { signal, progress }: CopyOptions,
): Promise<number> {
  const cutter = new BlockCutter(writer, maxRun, blockSize);
  let readBytes = 0;
  for await (const { offset, data } of reader.stream({ signal })) {
    throwIfCancelled(signal);
    await cutter.add(offset, data);
    readBytes += data.length;
    progress?.(offset + data.length, reader.size);
  }
  await cutter.flush();
  return readBytes;
}

/** Gathers pieces that come in ascending order into blocks of another size. */
class BlockCutter {
  readonly #writer: ContentWriter;
  readonly #maxRun: number;
  readonly #blockSize: number;
  readonly #stage: Buffer;
  #blocks: number[] = [];

  constructor(writer: ContentWriter, maxRun: number, blockSize: number) {
    this.#writer = writer;
    this.#maxRun = maxRun;
    this.#blockSize = blockSize;
    this.#stage = Buffer.alloc(maxRun * blockSize);
  }

  async add(offset: number, data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length; ) {
      const block = Math.floor((offset + at) / this.#blockSize);
      const within = offset + at - block * this.#blockSize;
      const length = Math.min(this.#blockSize - within, data.length - at);
      const place = await this.#place(block);
      this.#stage.set(data.subarray(at, at + length), place + within);
      at += length;
    }
  }

  async flush(): Promise<void> {
    const blocks = this.#blocks;
    this.#blocks = [];
    if (blocks.length === 0) return;
    await this.#writer.write(blocks, async (buffer) => {
      this.#stage.copy(buffer, 0, 0, blocks.length * this.#blockSize);
    });
  }

  /** Where a block lies in the stage; what a piece does not fill of it is zeros. */
  async #place(block: number): Promise<number> {
    if (this.#blocks.at(-1) !== block) {
      if (this.#blocks.length === this.#maxRun) await this.flush();
      this.#blocks.push(block);
      const start = (this.#blocks.length - 1) * this.#blockSize;
      this.#stage.fill(0, start, start + this.#blockSize);
    }
    return (this.#blocks.length - 1) * this.#blockSize;
  }
}
