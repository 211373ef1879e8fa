/** The bytes of a content, read in any place or in a stream. */
import type { Extent } from '../../disk/device.ts';
import { HvError, hex, toHvError } from '../../support/errors.ts';
import type { RepositoryCore } from '../core.ts';
import { RecordKind } from '../format/constants.ts';
import { keyOf } from '../format/ids.ts';
import type { ContentReader, ContentRef } from '../port/contents.ts';
import { type StreamOptions, streamContent } from './content-stream.ts';
import { walkBlocks } from './tree-walk.ts';
import { requireRef } from './visit.ts';

/** Decoded blocks kept for random access, bytes. */
const CACHE_BYTES = 16 * 1024 * 1024;

export class RepositoryContentReader implements ContentReader {
  readonly ref: ContentRef;
  readonly size: number;
  readonly #core: RepositoryCore;
  readonly #cache = new Map<string, Buffer>();

  /** @throws REPOSITORY_DAMAGED when the reference is impossible */
  constructor(core: RepositoryCore, ref: ContentRef) {
    requireRef(ref, core.config.blockSize);
    this.#core = core;
    this.ref = ref;
    this.size = ref.size;
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    this.#requireRange(offset, target.length);
    target.fill(0);
    if (target.length === 0) return;
    const { blockSize } = this.#core.config;
    const end = offset + target.length;
    const range = { from: Math.floor(offset / blockSize), to: Math.ceil(end / blockSize) };
    for await (const run of walkBlocks(this.ref, blockSize, (id, level) => this.#core.nodes.load(id, level), range)) {
      for (let i = 0; i < run.count; i++) {
        const start = (run.first + i) * blockSize;
        const content = await this.#block(run.ids.subarray(i * 32, (i + 1) * 32), start);
        const from = Math.max(0, offset - start);
        const piece = content.subarray(from, Math.min(content.length, end - start));
        if (piece.length > 0) target.set(piece, start + from - offset);
      }
    }
  }

  async *extents(offset = 0, length = this.size - offset): AsyncGenerator<Extent> {
    this.#requireRange(offset, length);
    const { blockSize } = this.#core.config;
    const end = offset + length;
    const range = { from: Math.floor(offset / blockSize), to: Math.ceil(end / blockSize) };
    const load = this.#core.nodes.load.bind(this.#core.nodes);
    let at = offset;
    let data = offset;
    // [data, at) is a run of data that may go on.
    for await (const run of walkBlocks(this.ref, blockSize, load, range)) {
      const start = Math.max(offset, run.first * blockSize);
      if (start > at) {
        if (at > data) yield { offset: data, length: at - data, kind: 'data' };
        yield { offset: at, length: start - at, kind: 'zero' };
        data = start;
      }
      at = Math.min(end, (run.first + run.count) * blockSize);
    }
    if (at > data) yield { offset: data, length: at - data, kind: 'data' };
    if (at < end) yield { offset: at, length: end - at, kind: 'zero' };
  }

  stream(options: StreamOptions = {}): AsyncGenerator<{ offset: number; data: Buffer }> {
    return streamContent(this.#core, this.ref, options);
  }

  async close(): Promise<void> {
    this.#cache.clear();
  }

  async #block(id: Buffer, diskOffset: number): Promise<Buffer> {
    const key = keyOf(id);
    const known = this.#cache.get(key);
    if (known !== undefined) {
      this.#cache.delete(key);
      this.#cache.set(key, known);
      return known;
    }
    try {
      const content = await this.#core.reader.read(RecordKind.block, Buffer.from(id));
      this.#cache.set(key, content);
      const limit = Math.max(1, Math.floor(CACHE_BYTES / this.#core.config.blockSize));
      if (this.#cache.size > limit) this.#cache.delete(this.#cache.keys().next().value!);
      return content;
    } catch (error) {
      const problem = toHvError(error);
      problem.data.diskOffset = diskOffset;
      throw problem;
    }
  }

  #requireRange(offset: number, length: number): void {
    if (offset >= 0 && length >= 0 && offset + length <= this.size) return;
    throw new HvError(
      'DISK_OUT_OF_RANGE',
      `${length} bytes at ${hex(offset)} lie beyond the end of the content (${hex(this.size)})`,
      { data: { offset, length, size: this.size } },
    );
  }
}
