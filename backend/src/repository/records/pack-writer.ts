/** One pack while it is being written: records are appended as they come, the table of contents closes it. */
import { randomBytes } from 'node:crypto';
import { HvError } from '../../support/errors.ts';
import type { RecordCipher } from '../engine/record-cipher.ts';
import {
  type Encoding,
  PACK_HEADER_LENGTH,
  PACK_TARGET_LENGTH,
  PACK_TRAILER_LENGTH,
  type PackClass,
  type RecordKind,
} from '../format/constants.ts';
import type { IndexedPack } from '../format/index-format.ts';
import type { RepositoryKeys } from '../format/keys.ts';
import { packName } from '../format/names.ts';
import {
  type PackHeader,
  parsePackHeader,
  parseToc,
  parseTrailer,
  type RecordEntry,
  renderPackHeader,
  renderToc,
} from '../format/pack-format.ts';
import type { PutStream, Storage } from '../storage/storage.ts';
import { packCipher } from './pack-ciphers.ts';

/** Who writes: what every pack of a session has in common. */
export interface PackOwner {
  repositoryId: string;
  sessionId: string;
  /** Null when the repository is not encrypted. */
  keys: RepositoryKeys | null;
}

/** A record within a run of encoded records. */
export interface RunRecord {
  id: Buffer;
  kind: RecordKind;
  encoding: Encoding;
  rawLength: number;
  storedLength: number;
  /** Of a delta. */
  base?: Buffer;
  /** Of the record header within the run. */
  at: number;
}

export class PackWriter {
  readonly id: string;
  /** For its records, in an encrypted repository. */
  readonly cipher: RecordCipher | undefined;
  readonly #header: PackHeader;
  readonly #stream: Promise<PutStream>;
  /** The header is written. */
  readonly #opened: Promise<void>;
  readonly #entries: RecordEntry[] = [];
  #length = PACK_HEADER_LENGTH;
  #sequence = 0;
  /** Bytes announced by reserve() and not yet appended. */
  #expected = 0;
  #reservations = 0;
  #idle: (() => void) | undefined;

  /** @param id of the new pack */
  constructor(storage: Storage, owner: PackOwner, packClass: PackClass, id: string) {
    this.id = id;
    const { repositoryId, sessionId, keys } = owner;
    const salt = randomBytes(32);
    this.cipher = keys === null ? undefined : packCipher(keys, repositoryId, this.id, salt);
    this.#header = { repositoryId, sessionId, packId: this.id, packClass, salt, encrypted: keys !== null };
    const bytes = renderPackHeader(this.#header);
    parsePackHeader(bytes, packName(this.id), repositoryId);
    this.#stream = storage.createPut(packName(this.id));
    this.#opened = this.#stream.then((stream) => stream.append([bytes]));
    this.#opened.catch(() => undefined);
  }

  /** No further record should go here; what is in flight may come out smaller than announced. */
  get isFull(): boolean {
    return this.#length + this.#expected / 2 >= PACK_TARGET_LENGTH;
  }

  /** Announces `count` records of at most `bytes`. @returns the sequence number of the first */
  reserve(count: number, bytes: number): number {
    this.#reservations += 1;
    this.#expected += bytes;
    const first = this.#sequence;
    this.#sequence += count;
    return first;
  }

  /** Takes a reservation back whose records will not come. */
  cancel(bytes: number): void {
    this.#expected -= bytes;
    this.#reservations -= 1;
    if (this.#reservations === 0) this.#idle?.();
  }

  /** Appends a run of encoded records and ends its reservation. The run may be reused when it resolves. */
  append(run: Uint8Array, records: readonly RunRecord[], reserved: number): Promise<void> {
    const start = this.#length;
    this.#length += run.length;
    for (const { at, id, base, ...record } of records) {
      const copies = { id: Buffer.from(id), ...(base ? { base: Buffer.from(base) } : {}) };
      this.#entries.push({ ...record, ...copies, offset: start + at });
    }
    return this.#stream.then((stream) => stream.append([run])).finally(() => this.cancel(reserved));
  }

  /** Waits for what is in flight, writes the table of contents and publishes. @returns null when it holds no record */
  async seal(): Promise<IndexedPack | null> {
    if (this.#reservations > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    const stream = await this.#stream;
    await this.#opened;
    if (this.#entries.length === 0) {
      await stream.abort();
      return null;
    }
    const toc = renderToc(this.#entries, this.#length);
    const length = this.#length + toc.length;
    this.#verify(toc, length);
    try {
      await stream.append([toc]);
      if (!(await stream.commit())) throw new HvError('FILE_EXISTS', `The pack exists already: ${packName(this.id)}`);
    } finally {
      await stream.abort();
    }
    return {
      id: this.id,
      length,
      sessionId: this.#header.sessionId,
      packClass: this.#header.packClass,
      records: this.#entries,
    };
  }

  async abort(): Promise<void> {
    await this.#stream.then((stream) => stream.abort()).catch(() => undefined);
  }

  /** What is published must decode to what was stored (docs/format.md §5, rule 10). */
  #verify(toc: Buffer, length: number): void {
    const name = packName(this.id);
    const trailer = parseTrailer(toc.subarray(toc.length - PACK_TRAILER_LENGTH), name, length);
    const parsed = parseToc(toc.subarray(0, trailer.tocLength), trailer, name);
    const same = parsed.every((entry, i) => {
      const expected = this.#entries[i]!;
      return sameEntry(entry, expected);
    });
    if (!same || parsed.length !== this.#entries.length)
      throw new HvError('INTERNAL', `${name}: the table of contents does not decode to what was written`);
  }
}

/** Whether two listings say the same of a record. */
export const sameEntry = (a: RecordEntry, b: RecordEntry | undefined): boolean =>
  a.offset === b?.offset &&
  a.kind === b.kind &&
  a.id.equals(b.id) &&
  (a.base === b.base || (a.base !== undefined && b.base !== undefined && a.base.equals(b.base)));
