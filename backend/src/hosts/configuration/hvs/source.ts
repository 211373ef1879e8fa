/** The bytes of a file as they are after its log is replayed: an overlay in memory, the source is never written. */
import type { RandomAccessFile } from '../../../support/file.ts';
import { corrupt } from './errors.ts';

/** A whole file in memory, or an open one that the caller closes. */
export type HvsInput = Uint8Array | Pick<RandomAccessFile, 'path' | 'size' | 'readUpTo'>;

/** Bytes that belong at `offset`. */
export interface Patch {
  offset: number;
  data: Buffer;
}

export class HvsSource {
  readonly path: string;
  readonly #input: HvsInput;
  readonly #fileSize: number;
  #size: number;
  #patches: Patch[] = [];

  private constructor(input: HvsInput, path: string, size: number) {
    this.#input = input;
    this.path = path;
    this.#fileSize = size;
    this.#size = size;
  }

  /** @param name what errors call it when `input` has no path */
  static async open(input: HvsInput, name: string): Promise<HvsSource> {
    if (input instanceof Uint8Array) return new HvsSource(input, name, input.length);
    return new HvsSource(input, input.path, await input.size());
  }

  /** Bytes, what the log adds at the end included. */
  get size(): number {
    return this.#size;
  }

  /** From now on reads give what `patches` say, later ones first. */
  overlay(patches: Patch[]): void {
    this.#patches = patches;
    for (const { offset, data } of patches) this.#size = Math.max(this.#size, offset + data.length);
  }

  /**
   * The caller bounds `length`: it is allocated.
   * @param what what is read, for the message: "an object table"
   * @throws CONFIGURATION_CORRUPT when the range leaves the file
   */
  async read(offset: number, length: number, what: string): Promise<Buffer> {
    if (offset + length > this.#size) {
      throw corrupt(this.path, `${what} leaves the file of ${this.#size} bytes`, offset, { length, size: this.#size });
    }
    const bytes = Buffer.alloc(length);
    const inFile = bytes.subarray(0, Math.max(0, Math.min(length, this.#fileSize - offset)));
    if (inFile.length > 0) await this.#readFile(offset, inFile);
    for (const patch of this.#patches) applyPatch(patch, offset, bytes);
    return bytes;
  }

  async #readFile(offset: number, target: Buffer): Promise<void> {
    if (this.#input instanceof Uint8Array) target.set(this.#input.subarray(offset, offset + target.length));
    else await this.#input.readUpTo(offset, target);
  }
}

function applyPatch(patch: Patch, offset: number, target: Buffer): void {
  const start = Math.max(offset, patch.offset);
  const end = Math.min(offset + target.length, patch.offset + patch.data.length);
  if (start < end) patch.data.copy(target, start - offset, start - patch.offset, end - patch.offset);
}
