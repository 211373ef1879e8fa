/**
 * An object in pieces that is held in memory until it is durable, so that it can be written anew: to a new file, for
 * after a failed write or flush the old one may lack what the system said it had (a later flush that succeeds proves
 * nothing). Memory: as long as the object, which for packs is 32 MiB.
 */
import { copyBytes } from '../../../support/copy-bytes.ts';
import type { PutStream, Storage } from '../storage.ts';
import { stumbleOf } from '../stumble.ts';
import { isOwn } from './own-object.ts';
import type { Patience } from './patience.ts';

const PIECE = 1 << 20;
/** Pieces kept for the next objects. */
const MOST_IDLE = 64;
const idle: Buffer[] = [];

export class HeldPut implements PutStream {
  readonly #name: string;
  readonly #inner: Storage;
  readonly #patience: Patience;
  /** Null when it has failed: all that is held goes to a new one, at the latest with commit(). */
  #stream: PutStream | null;
  readonly #held: Buffer[] = [];
  /** Bytes in the last piece. */
  #filled = PIECE;
  readonly #pending = new Set<Promise<void>>();
  /** The first stream's end, once it has failed. */
  #ended: Promise<void> | undefined;
  #over = false;

  constructor(name: string, inner: Storage, first: PutStream, patience: Patience) {
    this.#name = name;
    this.#inner = inner;
    this.#stream = first;
    this.#patience = patience;
  }

  append(chunks: readonly Uint8Array[]): Promise<void> {
    for (const chunk of chunks) this.#hold(chunk);
    const stream = this.#stream;
    if (stream === null) return Promise.resolve();
    const added = stream.append(chunks).catch((error) => {
      if (stumbleOf(error) === null) throw error;
      if (this.#stream !== stream) return;
      this.#stream = null;
      this.#ended = stream.abort().catch(() => undefined);
    });
    this.#pending.add(added);
    return added.finally(() => this.#pending.delete(added));
  }

  async commit(): Promise<boolean> {
    await Promise.all(this.#pending);
    await this.#ended;
    const first = this.#stream;
    const placed = await this.#patience.run(this.#name, async (failed) => {
      const stream = failed === 0 && first !== null ? first : await this.#again();
      try {
        if (await stream.commit()) return true;
        return failed > 0 && (await isOwn(this.#inner, this.#name, this.#pieces()));
      } finally {
        await stream.abort().catch(() => undefined);
      }
    });
    this.#over = true;
    this.#release();
    return placed;
  }

  async abort(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    const stream = this.#stream;
    this.#stream = null;
    await Promise.allSettled(this.#pending);
    this.#release();
    await this.#ended;
    await stream?.abort();
  }

  /** A new stream with all that is held. */
  async #again(): Promise<PutStream> {
    const stream = await this.#inner.createPut(this.#name);
    try {
      await stream.append(this.#pieces());
      return stream;
    } catch (error) {
      await stream.abort().catch(() => undefined);
      throw error;
    }
  }

  #hold(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#filled === PIECE) {
        this.#held.push(idle.pop() ?? Buffer.allocUnsafeSlow(PIECE));
        this.#filled = 0;
      }
      const part = Buffer.from(chunk.buffer, chunk.byteOffset + at, Math.min(chunk.length - at, PIECE - this.#filled));
      copyBytes(part, this.#held.at(-1)!, this.#filled);
      this.#filled += part.length;
      at += part.length;
    }
  }

  #pieces(): Buffer[] {
    return this.#held.map((piece, i) => (i === this.#held.length - 1 ? piece.subarray(0, this.#filled) : piece));
  }

  #release(): void {
    for (const piece of this.#held.splice(0)) if (idle.length < MOST_IDLE) idle.push(piece);
    this.#filled = PIECE;
  }
}
