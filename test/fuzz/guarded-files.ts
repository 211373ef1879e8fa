/** Files in memory that watch over how they are read: nothing outside the file, no more than there is a reason for. */
import { HvError, hex } from '../../backend/src/support/errors.ts';
import type { FileOpener, RandomAccessFile } from '../../backend/src/support/file.ts';
import { Defect, type FileImage } from './mutant.ts';

/** Tables are read in pieces that may reach over the end of the file, where they get less; none is longer than this. */
const LONGEST_OVERHANG = 1 << 20;
const MOST_READS = 1_000_000;

export class GuardedFiles {
  readonly #files: ReadonlyMap<string, FileImage>;
  readonly #mostBytes: number;
  #open = 0;
  #reads = 0;
  #bytes = 0;
  /** The first thing that was wrong: code under test may swallow what is thrown. */
  #defect: Defect | undefined;

  /** @param mostBytes bytes that may be read of all files together */
  constructor(files: ReadonlyMap<string, FileImage>, mostBytes: number) {
    this.#files = files;
    this.#mostBytes = mostBytes;
  }

  /** @throws Defect for anything that was read wrongly, and for files left open */
  settle(): void {
    if (this.#defect) throw this.#defect;
    if (this.#open !== 0) throw new Defect(`${this.#open} files were left open`);
  }

  readonly open: FileOpener = async (path, mode) => {
    if (mode !== 'read') throw this.#fail(`${path} is opened to ${mode}`);
    const image = this.#files.get(path);
    if (!image) throw new HvError('FILE_NOT_FOUND', `There is no such file: ${path}`);
    this.#open++;
    let closed = false;
    const refuse = async (): Promise<never> => {
      throw this.#fail(`${path} is written`);
    };
    const file: RandomAccessFile = {
      path,
      size: async () => image.size,
      readUpTo: async (offset, target) => this.#read(path, image, offset, target),
      readFully: async (offset, target) => {
        if (offset + target.length > image.size && target.length > 0) {
          this.#fail(`${target.length} bytes at ${hex(offset)} are read of ${path}, which has ${image.size}`);
        }
        if (this.#read(path, image, offset, target) < target.length) {
          throw new HvError('IO_ERROR', `The file ends inside a read at ${hex(offset)}: ${path}`);
        }
      },
      writeFully: refuse,
      truncate: refuse,
      sync: refuse,
      close: async () => {
        if (!closed) this.#open--;
        closed = true;
      },
    };
    return file;
  };

  #read(path: string, image: FileImage, offset: number, target: Uint8Array): number {
    if (!Number.isSafeInteger(offset) || offset < 0) throw this.#fail(`${path} is read at ${offset}`);
    const length = Math.max(0, Math.min(target.length, image.size - offset));
    if (target.length - length > LONGEST_OVERHANG) {
      throw this.#fail(`${target.length} bytes at ${hex(offset)} are read of ${path}, which has ${image.size}`);
    }
    this.#bytes += length;
    if (++this.#reads > MOST_READS) throw this.#fail(`more than ${MOST_READS} reads`);
    if (this.#bytes > this.#mostBytes) throw this.#fail(`more than ${this.#mostBytes} bytes are read`);
    const stored = Math.max(0, Math.min(length, image.bytes.length - offset));
    if (stored > 0) target.set(image.bytes.subarray(offset, offset + stored));
    target.fill(0, stored, length);
    return length;
  }

  #fail(what: string): Defect {
    this.#defect ??= new Defect(what);
    return this.#defect;
  }
}
