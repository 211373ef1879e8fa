/**
 * Reads single records, decoded and proven: tries every record an id has, learns of packs that moved, and reports what is
 * damaged. Streams read in bulk and come here with what failed.
 */
import { type HvError, isHvError, toHvError } from '../../support/errors.ts';
import { decodePayload } from '../engine/codec.ts';
import { MAX_BLOCK_SIZE, RECORD_HEADER_LENGTH, RecordKind } from '../format/constants.ts';
import { packName } from '../format/ids.ts';
import { parseRecordHeader } from '../format/pack-format.ts';
import { damaged, type Storage } from '../storage/storage.ts';
import type { DamageLog } from './damage-log.ts';
import { readPackTail } from './pack-tail.ts';
import type { IdClass, RecordIndex, RecordLocation } from './record-index.ts';

export class RecordReader {
  readonly #storage: Storage;
  readonly #repositoryId: string;
  readonly #index: RecordIndex;
  readonly #damage: DamageLog;
  readonly #reload: (effort: 'refresh' | 'packs' | 'catalog') => Promise<void>;

  /** @param reload brings the index up to date: from the listing; from packs without index; from nothing */
  constructor(
    storage: Storage,
    repositoryId: string,
    index: RecordIndex,
    damage: DamageLog,
    reload: (effort: 'refresh' | 'packs' | 'catalog') => Promise<void>,
  ) {
    this.#storage = storage;
    this.#repositoryId = repositoryId;
    this.#index = index;
    this.#damage = damage;
    this.#reload = reload;
  }

  /** Where the id's records are; asks the storage again before it says nowhere. @throws REPOSITORY_DAMAGED */
  async locate(kind: IdClass, id: Buffer): Promise<RecordLocation[]> {
    for (const effort of ['refresh', 'packs', null] as const) {
      const found = this.#index.findAll(kind, id);
      if (found.length > 0) return found;
      if (effort !== null) await this.#reload(effort);
    }
    throw this.#missing(kind, id);
  }

  /** The content of block or node `id`. @throws REPOSITORY_DAMAGED with pack and offset, IO_ERROR */
  async read(kind: IdClass, id: Buffer): Promise<Buffer> {
    let problem: HvError | undefined;
    for (const effort of ['refresh', 'catalog', null] as const) {
      for (const location of await this.locate(kind, id)) {
        try {
          return await this.readAt(kind, id, location);
        } catch (error) {
          problem = toHvError(error);
          if (problem.code === 'REPOSITORY_DAMAGED') await this.#confirm(kind, id, location, problem);
          else if (problem.code !== 'FILE_NOT_FOUND' && problem.code !== 'IO_ERROR') throw problem;
        }
      }
      // A pack that is gone was rewritten since; a record that is elsewhere means a wrong catalog.
      if (effort === null || (problem?.code !== 'FILE_NOT_FOUND' && problem?.data.catalogWrong !== true)) break;
      await this.#reload(problem.data.catalogWrong === true ? 'catalog' : effort);
    }
    if (problem?.code === 'FILE_NOT_FOUND') throw this.#missing(kind, id, problem);
    throw problem ?? this.#missing(kind, id);
  }

  /** One attempt at one record. @throws REPOSITORY_DAMAGED, FILE_NOT_FOUND, IO_ERROR */
  async readAt(kind: IdClass, id: Buffer, location: RecordLocation): Promise<Buffer> {
    const path = packName(location.packId);
    if (location.storedLength > MAX_BLOCK_SIZE)
      throw damaged('index', path, 'a record is listed with an impossible length', { offset: location.offset });
    const bytes = Buffer.allocUnsafe(RECORD_HEADER_LENGTH + location.storedLength);
    await this.#storage.read(path, location.offset, bytes);
    const header = parseRecordHeader(bytes, 0, path, location.offset);
    const facts = { offset: location.offset, id: id.toString('hex') };
    const object = kind === RecordKind.node ? 'node' : 'block';
    if (header.kind !== kind || !header.id.equals(id) || header.storedLength !== location.storedLength)
      throw damaged(object, path, 'another record lies here than the one listed', facts);
    const payload = bytes.subarray(RECORD_HEADER_LENGTH);
    const raw = decodePayload(kind, header.encoding, payload, header.rawLength, id);
    if (typeof raw === 'string') throw damaged(object, path, raw, facts);
    return raw;
  }

  /** Reads again before it calls a record damaged, and asks the pack itself whether the record belongs there. */
  async #confirm(kind: IdClass, id: Buffer, location: RecordLocation, problem: HvError): Promise<void> {
    const again = await this.readAt(kind, id, location).then(
      () => null,
      (error) => toHvError(error),
    );
    if (again === null || again.code !== 'REPOSITORY_DAMAGED') return;
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
