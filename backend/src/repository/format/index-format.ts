/** Index objects: which records lie in which packs (docs/format.md §2.4). */
import { hash } from 'node:crypto';
import { damaged } from '../storage/storage.ts';
import { DELTA_ENTRY_LENGTH, ID_LENGTH, MAX_PACK_LENGTH, PackClass } from './constants.ts';
import { repositoryIdBytes } from './ids.ts';
import { type RepositoryKeys, SALT_LENGTH } from './keys.ts';
import { type RecordEntry, readDeltas, readEntry, renderDeltas, requireEntry, writeEntryTail } from './pack-format.ts';
import { ENCRYPTED, openBehind, requireFlags, sealBehind } from './sealed.ts';

const MAGIC = Buffer.from('HVBKIDX1', 'latin1');
/** All before the salt. */
const HEAD_LENGTH = 44;
const COUNTS_LENGTH = 16;
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

/**
 * @param keys of an encrypted repository, else null
 * @returns the object's bytes and its name, which is their checksum
 */
export function renderIndex(
  index: IndexObject,
  repositoryId: string,
  keys: RepositoryKeys | null,
): { name: string; bytes: Buffer } {
  const head = Buffer.alloc(HEAD_LENGTH);
  MAGIC.copy(head, 0);
  head.writeUInt32LE(keys === null ? 0 : ENCRYPTED, 8);
  repositoryIdBytes(repositoryId).copy(head, 12);
  Buffer.from(index.sessionId, 'hex').copy(head, 28);
  const body = renderBody(index);
  const stored = Buffer.concat([head, keys === null ? body : sealBehind(keys, 'index', head, body)]);
  const digest = hash('sha256', stored, 'buffer');
  return { name: digest.toString('hex'), bytes: Buffer.concat([stored, digest]) };
}

function renderBody(index: IndexObject): Buffer {
  const entries = index.packs.flatMap((pack, number) => pack.records.map((record) => ({ record, number })));
  entries.sort((a, b) => a.record.id.compare(b.record.id) || a.number - b.number || a.record.offset - b.record.offset);
  const deltas = entries.flatMap(({ record }, number) => (record.base ? [{ number, base: record.base }] : []));
  const counts = [index.supersedes.length, index.packs.length, entries.length, deltas.length];
  const bytes = Buffer.alloc(bodyLength(counts));
  counts.forEach((count, i) => {
    bytes.writeUInt32LE(count, i * 4);
  });
  let at = COUNTS_LENGTH;
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
  renderDeltas(bytes, at, deltas);
  return bytes;
}

const bodyLength = ([superseded, packs, entries, deltas]: number[]): number =>
  COUNTS_LENGTH +
  superseded! * ID_LENGTH +
  packs! * PACK_LENGTH +
  entries! * ENTRY_LENGTH +
  deltas! * DELTA_ENTRY_LENGTH;

/**
 * @param path object path, for messages
 * @param keys of an encrypted repository, else null
 * @throws REPOSITORY_DAMAGED also when it is not encrypted as its repository is; NOT_SUPPORTED
 */
export function parseIndex(
  bytes: Buffer,
  path: string,
  repositoryId: string,
  keys: RepositoryKeys | null,
): IndexObject {
  const end = bytes.length - ID_LENGTH;
  if (end < HEAD_LENGTH || !bytes.subarray(0, 8).equals(MAGIC))
    throw damaged('index', path, 'this is not an index', { offset: 0 });
  const digest = hash('sha256', bytes.subarray(0, end), 'buffer');
  if (!digest.equals(bytes.subarray(end))) throw damaged('index', path, 'the checksum is wrong', { offset: end });
  if (!path.endsWith(digest.toString('hex'))) throw damaged('index', path, 'this index lies under a wrong name');
  requireFlags(bytes.readUInt32LE(8), keys, 'index', path);
  if (!bytes.subarray(12, 28).equals(repositoryIdBytes(repositoryId)))
    throw damaged('index', path, 'this index belongs to another repository', { offset: 12 });
  const sessionId = bytes.toString('hex', 28, HEAD_LENGTH);
  const stored = bytes.subarray(HEAD_LENGTH, end);
  if (keys === null) return { sessionId, ...parseBody(stored, path, HEAD_LENGTH) };
  const body = openBehind(keys, 'index', bytes.subarray(0, HEAD_LENGTH), stored, path);
  return { sessionId, ...parseBody(body, path, HEAD_LENGTH + SALT_LENGTH) };
}

/** @param start where `bytes` begins in the object, for messages */
function parseBody(bytes: Buffer, path: string, start: number): Omit<IndexObject, 'sessionId'> {
  const counts = bytes.length < COUNTS_LENGTH ? [] : [0, 4, 8, 12].map((offset) => bytes.readUInt32LE(offset));
  if (counts.length === 0 || bodyLength(counts) !== bytes.length)
    throw damaged('index', path, 'its counts do not fit its length', { offset: start });
  const [superseded, packCount, entryCount, deltaCount] = counts as [number, number, number, number];
  let at = COUNTS_LENGTH;
  const supersedes: string[] = [];
  for (let i = 0; i < superseded; i++, at += ID_LENGTH) supersedes.push(bytes.toString('hex', at, at + ID_LENGTH));
  const packs: IndexedPack[] = [];
  const expected: number[] = [];
  for (let i = 0; i < packCount; i++, at += PACK_LENGTH) {
    packs.push(parsePack(bytes, at, path, start));
    expected.push(bytes.readUInt32LE(at + 40));
  }
  const entries: RecordEntry[] = [];
  for (let i = 0; i < entryCount; i++, at += ENTRY_LENGTH) {
    const entry = readEntry(bytes, at, at + ID_LENGTH + 4);
    requireEntry(entry, path);
    const pack = packs[bytes.readUInt32LE(at + ID_LENGTH)];
    if (pack === undefined)
      throw damaged('index', path, 'an entry names no pack of this index', { offset: start + at });
    pack.records.push(entry);
    entries.push(entry);
  }
  readDeltas(bytes, at, deltaCount, entries, path);
  packs.forEach((pack, i) => {
    pack.records.sort((a, b) => a.offset - b.offset);
    if (pack.records.length !== expected[i])
      throw damaged('index', path, `it does not list all records of pack ${pack.id}`);
  });
  return { supersedes, packs };
}

function parsePack(bytes: Buffer, at: number, path: string, start: number): IndexedPack {
  const length = Number(bytes.readBigUInt64LE(at + 16));
  const packClass = bytes.readUInt16LE(at + 44);
  if (length > MAX_PACK_LENGTH * 2 || (packClass !== PackClass.blocks && packClass !== PackClass.nodes))
    throw damaged('index', path, 'a pack has an impossible length or class', { offset: start + at });
  const id = bytes.toString('hex', at, at + 16);
  return { id, length, sessionId: bytes.toString('hex', at + 24, at + 40), packClass, records: [] };
}
