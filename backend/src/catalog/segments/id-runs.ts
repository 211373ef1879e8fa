/**
 * Prefixes of very many ids, kept by their first byte: in memory while they are few, then in a file. Each is 8 bytes
 * there, and what is in memory does not grow with their number.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { prefixOf } from './segment-format.ts';

/** By the first byte of the id. */
export const RUNS = 256;
/** Prefixes written at once. */
const CHUNK = 4096;
const CHUNK_BYTES = CHUNK * 8;

interface Run {
  /** Of those that are not in the file yet. */
  values: Float64Array;
  count: number;
  /** Where full chunks begin in the file, or the chunks themselves when it cannot be written. */
  chunks: (number | Float64Array)[];
}

export class IdRuns {
  readonly #runs: (Run | undefined)[] = new Array(RUNS).fill(undefined);
  readonly #folder: string | null;
  #path: string | undefined;
  #file: number | undefined;
  #end = 0;
  /** Of all added, repeated ones too. */
  count = 0;

  /** @param folder where a file may be made; null: everything stays in memory */
  constructor(folder: string | null) {
    this.#folder = folder;
  }

  /** Takes the id at `at` of `bytes`. */
  add(bytes: Uint8Array, at = 0): void {
    const number = bytes[at]!;
    let run = this.#runs[number];
    if (run === undefined) {
      run = { values: new Float64Array(16), count: 0, chunks: [] };
      this.#runs[number] = run;
    }
    if (run.count === run.values.length) this.#makeRoom(run);
    run.values[run.count++] = prefixOf(bytes, at);
    this.count += 1;
  }

  /** The prefixes of one run, ascending, each once. */
  sorted(number: number): Float64Array {
    const run = this.#runs[number];
    if (run === undefined) return new Float64Array(0);
    const all = new Float64Array(run.chunks.length * CHUNK + run.count);
    for (const [i, chunk] of run.chunks.entries()) {
      if (typeof chunk === 'number') this.#read(all, i * CHUNK, chunk);
      else all.set(chunk, i * CHUNK);
    }
    all.set(run.values.subarray(0, run.count), run.chunks.length * CHUNK);
    all.sort();
    let kept = 0;
    for (let i = 0; i < all.length; i++) if (i === 0 || all[i] !== all[i - 1]) all[kept++] = all[i]!;
    return all.subarray(0, kept);
  }

  /** Gives the file back; idempotent. */
  close(): void {
    if (this.#file === undefined) return;
    closeSync(this.#file);
    this.#file = undefined;
    rmSync(this.#path!, { force: true });
  }

  #makeRoom(run: Run): void {
    if (run.values.length < CHUNK) {
      const larger = new Float64Array(run.values.length * 2);
      larger.set(run.values);
      run.values = larger;
      return;
    }
    run.count = 0;
    if (this.#write(run.values)) {
      run.chunks.push(this.#end);
      this.#end += CHUNK_BYTES;
    } else {
      run.chunks.push(run.values);
      run.values = new Float64Array(CHUNK);
    }
  }

  /** @returns false when there is no room, or no place at all: then memory has to do */
  #write(values: Float64Array): boolean {
    if (this.#folder === null) return false;
    try {
      if (this.#file === undefined) {
        // Left by a process that was killed, it goes with the segments that no list names (orphans.ts).
        this.#path = join(this.#folder, `ids-${randomBytes(8).toString('hex')}`);
        this.#file = openSync(this.#path, 'wx+', 0o600);
      }
      const bytes = Buffer.from(values.buffer);
      for (let done = 0; done < CHUNK_BYTES; )
        done += writeSync(this.#file, bytes, done, CHUNK_BYTES - done, this.#end + done);
      return true;
    } catch {
      return false;
    }
  }

  #read(target: Float64Array, at: number, offset: number): void {
    const bytes = Buffer.from(target.buffer, at * 8, CHUNK_BYTES);
    for (let done = 0; done < CHUNK_BYTES; ) {
      const got = readSync(this.#file!, bytes, done, CHUNK_BYTES - done, offset + done);
      if (got === 0) throw new Error(`${this.#path} was cut while it was in use`);
      done += got;
    }
  }
}
