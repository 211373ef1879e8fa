/**
 * The replay log: what a commit is about to write. The entry's layout is not documented (FORMAT.md leaves it out,
 * openvmm's unused structure has another order): it was found in the stale entries of files that Hyper-V wrote, where
 * all checksums agree.
 */
import { readU64LE, writeU64LE } from '../../../../support/bytes.ts';
import { crc32Without } from '../checksum.ts';
import { LOG_ENTRY_SIZE, LOG_HEADER_SIZE, LOG_SIGNATURE } from './constants.ts';

const HEADER_CHECKSUM = 4;
const ENTRY_CHECKSUM = 20;

export interface LogHeader {
  /** Entries that are to be replayed; 0 when the file is clean. Entries beyond are leftovers. */
  entries: number;
  maxEntries: number;
}

export interface LogEntry {
  /** Where the data belongs: file offset, bytes. */
  destination: number;
  size: number;
  /** Where the data lies, from the beginning of the log's region. */
  source: number;
  dataChecksum: number;
}

/** @param bytes LOG_HEADER_SIZE bytes. @returns null when signature or checksum is wrong */
export function parseLogHeader(bytes: Buffer): LogHeader | null {
  if (bytes.readUInt32LE(0) !== LOG_SIGNATURE) return null;
  if (bytes.readUInt32LE(HEADER_CHECKSUM) !== crc32Without(bytes, HEADER_CHECKSUM)) return null;
  return { entries: bytes.readUInt32LE(8), maxEntries: bytes.readUInt32LE(13) };
}

export function renderLogHeader(header: LogHeader): Buffer {
  const bytes = Buffer.alloc(LOG_HEADER_SIZE);
  bytes.writeUInt32LE(LOG_SIGNATURE, 0);
  bytes.writeUInt32LE(header.entries, 8);
  bytes.writeUInt32LE(header.maxEntries, 13);
  // 17 and on: change tracking (switch, offset, size, used size), off
  bytes.writeUInt32LE(crc32Without(bytes, HEADER_CHECKSUM), HEADER_CHECKSUM);
  return bytes;
}

/** @param bytes LOG_ENTRY_SIZE bytes. @returns null when the checksum is wrong */
export function parseLogEntry(bytes: Buffer): LogEntry | null {
  if (bytes.readUInt32LE(ENTRY_CHECKSUM) !== crc32Without(bytes, ENTRY_CHECKSUM)) return null;
  return {
    destination: readU64LE(bytes, 0),
    size: bytes.readUInt32LE(8),
    source: readU64LE(bytes, 12),
    dataChecksum: bytes.readUInt32LE(24),
  };
}

export function renderLogEntry(entry: LogEntry): Buffer {
  const bytes = Buffer.alloc(LOG_ENTRY_SIZE);
  writeU64LE(bytes, entry.destination, 0);
  bytes.writeUInt32LE(entry.size, 8);
  writeU64LE(bytes, entry.source, 12);
  bytes.writeUInt32LE(entry.dataChecksum, 24);
  bytes.writeUInt32LE(crc32Without(bytes, ENTRY_CHECKSUM), ENTRY_CHECKSUM);
  return bytes;
}
