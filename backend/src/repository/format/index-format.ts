/** Index objects: which records lie in which packs (docs/format.md §2.4). */
import { hash } from 'node:crypto';
import { damaged } from '../storage/storage.ts';
import { DELTA_ENTRY_LENGTH, ID_LENGTH, MAX_PACK_LENGTH, PackClass } from './constants.ts';
import { repositoryIdBytes } from './ids.ts';
import {
  type RecordEntry,
  readDeltas,
  readEntry,
  renderDeltas,
  requireEntry,
  requireFlags,
  writeEntryTail,
} from './pack-format.ts';

const MAGIC = Buffer.from('HVBKIDX1', 'latin1');
const HEADER_LENGTH = 60;
const PACK_LENGTH = 48;
const ENTRY_LENGTH = 52;

/** A pack with all of its records, in order of their offsets: a record's position here is its ordinal. */
export interface IndexedPack {
  id: string;
  /** Length of the pack object, bytes. */
  length: number;
  sessionId: string;
  packClass: PackClass;
  records: RecordEntry[];
}

export interface IndexObject {
  sessionId: string;
  /** Names (64 hex digits) of the indexes this one replaces. */
  supersedes: string[];
  packs: IndexedPack[];
}

/** @returns the object's bytes and its name, which is their checksum */
export function renderIndex(index: IndexObject, repositoryId: string): { name: string; bytes: Buffer } {
  const entries = index.packs.flatMap((pack, number) => pack.records.map((record) => ({ record, number })));
  entries.sort((a, b) => a.record.id.compare(b.record.id) || a.number - b.number || a.record.offset - b.record.offset);
  const deltas = entries.flatMap(({ record }, number) => (record.base ? [{ number, base: record.base }] : []));
  const counts = [index.supersedes.length, index.packs.length, entries.length, deltas.length];
  const bytes = Buffer.alloc(bodyLength(counts) + ID_LENGTH);
  MAGIC.copy(bytes, 0);
  repositoryIdBytes(repositoryId).copy(bytes, 12);
  Buffer.from(index.sessionId, 'hex').copy(bytes, 28);
  counts.forEach((count, i) => {
    bytes.writeUInt32LE(count, 44 + i * 4);
  });
  let at = HEADER_LENGTH;
  for (const name of index.supersedes) {
    Buffer.from(name, 'hex').copy(bytes, at);
    at += ID_LENGTH;
  }
  for (const pack of index.packs) {
    Buffer.from(pack.id, 'hex').copy(bytes, at);
    bytes.writeBigUInt64LE(BigInt(pack.length), at + 16);
    Buffer.from(pack.sessionId, 'hex').copy(bytes, at + 24);
    bytes.writeUInt32LE(pack.records.length, at + 40);
    bytes.writeUInt16LE(pack.packClass, at + 44);
    at += PACK_LENGTH;
  }
  for (const { record, number } of entries) {
    record.id.copy(bytes, at);
    bytes.writeUInt32LE(number, at + ID_LENGTH);
    writeEntryTail(bytes, at + ID_LENGTH + 4, record);
    at += ENTRY_LENGTH;
  }
  at = renderDeltas(bytes, at, deltas);
  const digest = hash('sha256', bytes.subarray(0, at), 'buffer');
  digest.copy(bytes, at);
  return { name: digest.toString('hex'), bytes };
}

const bodyLength = ([superseded, packs, entries, deltas]: number[]): number =>
  HEADER_LENGTH +
  superseded! * ID_LENGTH +
  packs! * PACK_LENGTH +
  entries! * ENTRY_LENGTH +
  deltas! * DELTA_ENTRY_LENGTH;

/** @param path object path, for messages. @throws REPOSITORY_DAMAGED, NOT_SUPPORTED when encrypted */
export function parseIndex(bytes: Buffer, path: string, repositoryId: string): IndexObject {
  if (bytes.length < HEADER_LENGTH + ID_LENGTH || !bytes.subarray(0, 8).equals(MAGIC))
    throw damaged('index', path, 'this is not an index', { offset: 0 });
  const end = bytes.length - ID_LENGTH;
  const digest = hash('sha256', bytes.subarray(0, end), 'buffer');
  if (!digest.equals(bytes.subarray(end))) throw damaged('index', path, 'the checksum is wrong', { offset: end });
  if (!path.endsWith(digest.toString('hex'))) throw damaged('index', path, 'this index lies under a wrong name');
  requireFlags(bytes.readUInt32LE(8), path);
  if (!bytes.subarray(12, 28).equals(repositoryIdBytes(repositoryId)))
    throw damaged('index', path, 'this index belongs to another repository', { offset: 12 });
  const counts = [44, 48, 52, 56].map((offset) => bytes.readUInt32LE(offset));
  if (bodyLength(counts) !== end) throw damaged('index', path, 'its counts do not fit its length', { offset: 44 });
  const [superseded, packCount, entryCount, deltaCount] = counts as [number, number, number, number];
  let at = HEADER_LENGTH;
  const supersedes: string[] = [];
  for (let i = 0; i < superseded; i++, at += ID_LENGTH) supersedes.push(bytes.toString('hex', at, at + ID_LENGTH));
  const packs: IndexedPack[] = [];
  const expected: number[] = [];
  for (let i = 0; i < packCount; i++, at += PACK_LENGTH) {
    packs.push(parsePack(bytes, at, path));
    expected.push(bytes.readUInt32LE(at + 40));
  }
  const entries: RecordEntry[] = [];
  for (let i = 0; i < entryCount; i++, at += ENTRY_LENGTH) {
    const entry = readEntry(bytes, at, at + ID_LENGTH + 4);
    requireEntry(entry, path);
    const pack = packs[bytes.readUInt32LE(at + ID_LENGTH)];
    if (pack === undefined) throw damaged('index', path, 'an entry names no pack of this index', { offset: at });
    pack.records.push(entry);
    entries.push(entry);
  }
  readDeltas(bytes, at, deltaCount, entries, path);
  packs.forEach((pack, i) => {
    pack.records.sort((a, b) => a.offset - b.offset);
    if (pack.records.length !== expected[i])
      throw damaged('index', path, `it does not list all records of pack ${pack.id}`);
  });
  return { sessionId: bytes.toString('hex', 28, 44), supersedes, packs };
}

function parsePack(bytes: Buffer, at: number, path: string): IndexedPack {
  const length = Number(bytes.readBigUInt64LE(at + 16));
  const packClass = bytes.readUInt16LE(at + 44);
  if (length > MAX_PACK_LENGTH * 2 || (packClass !== PackClass.blocks && packClass !== PackClass.nodes))
    throw damaged('index', path, 'a pack has an impossible length or class', { offset: at });
  const id = bytes.toString('hex', at, at + 16);
  return { id, length, sessionId: bytes.toString('hex', at + 24, at + 40), packClass, records: [] };
}
