/**
 * Copying one content between repositories whose block sizes and keys may differ: whole, or what differs from a content
 * that both have. Every block read is checked against its id on the way.
 */

import type { ContentReader, ContentRef } from '../../repository/port/contents.ts';
import type { Repository } from '../../repository/port/repository.ts';
import type { ContentStats, ContentWriter, WriteSession } from '../../repository/port/writing.ts';
import { throwIfCancelled } from '../../support/errors.ts';
import { readChanges } from '../data/change-reading.ts';
import { changeSteps } from '../data/change-steps.ts';
import { changedWindows } from './changed-ranges.ts';

export interface CopyOptions {
  signal?: AbortSignal;
  /** Called with the progress, bytes. */
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
    const damaged = base ? await session.damagedBlocks(base.target) : [];
    const writer = await session.openContent(content.size, base?.target);
    const target = { writer, maxRun: session.maxRun, blockSize: targetBlockSize };
    try {
      const readBytes = base
        ? await copyChanges(from, reader, base.source, damaged, target, options)
        : await copyStream(reader, target, options);
      return { ...(await writer.finish()), readBytes };
    } finally {
      // What is still under way reads from the content.
      await writer.drain();
    }
  } finally {
    await reader.close();
  }
}

interface Target {
  writer: ContentWriter;
  maxRun: number;
  blockSize: number;
}

/** @param damaged blocks of the base in the target that no sound record holds any more: written anew */
async function copyChanges(
  from: Repository,
  reader: ContentReader,
  base: ContentRef,
  damaged: readonly number[],
  { writer, maxRun, blockSize }: Target,
  { signal, progress }: CopyOptions,
): Promise<number> {
  let readBytes = 0;
  let healed = 0;
  for await (const window of changedWindows(from, base, reader, blockSize, signal)) {
    const whole: number[] = [];
    while (healed < damaged.length && damaged[healed]! * blockSize < window.end) whole.push(damaged[healed++]!);
    const steps = changeSteps(window.ranges, whole, blockSize, reader.size);
    await readChanges(reader, steps, writer, { blockSize, maxRun, signal });
    readBytes += window.readBytes + whole.length * blockSize;
    progress?.(window.end, reader.size);
  }
  return readBytes;
}

/** Streams the content and cuts it anew. */
async function copyStream(
  reader: ContentReader,
  { writer, maxRun, blockSize }: Target,
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
