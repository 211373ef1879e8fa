/**
 * Reads single records, decoded and proven: tries every record an id has, learns of packs that moved, and reports what
 * is damaged. Streams read in bulk and come here with what failed.
 */
import { HvError, hex, isHvError, toHvError } from '../../support/errors.ts';
import { type DecodedWhole, decodeDelta, decodeWhole, type RecordContext } from '../engine/codec.ts';
import { applyDelta } from '../engine/delta.ts';
import { damaged } from '../errors.ts';
import { type BlockScheme, recordRoom } from '../format/block-scheme.ts';
import { MAX_NODE_LENGTH, RECORD_HEADER_LENGTH, RecordKind } from '../format/constants.ts';
import { TAG_LENGTH } from '../format/keys.ts';
import { packName } from '../format/names.ts';
import { parseRecordHeader, type RecordEntry } from '../format/pack-format.ts';
import type { Storage } from '../storage/storage.ts';
import type { DamageLog } from './damage-log.ts';
import type { PackCiphers } from './pack-ciphers.ts';
import { readPackTail } from './pack-tail.ts';
import { classOf, type IdClass, type RecordIndex, type RecordLocation } from './record-index.ts';

/** Nodes do not depend on the block size. */
const SMALLEST_ROOM = MAX_NODE_LENGTH + RECORD_HEADER_LENGTH + TAG_LENGTH;

export class RecordReader {
  readonly #storage: Storage;
  readonly #repositoryId: string;
  readonly #index: RecordIndex;
  readonly #damage: DamageLog;
  readonly #scheme: BlockScheme;
  readonly #ciphers: PackCiphers;
  readonly #reload: (effort: 'refresh' | 'packs' | 'catalog') => Promise<void>;
  /** Packs that are not there, after everything was asked again: the next block of theirs is not worth a listing. */
  readonly #gone = new Set<string>();
  /**
   * A catalog that is wrong is right when it has been loaded anew; lost packs, and indexes that lie, would have it
   * loaded for each block.
   */
  #reloaded = false;

  /** @param reload brings the index up to date: from the listing; from packs without index; from nothing */
  constructor(
    storage: Storage,
    repositoryId: string,
    codec: { scheme: BlockScheme; ciphers: PackCiphers },
    index: RecordIndex,
    damage: DamageLog,
    reload: (effort: 'refresh' | 'packs' | 'catalog') => Promise<void>,
  ) {
    this.#storage = storage;
    this.#repositoryId = repositoryId;
    this.#scheme = codec.scheme;
    this.#ciphers = codec.ciphers;
    this.#index = index;
    this.#damage = damage;
    this.#reload = reload;
  }

  /** Where the id's records are; asks the storage again before it says nowhere. @throws REPOSITORY_DAMAGED */
  async locate(kind: IdClass, id: Buffer, onlyWhole = false): Promise<RecordLocation[]> {
    for (const effort of ['refresh', 'packs', null] as const) {
      const found = onlyWhole ? this.#index.findWhole(id) : this.#index.findAll(kind, id);
      if (found.length > 0) return found;
      if (effort !== null) await this.#reload(effort);
    }
    throw this.#missing(kind, id);
  }

  /**
   * The content of block or node `id`, a buffer of its own. Of a block that is stored as a delta it may end in zeros.
   * @throws REPOSITORY_DAMAGED with pack and offset, IO_ERROR
   */
  async read(kind: IdClass, id: Buffer): Promise<Buffer> {
    return (await this.#readAny(kind, id, false)).plain;
  }

  /** Whether one record reads right, its base too when it is a delta. Records no damage. @throws IO_ERROR */
  async isSound(kind: IdClass, id: Buffer, location: RecordLocation): Promise<boolean> {
    try {
      (await this.#readAt(kind, id, location)).free();
      return true;
    } catch (error) {
      if (isHvError(error, 'REPOSITORY_DAMAGED', 'FILE_NOT_FOUND', 'NOT_SUPPORTED')) return false;
      throw error;
    }
  }

  async #readAny(kind: IdClass, id: Buffer, onlyWhole: boolean): Promise<DecodedWhole> {
    let problem: HvError | undefined;
    let absent: string[] = [];
    for (const effort of ['refresh', 'packs', 'catalog', null] as const) {
      absent = [];
      for (const location of await this.locate(kind, id, onlyWhole)) {
        try {
          return await this.#readAt(kind, id, location);
        } catch (error) {
          problem = toHvError(error);
          if (problem.code === 'REPOSITORY_DAMAGED') await this.#confirm(kind, id, location, problem);
          else if (problem.code !== 'FILE_NOT_FOUND' && problem.code !== 'IO_ERROR') throw problem;
          if (problem.code === 'FILE_NOT_FOUND') absent.push(location.packId);
          // A pack that no index names is found only by a look at all packs, and that is for when nothing is known.
          if (problem.code === 'FILE_NOT_FOUND' && location.packNumber < 0)
            this.#index.removeUnindexed(location.packId);
        }
      }
      if (effort === null || !(await this.#learn(problem, effort, absent))) break;
    }
    for (const pack of absent) this.#gone.add(pack);
    if (problem?.code === 'FILE_NOT_FOUND') throw this.#missing(kind, id, problem);
    throw problem ?? this.#missing(kind, id);
  }

  /**
   * Asks again: a pack that is gone was rewritten since; a record that is elsewhere means a wrong catalog.
   * @param absent packs that were not there
   * @returns whether it is worth another attempt
   */
  async #learn(
    problem: HvError | undefined,
    effort: 'refresh' | 'packs' | 'catalog',
    absent: readonly string[],
  ): Promise<boolean> {
    const isWrong = problem?.data.catalogWrong === true;
    const isGone = problem?.code === 'FILE_NOT_FOUND' && !absent.every((pack) => this.#gone.has(pack));
    if (isGone && effort !== 'catalog') {
      await this.#reload(effort);
      return true;
    }
    if (!(isWrong || isGone) || this.#reloaded) return false;
    this.#reloaded = true;
    await this.#reload('catalog');
    return true;
  }

  /** One attempt at one record. @throws REPOSITORY_DAMAGED, FILE_NOT_FOUND, IO_ERROR */
  async #readAt(kind: IdClass, id: Buffer, location: RecordLocation): Promise<DecodedWhole> {
    const { record, bytes, context } = await this.fetch(kind, id, location);
    if (record.base !== undefined) return this.#readDelta(location, record, bytes, context);
    const whole = decodeWhole(record, bytes, context);
    if (typeof whole === 'string') throw damagedRecord(kind, id, location, whole);
    return whole;
  }

  /**
   * The record at `location` as it is stored, its header checked.
   * @throws REPOSITORY_DAMAGED, FILE_NOT_FOUND, IO_ERROR
   */
  async fetch(
    kind: IdClass,
    id: Buffer,
    location: RecordLocation,
  ): Promise<{ record: RecordEntry; bytes: Buffer; context: RecordContext }> {
    const path = packName(location.packId);
    if (RECORD_HEADER_LENGTH + location.storedLength > Math.max(recordRoom(this.#scheme), SMALLEST_ROOM))
      throw damaged('index', path, 'a record is listed with an impossible length', { offset: location.offset });
    const cipher = await this.#ciphers.of(location.packId);
    const bytes = Buffer.allocUnsafe(RECORD_HEADER_LENGTH + location.storedLength);
    await this.#storage.read(path, location.offset, bytes);
    const record = parseRecordHeader(bytes, 0, path, location.offset);
    const asListed =
      classOf(record.kind) === kind && record.id.equals(id) && record.storedLength === location.storedLength;
    if (asListed && record.kind === location.kind) return { record, bytes, context: { scheme: this.#scheme, cipher } };
    throw damagedRecord(kind, id, location, 'another record lies here than the one listed');
  }

  /** A delta over its base. What is wrong with the base is reported with both names, and not held against the delta. */
  async #readDelta(
    location: RecordLocation,
    record: RecordEntry,
    bytes: Buffer,
    context: RecordContext,
  ): Promise<DecodedWhole> {
    const { id } = record;
    const delta = decodeDelta(record, bytes, context);
    if (typeof delta === 'string') throw damagedRecord(RecordKind.block, id, location, delta);
    const base = await this.#readAny(RecordKind.block, record.base!, true).catch((error) => {
      throw baseProblem(toHvError(error), id, location);
    });
    const plain = Buffer.allocUnsafe(delta.pages.length * context.scheme.pageSize);
    const length = applyDelta(delta, base, context.scheme, plain, 0);
    if (typeof length === 'string') throw damagedRecord(RecordKind.block, id, location, length);
    return { list: delta.list, plain, free: () => undefined };
  }

  /** Reads again before it calls a record damaged, and asks the pack itself whether the record belongs there. */
  async #confirm(kind: IdClass, id: Buffer, location: RecordLocation, problem: HvError): Promise<void> {
    if (problem.data.delta !== undefined) return;
    const again = await this.#readAt(kind, id, location).then(
      () => null,
      (error) => toHvError(error),
    );
    if (again === null || again.code !== 'REPOSITORY_DAMAGED' || again.data.delta !== undefined) return;
    if (location.packNumber >= 0 && (await this.#isElsewhere(id, location))) {
      problem.data.catalogWrong = true;
      return;
    }
    await this.#damage.record(location, id, problem.message);
  }

  /** Whether the pack's own table of contents contradicts the catalog. */
  async #isElsewhere(id: Buffer, location: RecordLocation): Promise<boolean> {
    const pack = this.#index.catalog.pack(location.packNumber);
    if (pack === undefined) return true;
    try {
      const { records } = await readPackTail(this.#storage, this.#repositoryId, pack.id, pack.length);
      return !records.some((record) => record.offset === location.offset && record.id.equals(id));
    } catch (error) {
      if (isHvError(error, 'REPOSITORY_DAMAGED', 'FILE_NOT_FOUND', 'IO_ERROR')) return false;
      throw error;
    }
  }

  #missing(kind: IdClass, id: Buffer, cause?: unknown): HvError {
    const object = kind === RecordKind.node ? 'node' : 'block';
    return damaged(object, 'packs', `no pack holds this ${object}`, { id: id.toString('hex'), cause });
  }
}

function damagedRecord(kind: IdClass, id: Buffer, { packId, offset }: RecordLocation, why: string): HvError {
  const object = kind === RecordKind.node ? 'node' : 'block';
  return damaged(object, packName(packId), why, { offset, id: id.toString('hex') });
}

/** Says of a base that cannot be read which delta needs it. */
function baseProblem(problem: HvError, id: Buffer, { packId, offset }: RecordLocation): HvError {
  if (problem.code !== 'REPOSITORY_DAMAGED') return problem;
  const delta = { path: packName(packId), offset, id: id.toString('hex') };
  const message = `${problem.message}; block ${delta.id} (${delta.path} at ${hex(offset)}) is a delta over it`;
  const data = { ...problem.data, delta };
  return new HvError(problem.code, message, { advice: problem.advice, data, cause: problem });
}
