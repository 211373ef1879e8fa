/** Finds what a dirty log says: the active sequence of entries ([MS-VHDX] 2.3.2, 2.3.3). Changes nothing. */
import { crc32cWithout } from '../../support/crc32c.ts';
import type { RandomAccessFile } from '../../support/file.ts';
import { corrupt, unsupported } from '../errors.ts';
import { FIRST_LOGGABLE, LOG_DESCRIPTOR_SIZE, LOG_ENTRY_HEADER_SIZE, LOG_SECTOR, MIB } from './format/constants.ts';
import type { VhdxHeader } from './format/header.ts';
import {
  descriptorArea,
  isDataSectorOf,
  LOG_ENTRY_CHECKSUM,
  type LogEntryHeader,
  parseLogDescriptor,
  parseLogEntryHeader,
} from './format/log-entry.ts';

/** A change to the file that the log holds. Offsets are bytes of the VHDX file. */
export type LogChange =
  | { kind: 'data'; fileOffset: number; source: number; leading: Buffer; trailing: Buffer }
  | { kind: 'zero'; fileOffset: number; length: number };

export interface ActiveLog {
  /** In the order they must be applied. */
  changes: LogChange[];
  /** Bytes the file must have after replay at least. */
  lastFileOffset: number;
}

interface Entry extends LogEntryHeader {
  /** Offset in the log. */
  position: number;
  changes: LogChange[];
}

/** Entries and changes beyond this are no log of a real disk, and would take memory without bound. */
const MAX_ENTRY_LENGTH = 64 * MIB;
const MAX_CHANGES = 1 << 20;
/** Entries of one log do not overlap; stale ones may stick out a little. More work than this is an attack. */
const MAX_WORK_FACTOR = 4;

/**
 * @param header with a log GUID that is not nil
 * @throws DISK_CORRUPT when there is no valid sequence, or the file is shorter than the log says it was
 */
export async function readActiveLog(file: RandomAccessFile, header: VhdxHeader): Promise<ActiveLog> {
  const { logOffset, logLength } = header;
  const present = await file.size();
  if (logOffset + logLength > present) {
    throw corrupt(file.path, 'the log lies beyond the end of the file', logOffset, { logLength, fileSize: present });
  }
  const entries = await new LogScanner(file, header).scan();
  const sequence = findActiveSequence(entries, header.logLength);
  if (sequence === null)
    throw corrupt(file.path, 'the log is marked as in use but holds no valid entries', header.logOffset);
  const newest = sequence.at(-1)!;
  const size = await file.size();
  if (size < newest.flushedFileOffset) {
    throw corrupt(file.path, 'the file is shorter than its log records', size, {
      expected: newest.flushedFileOffset,
    });
  }
  if (newest.lastFileOffset > Number.MAX_SAFE_INTEGER)
    throw corrupt(file.path, 'the log asks for an impossible file size');
  return { changes: sequence.flatMap((entry) => entry.changes), lastFileOffset: newest.lastFileOffset };
}

/**
 * The run of entries, each following the one before in place and number, that ends with the newest entry and begins
 * where that entry's tail points.
 */
function findActiveSequence(entries: Map<number, Entry>, logLength: number): Entry[] | null {
  const newestFirst = [...entries.values()].sort((a, b) => (a.sequenceNumber < b.sequenceNumber ? 1 : -1));
  const previous = new Map<Entry, Entry>();
  for (const entry of newestFirst) {
    const next = entries.get((entry.position + entry.length) % logLength);
    if (next?.sequenceNumber === entry.sequenceNumber + 1n) previous.set(next, entry);
  }
  // Walking back from each candidate could take quadratic time: runs are numbered once, then looked up.
  const places = new Map<Entry, { run: Entry[]; index: number; endLength: number }>();
  for (const entry of newestFirst.toReversed()) {
    const before = places.get(previous.get(entry)!);
    if (before !== undefined && before.index === before.run.length - 1) {
      before.run.push(entry);
      places.set(entry, { run: before.run, index: before.index + 1, endLength: before.endLength + entry.length });
    } else places.set(entry, { run: [entry], index: 0, endLength: entry.length });
  }
  for (const newest of newestFirst) {
    const oldest = entries.get(newest.tail);
    const start = oldest && places.get(oldest);
    const end = places.get(newest)!;
    if (start?.run !== end.run || start.index > end.index) continue;
    if (end.endLength - start.endLength + oldest!.length > logLength) continue;
    return end.run.slice(start.index, end.index + 1);
  }
  return null;
}

class LogScanner {
  readonly #file: RandomAccessFile;
  readonly #header: VhdxHeader;
  #work = 0;
  #changes = 0;

  constructor(file: RandomAccessFile, header: VhdxHeader) {
    this.#file = file;
    this.#header = header;
  }

  /** Every valid entry, by its position in the log. */
  async scan(): Promise<Map<number, Entry>> {
    const { logLength } = this.#header;
    const entries = new Map<number, Entry>();
    const window = Buffer.alloc(Math.min(MIB, logLength));
    for (let base = 0; base < logLength; base += window.length) {
      await this.#file.readFully(this.#header.logOffset + base, window);
      for (let at = 0; at < window.length; at += LOG_SECTOR) {
        const header = parseLogEntryHeader(window.subarray(at, at + LOG_ENTRY_HEADER_SIZE));
        if (header === null || !this.#isPlausible(header)) continue;
        const entry = await this.#readEntry(base + at, header);
        if (entry !== null) entries.set(entry.position, entry);
      }
    }
    return entries;
  }

  #isPlausible(header: LogEntryHeader): boolean {
    const { length, tail, descriptorCount } = header;
    const { logLength, logGuid } = this.#header;
    return (
      header.logGuid === logGuid &&
      length >= LOG_SECTOR &&
      length % LOG_SECTOR === 0 &&
      length <= Math.min(logLength, MAX_ENTRY_LENGTH) &&
      tail < logLength &&
      tail % LOG_SECTOR === 0 &&
      header.sequenceNumber > 0n &&
      descriptorArea(descriptorCount) <= length
    );
  }

  /** @returns null when the entry was not written completely */
  async #readEntry(position: number, header: LogEntryHeader): Promise<Entry | null> {
    this.#work += header.length;
    if (this.#work > MAX_WORK_FACTOR * this.#header.logLength) {
      throw corrupt(this.#file.path, 'the log holds overlapping entries', this.#header.logOffset + position);
    }
    const bytes = await this.#readCircular(position, header.length);
    if (crc32cWithout(bytes, LOG_ENTRY_CHECKSUM) !== header.checksum) return null;
    const changes = this.#parseChanges(bytes, position, header);
    return changes === null ? null : { ...header, position, changes };
  }

  async #readCircular(position: number, length: number): Promise<Buffer> {
    const { logOffset, logLength } = this.#header;
    const bytes = Buffer.alloc(length);
    const first = Math.min(length, logLength - position);
    await this.#file.readFully(logOffset + position, bytes.subarray(0, first));
    await this.#file.readFully(logOffset, bytes.subarray(first));
    return bytes;
  }

  #parseChanges(bytes: Buffer, position: number, header: LogEntryHeader): LogChange[] | null {
    const { logOffset, logLength } = this.#header;
    const changes: LogChange[] = [];
    let sector = descriptorArea(header.descriptorCount);
    for (let index = 0; index < header.descriptorCount; index++) {
      const descriptor = parseLogDescriptor(bytes, LOG_ENTRY_HEADER_SIZE + index * LOG_DESCRIPTOR_SIZE);
      if (descriptor === null || descriptor.sequenceNumber !== header.sequenceNumber) return null;
      const { fileOffset } = descriptor;
      const length = descriptor.kind === 'zero' ? descriptor.length : LOG_SECTOR;
      if (!this.#mayChange(fileOffset, length)) return null;
      if (++this.#changes > MAX_CHANGES) throw unsupported(this.#file.path, 'its log holds too many changes to replay');
      if (descriptor.kind === 'zero') {
        changes.push({ kind: 'zero', fileOffset, length });
        continue;
      }
      if (sector + LOG_SECTOR > bytes.length || !isDataSectorOf(bytes, sector, header.sequenceNumber)) return null;
      const source = logOffset + ((position + sector) % logLength);
      changes.push({ kind: 'data', fileOffset, source, leading: descriptor.leading, trailing: descriptor.trailing });
      sector += LOG_SECTOR;
    }
    return changes;
  }

  /** Whole sectors, outside identifier, headers and the log itself. */
  #mayChange(fileOffset: number, length: number): boolean {
    const { logOffset, logLength } = this.#header;
    const end = fileOffset + length;
    const aligned = fileOffset % LOG_SECTOR === 0 && length % LOG_SECTOR === 0;
    const clear = end <= logOffset || fileOffset >= logOffset + logLength;
    return aligned && clear && fileOffset >= FIRST_LOGGABLE && end <= Number.MAX_SAFE_INTEGER;
  }
}
