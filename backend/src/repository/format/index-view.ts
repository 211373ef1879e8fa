/**
 * Index objects where they lie (docs/format.md §2.4): every byte is checked here, once, and records are read from the
 * bytes. An object and a few buffers for each of millions of records would cost more than all the rest of loading them.
 */
import { hash } from 'node:crypto';
import { damaged } from '../errors.ts';
import { DELTA_ENTRY_LENGTH, Encoding, ID_LENGTH, MAX_PACK_LENGTH, PackClass, RecordKind } from './constants.ts';
import { repositoryIdBytes } from './ids.ts';
import { type RepositoryKeys, SALT_LENGTH } from './keys.ts';
import { dataOf, findBases, impossibleRecord, isPossible, type RecordFields, readTail } from './pack-format.ts';
import { openBehind, requireFlags } from './sealed.ts';

export const INDEX_MAGIC = Buffer.from('HVBKIDX1', 'latin1');
/** All before the salt. */
export const INDEX_HEAD_LENGTH = 44;
export const INDEX_COUNTS_LENGTH = 16;
export const INDEX_PACK_LENGTH = 48;
export const INDEX_ENTRY_LENGTH = 52;
/** Of an entry: the number of its pack, then what tables of contents say of a record too. */
const PACK_AT = ID_LENGTH;
const TAIL_AT = ID_LENGTH + 4;
/** Of a pack: the number of its records. */
const RECORDS_AT = 40;
/**
 * More entries than an object of 256 MiB can have; with an offset below 2^30 before it, a sort key is a whole number.
 */
const MAX_ENTRIES = 2 ** 23;

/** What an index says of a pack besides its records. */
export interface PackFacts {
  id: string;
  /** Length of the pack object, bytes. */
  length: number;
  sessionId: string;
  packClass: PackClass;
}

/** A record where it lies: one object for one after the other, valid until the callback that gets it returns. */
export class RecordCursor implements RecordFields {
  kind: RecordKind = RecordKind.block;
  encoding: Encoding = Encoding.stored;
  offset = 0;
  rawLength = 0;
  storedLength = 0;
  /** Its id are the 32 bytes from `idAt` on. */
  bytes: Buffer;
  /** The same bytes. */
  data: DataView;
  idAt = 0;
  /** Id of a delta's base, 32 bytes; a view. */
  base: Buffer | undefined;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.data = dataOf(bytes);
  }
}

/** What of an index goes into a catalog. */
export interface IndexRecords {
  /** Names (64 hex digits) of the indexes this one replaces. */
  readonly supersedes: readonly string[];
  readonly packs: readonly PackFacts[];
  /** Passes on the records of `packs[pack]` in order of their offsets: the n-th has the ordinal n. */
  eachRecord(pack: number, visit: (record: RecordCursor, ordinal: number) => void): void;
}

/** Bytes behind the head, before encryption: of counts of superseded indexes, packs, entries and deltas. */
export const indexBodyLength = ([superseded, packs, entries, deltas]: readonly number[]): number =>
  INDEX_COUNTS_LENGTH +
  superseded! * ID_LENGTH +
  packs! * INDEX_PACK_LENGTH +
  entries! * INDEX_ENTRY_LENGTH +
  deltas! * DELTA_ENTRY_LENGTH;

export class IndexView implements IndexRecords {
  readonly sessionId: string;
  readonly supersedes: string[] = [];
  readonly packs: PackFacts[] = [];
  readonly #path: string;
  /** Counts, superseded indexes, packs, entries, deltas. */
  readonly #body: Buffer;
  /** Where the body begins in the object, for messages. */
  readonly #start: number;
  readonly #entriesAt: number;
  /** Entries, pack after pack, those of each by their offsets. */
  readonly #order: Uint32Array;
  /** Of each pack where its entries begin in #order; one more: the end. */
  readonly #first: Uint32Array;
  /** Of each entry where the id of its base is in the body; 0: it has none. */
  readonly #bases: Uint32Array;

  /**
   * @param path object path, for messages
   * @param keys of an encrypted repository, else null
   * @throws REPOSITORY_DAMAGED also when it is not encrypted as its repository is; NOT_SUPPORTED
   */
  constructor(bytes: Buffer, path: string, repositoryId: string, keys: RepositoryKeys | null) {
    this.#path = path;
    const stored = provenBody(bytes, path, repositoryId, keys);
    this.sessionId = bytes.toString('hex', 28, INDEX_HEAD_LENGTH);
    this.#start = INDEX_HEAD_LENGTH + (keys === null ? 0 : SALT_LENGTH);
    const head = bytes.subarray(0, INDEX_HEAD_LENGTH);
    this.#body = keys === null ? stored : openBehind(keys, 'index', head, stored, path);
    const [superseded, packs, entries, deltas] = this.#readCounts();
    let at = INDEX_COUNTS_LENGTH;
    for (let i = 0; i < superseded; i++, at += ID_LENGTH)
      this.supersedes.push(this.#body.toString('hex', at, at + ID_LENGTH));
    this.#first = new Uint32Array(packs + 1);
    for (let i = 0; i < packs; i++, at += INDEX_PACK_LENGTH) this.#readPack(at);
    this.#entriesAt = at;
    const kinds = this.#requireEntries(entries);
    this.#bases = findBases(this.#body, at + entries * INDEX_ENTRY_LENGTH, deltas, kinds, path);
    this.#order = this.#sortByPack(entries, at - packs * INDEX_PACK_LENGTH);
  }

  eachRecord(pack: number, visit: (record: RecordCursor, ordinal: number) => void): void {
    const body = this.#body;
    const record = new RecordCursor(body);
    const first = this.#first[pack]!;
    const end = this.#first[pack + 1]!;
    for (let i = first; i < end; i++) {
      const entry = this.#order[i]!;
      record.idAt = this.#entriesAt + entry * INDEX_ENTRY_LENGTH;
      readTail(record.data, record.idAt + TAIL_AT, record);
      const base = this.#bases[entry]!;
      record.base = base === 0 ? undefined : body.subarray(base, base + ID_LENGTH);
      visit(record, i - first);
    }
  }

  #readCounts(): [number, number, number, number] {
    const body = this.#body;
    const counts = body.length < INDEX_COUNTS_LENGTH ? [] : [0, 4, 8, 12].map((offset) => body.readUInt32LE(offset));
    if (counts.length === 0 || indexBodyLength(counts) !== body.length || counts[2]! > MAX_ENTRIES)
      throw this.#damaged('its counts do not fit its length', 0);
    return counts as [number, number, number, number];
  }

  #readPack(at: number): void {
    const body = this.#body;
    const length = Number(body.readBigUInt64LE(at + 16));
    const packClass = body.readUInt16LE(at + 44);
    if (length > MAX_PACK_LENGTH * 2 || (packClass !== PackClass.blocks && packClass !== PackClass.nodes))
      throw this.#damaged('a pack has an impossible length or class', at);
    const id = body.toString('hex', at, at + 16);
    this.packs.push({ id, length, sessionId: body.toString('hex', at + 24, at + RECORDS_AT), packClass });
  }

  /**
   * Every entry is possible and names a pack; counts those of each pack in #first, one place behind its own.
   * @returns their kinds
   */
  #requireEntries(entries: number): Uint8Array {
    const body = this.#body;
    const record = new RecordCursor(body);
    const kinds = new Uint8Array(entries);
    const packs = this.packs.length;
    for (let i = 0, at = this.#entriesAt; i < entries; i++, at += INDEX_ENTRY_LENGTH) {
      readTail(record.data, at + TAIL_AT, record);
      if (!isPossible(record)) throw impossibleRecord(this.#path, record.offset, body.subarray(at, at + ID_LENGTH));
      const pack = record.data.getUint32(at + PACK_AT, true);
      if (pack >= packs) throw this.#damaged('an entry names no pack of this index', at);
      this.#first[pack + 1]! += 1;
      kinds[i] = record.kind;
    }
    return kinds;
  }

  /** @param packsAt where the packs are listed. @returns see #order */
  #sortByPack(entries: number, packsAt: number): Uint32Array {
    const body = this.#body;
    const first = this.#first;
    for (let pack = 0; pack < this.packs.length; pack++) {
      if (first[pack + 1] !== body.readUInt32LE(packsAt + pack * INDEX_PACK_LENGTH + RECORDS_AT))
        throw damaged('index', this.#path, `it does not list all records of pack ${this.packs[pack]!.id}`);
      first[pack + 1]! += first[pack]!;
    }
    const next = first.slice();
    const data = dataOf(body);
    const keys = new Float64Array(entries);
    for (let i = 0, at = this.#entriesAt; i < entries; i++, at += INDEX_ENTRY_LENGTH) {
      const pack = data.getUint32(at + PACK_AT, true);
      keys[next[pack]!] = data.getUint32(at + TAIL_AT, true) * MAX_ENTRIES + i;
      next[pack]! += 1;
    }
    const order = new Uint32Array(entries);
    for (let pack = 0; pack < this.packs.length; pack++)
      if (first[pack + 1]! - first[pack]! > 1) keys.subarray(first[pack], first[pack + 1]).sort();
    for (let i = 0; i < entries; i++) order[i] = keys[i]! % MAX_ENTRIES;
    return order;
  }

  #damaged(message: string, at: number): Error {
    return damaged('index', this.#path, message, { offset: this.#start + at });
  }
}

/** @returns what is stored behind the head of an object that is what its name says, and of this repository */
function provenBody(bytes: Buffer, path: string, repositoryId: string, keys: RepositoryKeys | null): Buffer {
  const end = bytes.length - ID_LENGTH;
  if (end < INDEX_HEAD_LENGTH || !bytes.subarray(0, 8).equals(INDEX_MAGIC))
    throw damaged('index', path, 'this is not an index', { offset: 0 });
  const digest = hash('sha256', bytes.subarray(0, end), 'buffer');
  if (!digest.equals(bytes.subarray(end))) throw damaged('index', path, 'the checksum is wrong', { offset: end });
  if (!path.endsWith(digest.toString('hex'))) throw damaged('index', path, 'this index lies under a wrong name');
  requireFlags(bytes.readUInt32LE(8), keys, 'index', path);
  if (!bytes.subarray(12, 28).equals(repositoryIdBytes(repositoryId)))
    throw damaged('index', path, 'this index belongs to another repository', { offset: 12 });
  return bytes.subarray(INDEX_HEAD_LENGTH, end);
}
