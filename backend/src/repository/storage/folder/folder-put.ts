/** An object on its way into a folder: a temporary file that gets its name when it is whole and flushed. */
import { HvError } from '../../../support/errors.ts';
import type { RandomAccessFile } from '../../../support/file.ts';
import type { GatheredWrites } from '../../../support/gathered-writes.ts';
import type { PutStream } from '../storage.ts';
import type { Files } from './files.ts';

export class FolderPut implements PutStream {
  readonly #file: RandomAccessFile;
  readonly #gathered: GatheredWrites | null;
  readonly #temporary: string;
  readonly #files: Files;
  readonly #place: () => Promise<boolean>;
  #position = 0;
  #over = false;
  #failure: unknown;
  readonly #pending = new Set<Promise<void>>();

  constructor(
    file: RandomAccessFile,
    gathered: GatheredWrites | null,
    temporary: string,
    files: Files,
    place: () => Promise<boolean>,
  ) {
    this.#file = file;
    this.#gathered = gathered;
    this.#temporary = temporary;
    this.#files = files;
    this.#place = place;
  }

  get local(): boolean {
    return this.#gathered !== null;
  }

  append(chunks: readonly Uint8Array[]): Promise<void> {
    const writes = chunks.map((chunk) => {
      if (this.#gathered !== null) return this.#gathered.append(chunk);
      const at = this.#position;
      this.#position += chunk.length;
      return this.#file.writeFully(at, chunk);
    });
    const all = Promise.all(writes).then(() => undefined);
    this.#pending.add(all);
    all.catch((error) => {
      this.#failure ??= error;
    });
    return all.finally(() => this.#pending.delete(all));
  }

  async commit(): Promise<boolean> {
    if (this.#over) throw new HvError('INTERNAL', `commit() of a finished put: ${this.#temporary}`);
    await Promise.all(this.#pending);
    // A part that failed stays missing, whatever was written after it.
    if (this.#failure !== undefined) throw this.#failure;
    await this.#gathered?.end();
    await this.#file.sync();
    await this.#file.close();
    const placed = await this.#place();
    this.#over = placed;
    if (!placed) await this.abort();
    return placed;
  }

  async abort(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    await Promise.allSettled(this.#pending);
    await this.#gathered?.end().catch(() => undefined);
    await this.#file.close().catch(() => undefined);
    await this.#files.remove(this.#temporary).catch(() => undefined);
  }
}
