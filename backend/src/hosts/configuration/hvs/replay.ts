/** Which header counts, and what the log adds to the file. */
import { crc32 } from 'node:zlib';
import { isPowerOfTwo } from '../../../support/bytes.ts';
import { hex } from '../../../support/errors.ts';
import { corrupt, unsupported } from './errors.ts';
import {
  FORMAT_4_0,
  HEADER_OFFSETS,
  HEADER_SIZE,
  LIMITS,
  LOG_ENTRY_SIZE,
  LOG_HEADER_SIZE,
  MAX_ALIGNMENT,
  MIN_ALIGNMENT,
  OBJECT_TABLE_OFFSET,
} from './format/constants.ts';
import { type FileHeader, hasFileSignature, isLater, parseFileHeader } from './format/file-header.ts';
import { type LogEntry, parseLogEntry, parseLogHeader } from './format/replay-log.ts';
import type { HvsSource, Patch } from './source.ts';

/**
 * @throws CONFIGURATION_UNSUPPORTED when it is no HyperVStorage file or of another version, CONFIGURATION_CORRUPT when
 *   neither header is valid or what it says is impossible
 */
export async function readFileHeader(source: HvsSource): Promise<FileHeader> {
  const { path } = source;
  if (source.size < HEADER_OFFSETS[1] + HEADER_SIZE) {
    throw unsupported(path, `it is no Hyper-V configuration file, with ${source.size} bytes`, { size: source.size });
  }
  const copies: (FileHeader | null)[] = [];
  let signed = false;
  for (const offset of HEADER_OFFSETS) {
    const bytes = await source.read(offset, HEADER_SIZE, 'a header');
    signed ||= hasFileSignature(bytes);
    copies.push(parseFileHeader(bytes));
  }
  if (!signed) throw unsupported(path, 'it is no Hyper-V configuration file: the signature is missing');
  const header = choose(path, copies[0]!, copies[1]!);
  const { formatVersion: version, alignment } = header;
  if (version !== FORMAT_4_0) {
    throw unsupported(path, `storage format ${version >>> 8}.${version & 0xff} is not known, only 4.0`, { version });
  }
  if (!isPowerOfTwo(alignment) || alignment < MIN_ALIGNMENT || alignment > MAX_ALIGNMENT) {
    throw corrupt(path, `the header has an alignment of ${alignment} bytes`, 0, { alignment });
  }
  return header;
}

function choose(path: string, first: FileHeader | null, second: FileHeader | null): FileHeader {
  if (first && second) {
    if (first.sequence !== second.sequence) return isLater(second.sequence, first.sequence) ? second : first;
    if (JSON.stringify(first) === JSON.stringify(second)) return first;
    throw corrupt(path, 'both headers have the same sequence number and differ', HEADER_OFFSETS[1]);
  }
  const header = first ?? second;
  if (!header) throw corrupt(path, 'neither header is valid', HEADER_OFFSETS[0]);
  return header;
}

/**
 * Reads the log that `header` names. All of it is checked before anything counts.
 * @returns in the order of writing; empty when the file is clean
 * @throws CONFIGURATION_CORRUPT, CONFIGURATION_UNSUPPORTED
 */
export async function readLog(source: HvsSource, header: FileHeader): Promise<Patch[]> {
  const { path } = source;
  const { logOffset, logSize, logHeaderSize } = header;
  if (logOffset < OBJECT_TABLE_OFFSET || logHeaderSize < LOG_HEADER_SIZE || logHeaderSize > logSize) {
    throw corrupt(path, 'the header gives the log an impossible place', 0, { logOffset, logSize, logHeaderSize });
  }
  if (logSize > LIMITS.logBytes || logHeaderSize > MAX_ALIGNMENT) {
    throw unsupported(path, `its log has ${logSize} bytes, ${logHeaderSize} of them for entries`, { logSize });
  }
  const log = parseLogHeader(await source.read(logOffset, LOG_HEADER_SIZE, 'the log'));
  if (!log) throw corrupt(path, "the log's header is not valid", logOffset);
  const room = Math.floor((logHeaderSize - LOG_HEADER_SIZE) / LOG_ENTRY_SIZE);
  if (log.entries > log.maxEntries || log.entries > room) {
    throw corrupt(path, `the log claims ${log.entries} entries, with room for ${room}`, logOffset, { ...log });
  }
  const patches: Patch[] = [];
  let bytes = 0;
  for (let index = 0; index < log.entries; index++) {
    const at = logOffset + LOG_HEADER_SIZE + index * LOG_ENTRY_SIZE;
    const entry = parseLogEntry(await source.read(at, LOG_ENTRY_SIZE, 'a log entry'));
    if (!entry) throw corrupt(path, `log entry ${index} is not valid`, at);
    bytes += entry.size;
    if (bytes > logSize) throw corrupt(path, 'the entries of the log have more data than the log', at, { logSize });
    patches.push(await readPatch(source, header, entry, at));
  }
  return patches;
}

async function readPatch(source: HvsSource, header: FileHeader, entry: LogEntry, at: number): Promise<Patch> {
  const { logOffset, logSize, logHeaderSize } = header;
  const { destination, size } = entry;
  const overlapsLog = destination < logOffset + logSize && destination + size > logOffset;
  // What a commit adds to the file is in the log, so the file grows by no more than that.
  const end = Math.max(source.size, logOffset + logSize) + logSize;
  if (destination < OBJECT_TABLE_OFFSET || overlapsLog || destination + size > end) {
    throw corrupt(source.path, `a log entry writes ${size} bytes to ${hex(destination)}`, at, { ...entry });
  }
  if (entry.source < logHeaderSize || entry.source + size > logSize) {
    throw corrupt(source.path, 'the data of a log entry lies outside the log', at, { ...entry });
  }
  const data = await source.read(logOffset + entry.source, size, 'the data of a log entry');
  if (crc32(data) !== entry.dataChecksum) {
    throw corrupt(source.path, 'the data of a log entry has a wrong checksum', logOffset + entry.source, { ...entry });
  }
  return { offset: destination, data };
}
