/** Packs, byte by byte: header, record header, table of contents, trailer (docs/format.md §2.3). Parse/render pairs. */
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { HvError } from '../../support/errors.ts';
import { damaged } from '../errors.ts';
import {
  DELTA_ENTRY_LENGTH,
  Encoding,
  ID_LENGTH,
  MAX_BLOCK_SIZE,
  MAX_NODE_LENGTH,
  MAX_PACK_LENGTH,
  PACK_HEADER_LENGTH,
  PACK_TRAILER_LENGTH,
  PAGE_SIZE,
  PackClass,
  RECORD_HEADER_LENGTH,
  RecordKind,
  TOC_ENTRY_LENGTH,
} from './constants.ts';
import { repositoryIdBytes } from './ids.ts';
import { TAG_LENGTH } from './keys.ts';

const PACK_MAGIC = Buffer.from('HVBKPAK1', 'latin1');
const TOC_MAGIC = Buffer.from('HVBKTOC1', 'latin1');
/** `HVBR` read little-endian. */
const RECORD_MAGIC = 0x52425648;
const ENCRYPTED = 1;

export interface PackHeader {
  repositoryId: string;
  packId: string;
  sessionId: string;
  packClass: PackClass;
  /** 32 random bytes; the pack's key is derived from them. */
  salt: Buffer;
  encrypted: boolean;
}

/** What tables of contents and indexes say of a record besides its ids. */
export interface RecordFields {
  kind: RecordKind;
  encoding: Encoding;
  /** Of the record header within the pack. */
  offset: number;
  rawLength: number;
  /** Of the body: page list, payload and tag, whichever it has. */
  storedLength: number;
}

/** One record as tables of contents and indexes list it. */
export interface RecordEntry extends RecordFields {
  /** 32 bytes. */
  id: Buffer;
  /** 32 bytes; only deltas. */
  base?: Buffer;
}

export function renderPackHeader(header: PackHeader): Buffer {
  const out = Buffer.alloc(PACK_HEADER_LENGTH);
  PACK_MAGIC.copy(out, 0);
  out.writeUInt16LE(header.encrypted ? ENCRYPTED : 0, 8);
  out.writeUInt16LE(header.packClass, 10);
  repositoryIdBytes(header.repositoryId).copy(out, 12);
  Buffer.from(header.packId, 'hex').copy(out, 28);
  Buffer.from(header.sessionId, 'hex').copy(out, 44);
  header.salt.copy(out, 60);
  out.writeUInt32LE(crc32(out.subarray(0, 92)), 92);
  return out;
}

/** @throws REPOSITORY_DAMAGED also when it belongs to another repository or name; NOT_SUPPORTED for unknown flags */
export function parsePackHeader(bytes: Buffer, path: string, repositoryId: string): PackHeader {
  if (!bytes.subarray(0, 8).equals(PACK_MAGIC)) throw damaged('pack', path, 'this is not a pack', { offset: 0 });
  if (bytes.length < PACK_HEADER_LENGTH) throw damaged('pack', path, 'the header is cut off', { offset: 0 });
  if (crc32(bytes.subarray(0, 92)) !== bytes.readUInt32LE(92))
    throw damaged('pack', path, 'the checksum of the header is wrong', { offset: 92 });
  const flags = bytes.readUInt16LE(8);
  requireFlags(flags & ~ENCRYPTED, path);
  const packClass = bytes.readUInt16LE(10);
  if (packClass !== PackClass.blocks && packClass !== PackClass.nodes)
    throw damaged('pack', path, `unknown class ${packClass}`, { offset: 10 });
  if (!bytes.subarray(12, 28).equals(repositoryIdBytes(repositoryId)))
    throw damaged('pack', path, 'this pack belongs to another repository', { offset: 12 });
  const packId = bytes.toString('hex', 28, 44);
  if (!path.endsWith(packId)) throw damaged('pack', path, `this is pack ${packId} under a wrong name`, { offset: 28 });
  const sessionId = bytes.toString('hex', 44, 60);
  const salt = Buffer.from(bytes.subarray(60, 92));
  return { repositoryId, packId, sessionId, packClass, salt, encrypted: (flags & ENCRYPTED) !== 0 };
}

function requireFlags(flags: number, path: string): void {
  if (flags === 0) return;
  throw new HvError('NOT_SUPPORTED', `${path}: it is encrypted or has unknown flags (0x${flags.toString(16)})`, {
    advice: 'Use a newer version of HyperVBackup for this repository.',
    data: { path, flags },
  });
}

/** Writes the 96 bytes of a record header at `at`. */
export function renderRecordHeader(
  out: Buffer,
  at: number,
  record: {
    kind: RecordKind;
    encoding: Encoding;
    sequence: number;
    rawLength: number;
    storedLength: number;
    /** 32 bytes. */
    id: Uint8Array;
    /** 32 bytes; only deltas. */
    base?: Uint8Array;
  },
): void {
  out.fill(0, at, at + RECORD_HEADER_LENGTH);
  out.writeUInt32LE(RECORD_MAGIC, at);
  out[at + 4] = record.kind;
  out[at + 5] = record.encoding;
  out.writeUInt32LE(record.sequence, at + 8);
  out.writeUInt32LE(record.rawLength, at + 12);
  out.writeUInt32LE(record.storedLength, at + 16);
  out.set(record.id, at + 20);
  if (record.base) out.set(record.base, at + 52);
  out.writeUInt32LE(crc32(out.subarray(at, at + 92)), at + 92);
}

/** Reads the record header at `at` of `bytes`; `offset` is where it lies in the pack, for messages. */
export function parseRecordHeader(bytes: Buffer, at: number, path: string, offset: number): RecordEntry {
  if (bytes.length - at < RECORD_HEADER_LENGTH) throw damaged('pack', path, 'the record header is cut off', { offset });
  if (bytes.readUInt32LE(at) !== RECORD_MAGIC) throw damaged('pack', path, 'there is no record here', { offset });
  if (crc32(bytes.subarray(at, at + 92)) !== bytes.readUInt32LE(at + 92))
    throw damaged('pack', path, 'the checksum of the record header is wrong', { offset });
  const entry: RecordEntry = {
    kind: bytes[at + 4] as RecordKind,
    encoding: bytes[at + 5] as Encoding,
    offset,
    rawLength: bytes.readUInt32LE(at + 12),
    storedLength: bytes.readUInt32LE(at + 16),
    id: Buffer.from(bytes.subarray(at + 20, at + 52)),
  };
  if (entry.kind === RecordKind.delta) entry.base = Buffer.from(bytes.subarray(at + 52, at + 84));
  requireEntry(entry, path);
  return entry;
}

const NO_FIELDS: RecordFields = {
  kind: RecordKind.block,
  encoding: Encoding.stored,
  offset: 0,
  rawLength: 0,
  storedLength: 0,
};

/** Bounds everything a record claims before anything is allocated or read for it. */
function requireEntry(entry: RecordEntry, path: string): void {
  if (!isPossible(entry)) throw impossibleRecord(path, entry.offset, entry.id);
}

/** Whether a record may have these lengths, kind and place. */
export function isPossible({ kind, encoding, rawLength, storedLength, offset }: RecordFields): boolean {
  const limit = kind === RecordKind.node ? MAX_NODE_LENGTH : MAX_BLOCK_SIZE;
  const pages = Math.ceil(rawLength / PAGE_SIZE);
  const around = TAG_LENGTH + (kind === RecordKind.node ? 0 : pages * ID_LENGTH);
  // Only a delta holds whole pages, and says which.
  const most = kind === RecordKind.delta ? pages * PAGE_SIZE + Math.ceil(pages / 8) : rawLength;
  return (
    (kind === RecordKind.block || kind === RecordKind.node || kind === RecordKind.delta) &&
    (encoding === Encoding.zstd || encoding === Encoding.stored) &&
    rawLength > 0 &&
    rawLength <= limit &&
    storedLength > 0 &&
    storedLength <= most + around &&
    offset >= PACK_HEADER_LENGTH &&
    offset + RECORD_HEADER_LENGTH + storedLength <= MAX_PACK_LENGTH
  );
}

export const impossibleRecord = (path: string, offset: number, id: Buffer): HvError =>
  damaged('pack', path, 'a record has impossible lengths or kinds', { offset, id: id.toString('hex') });

/** Bytes from one record header to the next. */
export const recordLength = (entry: RecordEntry): number => RECORD_HEADER_LENGTH + entry.storedLength;

/** Table of contents and trailer, to be appended at `offset`. Entries ascend by offset. */
export function renderToc(entries: readonly RecordEntry[], offset: number): Buffer {
  const deltas = entries.flatMap((entry, number) => (entry.base ? [{ number, base: entry.base }] : []));
  const length = entries.length * TOC_ENTRY_LENGTH + deltas.length * DELTA_ENTRY_LENGTH;
  const out = Buffer.alloc(length + PACK_TRAILER_LENGTH);
  let at = 0;
  for (const entry of entries) {
    entry.id.copy(out, at);
    writeEntryTail(out, at + ID_LENGTH, entry);
    at += TOC_ENTRY_LENGTH;
  }
  at = renderDeltas(out, at, deltas);
  TOC_MAGIC.copy(out, at);
  out.writeBigUInt64LE(BigInt(offset), at + 8);
  out.writeUInt32LE(entries.length, at + 16);
  out.writeUInt32LE(deltas.length, at + 20);
  hash('sha256', out.subarray(0, length), 'buffer').copy(out, at + 24);
  out.writeUInt32LE(crc32(out.subarray(at, at + 60)), at + 60);
  return out;
}

export function writeEntryTail(out: Buffer, at: number, entry: RecordEntry): void {
  out.writeUInt32LE(entry.offset, at);
  out.writeUInt32LE(entry.rawLength, at + 4);
  out.writeUInt32LE(entry.storedLength, at + 8);
  out[at + 12] = entry.kind;
  out[at + 13] = entry.encoding;
}

/**
 * What writeEntryTail() wrote, into `entry`.
 * @param data bytes as DataView: many are read, and calls for each number take longer
 */
export function readTail(data: DataView, at: number, entry: RecordFields): void {
  entry.offset = data.getUint32(at, true);
  entry.rawLength = data.getUint32(at + 4, true);
  entry.storedLength = data.getUint32(at + 8, true);
  entry.kind = data.getUint8(at + 12) as RecordKind;
  entry.encoding = data.getUint8(at + 13) as Encoding;
}

/** Of the same bytes. */
export const dataOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export function renderDeltas(out: Buffer, at: number, deltas: readonly { number: number; base: Buffer }[]): number {
  let position = at;
  for (const { number, base } of deltas) {
    out.writeUInt32LE(number, position);
    base.copy(out, position + 4);
    position += DELTA_ENTRY_LENGTH;
  }
  return position;
}

/**
 * Reads which deltas have which bases. @param count of these pairs; @param kinds of the entries
 * @returns of each entry where the id of its base is in `bytes`; 0 for what is no delta
 */
export function findBases(bytes: Buffer, at: number, count: number, kinds: Uint8Array, path: string): Uint32Array {
  const found = new Uint32Array(kinds.length);
  for (let i = 0; i < count; i++) {
    const position = at + i * DELTA_ENTRY_LENGTH;
    const entry = bytes.readUInt32LE(position);
    if (kinds[entry] !== RecordKind.delta)
      throw damaged('pack', path, 'a base is listed for a record that is no delta', { offset: position });
    found[entry] = position + 4;
  }
  for (let entry = 0; entry < kinds.length; entry++)
    if (kinds[entry] === RecordKind.delta && found[entry] === 0) throw damaged('pack', path, 'a delta has no base');
  return found;
}

export interface PackTrailer {
  tocOffset: number;
  tocLength: number;
  entries: number;
  deltas: number;
  digest: Buffer;
}

/** @param packLength length of the whole pack; bounds what the trailer may claim */
export function parseTrailer(bytes: Buffer, path: string, packLength: number): PackTrailer {
  const offset = packLength - PACK_TRAILER_LENGTH;
  const isWhole = bytes.length >= PACK_TRAILER_LENGTH && bytes.subarray(0, 8).equals(TOC_MAGIC);
  if (!isWhole || crc32(bytes.subarray(0, 60)) !== bytes.readUInt32LE(60))
    throw damaged('pack', path, 'the trailer is not readable', { offset });
  const entries = bytes.readUInt32LE(16);
  const deltas = bytes.readUInt32LE(20);
  const tocLength = entries * TOC_ENTRY_LENGTH + deltas * DELTA_ENTRY_LENGTH;
  const tocOffset = Number(bytes.readBigUInt64LE(8));
  if (tocOffset < PACK_HEADER_LENGTH || tocOffset + tocLength !== offset)
    throw damaged('pack', path, 'the trailer claims a table of contents that does not fit', { offset });
  return { tocOffset, tocLength, entries, deltas, digest: Buffer.from(bytes.subarray(24, 56)) };
}

/** @throws REPOSITORY_DAMAGED; entries are checked to lie one behind the other without gaps */
export function parseToc(bytes: Buffer, trailer: PackTrailer, path: string): RecordEntry[] {
  if (!hash('sha256', bytes, 'buffer').equals(trailer.digest))
    throw damaged('pack', path, 'the checksum of the table of contents is wrong', { offset: trailer.tocOffset });
  const entries: RecordEntry[] = [];
  const data = dataOf(bytes);
  let next = PACK_HEADER_LENGTH;
  for (let i = 0; i < trailer.entries; i++) {
    const at = i * TOC_ENTRY_LENGTH;
    const entry: RecordEntry = { id: bytes.subarray(at, at + ID_LENGTH), ...NO_FIELDS };
    readTail(data, at + ID_LENGTH, entry);
    requireEntry(entry, path);
    if (entry.offset !== next)
      throw damaged('pack', path, 'records overlap or leave a gap', { offset: trailer.tocOffset + at });
    next += recordLength(entry);
    entries.push(entry);
  }
  const kinds = Uint8Array.from(entries, ({ kind }) => kind);
  const bases = findBases(bytes, trailer.entries * TOC_ENTRY_LENGTH, trailer.deltas, kinds, path);
  for (const [i, entry] of entries.entries())
    if (bases[i]! > 0) entry.base = bytes.subarray(bases[i], bases[i]! + ID_LENGTH);
  if (next !== trailer.tocOffset)
    throw damaged('pack', path, 'the records do not end where the table of contents begins', { offset: next });
  return entries;
}
