/** Index objects: which records lie in which packs (docs/format.md §2.4). */
import { hash } from 'node:crypto';
import { ID_LENGTH } from './constants.ts';
import { repositoryIdBytes } from './ids.ts';
import {
  INDEX_COUNTS_LENGTH,
  INDEX_ENTRY_LENGTH,
  INDEX_HEAD_LENGTH,
  INDEX_MAGIC,
  INDEX_PACK_LENGTH,
  type IndexRecords,
  IndexView,
  indexBodyLength,
  type PackFacts,
  RecordCursor,
} from './index-view.ts';
import type { RepositoryKeys } from './keys.ts';
import { dataOf, type RecordEntry, renderDeltas, writeEntryTail } from './pack-format.ts';
import { ENCRYPTED, sealBehind } from './sealed.ts';

const NOTHING = Buffer.alloc(0);

/** A pack with all of its records, in order of their offsets: a record's position here is its ordinal. */
export interface IndexedPack extends PackFacts {
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
  const head = Buffer.alloc(INDEX_HEAD_LENGTH);
  INDEX_MAGIC.copy(head, 0);
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
  const bytes = Buffer.alloc(indexBodyLength(counts));
  counts.forEach((count, i) => {
    bytes.writeUInt32LE(count, i * 4);
  });
  let at = INDEX_COUNTS_LENGTH;
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
    at += INDEX_PACK_LENGTH;
  }
  for (const { record, number } of entries) {
    record.id.copy(bytes, at);
    bytes.writeUInt32LE(number, at + ID_LENGTH);
    writeEntryTail(bytes, at + ID_LENGTH + 4, record);
    at += INDEX_ENTRY_LENGTH;
  }
  renderDeltas(bytes, at, deltas);
  return bytes;
}

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
  const view = new IndexView(bytes, path, repositoryId, keys);
  const packs = view.packs.map((pack, number) => {
    const records: RecordEntry[] = [];
    view.eachRecord(number, ({ bytes, idAt, kind, encoding, offset, rawLength, storedLength, base }) => {
      const id = bytes.subarray(idAt, idAt + ID_LENGTH);
      records.push({ id, kind, encoding, offset, rawLength, storedLength, ...(base && { base }) });
    });
    return { ...pack, records };
  });
  return { sessionId: view.sessionId, supersedes: view.supersedes, packs };
}

/** What a catalog takes of an index that is in memory. */
export function recordsOf(index: IndexObject): IndexRecords {
  return {
    supersedes: index.supersedes,
    packs: index.packs,
    eachRecord(pack, visit) {
      const cursor = new RecordCursor(NOTHING);
      for (const [ordinal, { id, base, ...fields }] of index.packs[pack]!.records.entries())
        visit(Object.assign(cursor, fields, { bytes: id, data: dataOf(id), base }), ordinal);
    },
  };
}
