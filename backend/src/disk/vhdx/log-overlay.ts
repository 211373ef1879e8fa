/** The file as it will be once its log is replayed, without changing the file: for reading a disk that is not ours. */
import { HvError } from '../../support/errors.ts';
import type { RandomAccessFile } from '../../support/file.ts';
import { unsupported } from '../errors.ts';
import { LOG_SECTOR } from './format/constants.ts';
import { restoreDataSector } from './format/log-entry.ts';
import type { ActiveLog, LogChange } from './log.ts';

type DataChange = Extract<LogChange, { kind: 'data' }>;
interface Span {
  start: number;
  end: number;
}
/** Zero changes are rare; so many that inserting them in order would take long are an attack. */
const MAX_ZERO_CHANGES = 1 << 14;

export class LogOverlayFile implements RandomAccessFile {
  readonly path: string;
  readonly #base: RandomAccessFile;
  readonly #lastFileOffset: number;
  /** Sector number → its newest content. Wins over #zeros. */
  readonly #sectors = new Map<number, DataChange>();
  /** Disjoint, ascending. */
  readonly #zeros: Span[] = [];

  constructor(base: RandomAccessFile, log: ActiveLog) {
    this.path = base.path;
    this.#base = base;
    this.#lastFileOffset = log.lastFileOffset;
    if (log.changes.filter((change) => change.kind === 'zero').length > MAX_ZERO_CHANGES) {
      throw unsupported(base.path, 'its log zeroes too many ranges');
    }
    // Newest first: what is covered already stays as it is.
    for (const change of log.changes.toReversed()) {
      if (change.kind === 'zero') this.#addZeros(change.fileOffset, change.fileOffset + change.length);
      else this.#addSector(change);
    }
  }

  #addSector(change: DataChange): void {
    const number = change.fileOffset / LOG_SECTOR;
    if (!this.#sectors.has(number) && !this.#isZeroed(change.fileOffset)) this.#sectors.set(number, change);
  }

  /** Index of the first span that ends after `offset`. */
  #firstSpanAfter(offset: number): number {
    let low = 0;
    let high = this.#zeros.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#zeros[middle]!.end > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #isZeroed(offset: number): boolean {
    const span = this.#zeros[this.#firstSpanAfter(offset)];
    return span !== undefined && span.start <= offset;
  }

  #addZeros(from: number, to: number): void {
    let start = from;
    let end = to;
    const first = this.#firstSpanAfter(from - 1);
    let last = first;
    while (last < this.#zeros.length && this.#zeros[last]!.start <= end) {
      start = Math.min(start, this.#zeros[last]!.start);
      end = Math.max(end, this.#zeros[last]!.end);
      last++;
    }
    if (to > from) this.#zeros.splice(first, last - first, { start, end });
  }

  async size(): Promise<number> {
    return Math.max(await this.#base.size(), this.#lastFileOffset);
  }

  async readFully(offset: number, target: Uint8Array): Promise<void> {
    if ((await this.readUpTo(offset, target)) === target.length) return;
    // Lets the base say where it ends.
    await this.#base.readFully(offset, target);
  }

  async readUpTo(offset: number, target: Uint8Array): Promise<number> {
    const got = await this.#base.readUpTo(offset, target);
    const length = got === target.length ? got : Math.max(got, Math.min(target.length, (await this.size()) - offset));
    target.fill(0, got, Math.max(got, length));
    for (let index = this.#firstSpanAfter(offset); index < this.#zeros.length; index++) {
      const { start, end } = this.#zeros[index]!;
      if (start >= offset + length) break;
      target.fill(0, Math.max(0, start - offset), Math.min(length, end - offset));
    }
    await this.#applySectors(offset, target.subarray(0, length));
    return length;
  }

  async #applySectors(offset: number, target: Uint8Array): Promise<void> {
    const first = Math.floor(offset / LOG_SECTOR);
    const last = Math.floor((offset + target.length - 1) / LOG_SECTOR);
    if (this.#sectors.size < last - first) {
      for (const [number, change] of this.#sectors) {
        if (number >= first && number <= last) await this.#apply(change, offset, target);
      }
      return;
    }
    for (let number = first; number <= last; number++) {
      const change = this.#sectors.get(number);
      if (change !== undefined) await this.#apply(change, offset, target);
    }
  }

  async #apply(change: DataChange, offset: number, target: Uint8Array): Promise<void> {
    const sector = await readLoggedSector(this.#base, change);
    const from = Math.max(0, offset - change.fileOffset);
    const to = Math.min(LOG_SECTOR, offset + target.length - change.fileOffset);
    target.set(sector.subarray(from, to), change.fileOffset + from - offset);
  }

  writeFully(): Promise<void> {
    return Promise.reject(this.#readOnly());
  }

  truncate(): Promise<void> {
    return Promise.reject(this.#readOnly());
  }

  #readOnly(): HvError {
    return new HvError('DISK_READ_ONLY', `The virtual disk is open for reading only: ${this.path}`);
  }

  async sync(): Promise<void> {}

  close(): Promise<void> {
    return this.#base.close();
  }
}

/** The sector a data change writes, as it will stand in the file. */
export async function readLoggedSector(file: RandomAccessFile, change: DataChange): Promise<Buffer> {
  const sector = Buffer.alloc(LOG_SECTOR);
  await file.readFully(change.source, sector);
  restoreDataSector(sector, change.leading, change.trailing);
  return sector;
}
