/**
 * Which records are reached from a restore point: one bit a record, and live bytes a pack. Packs are rows of numbers,
 * 80 bytes each: there may be hundred thousands.
 */
import { RECORD_HEADER_LENGTH } from '../format/constants.ts';
import { PackIds } from './pack-ids.ts';
import type { RecordIndex, RecordLocation } from './record-index.ts';

/** What is known of a pack, as it is at the time. */
export interface PackState {
  id: string;
  /** Bytes of the object. */
  length: number;
  sessionId: string;
  records: number;
  /** No index names it. */
  unindexed: boolean;
  liveBytes: number;
  liveRecords: number;
}

export class LiveSet {
  readonly #ids = new PackIds();
  readonly #sessions: string[] = [];
  readonly #sessionRows = new Map<string, number>();
  #length = new Float64Array(64);
  #session = new Uint32Array(64);
  /** Number of records; the top bit says that it is loose. */
  #records = new Uint32Array(64);
  /** Of the first record in the bitmap. */
  #first = new Float64Array(64);
  #liveBytes = new Float64Array(64);
  #liveRecords = new Uint32Array(64);
  /** Row + 1 by the catalog's number of a pack. */
  #byNumber = new Int32Array(0);
  #bits = new Uint8Array(0);
  #bitCount = 0;

  /** Rows are 0 … size − 1. */
  get size(): number {
    return this.#ids.count;
  }

  /** Makes a pack known; later calls for the same pack change nothing. @returns its row */
  add(pack: Pick<PackState, 'id' | 'length' | 'sessionId' | 'records' | 'unindexed'>): number {
    const row = this.#ids.find(pack.id);
    if (row >= 0) return row;
    const added = this.#ids.add(pack.id);
    if (added >= this.#length.length) this.#growRows();
    let session = this.#sessionRows.get(pack.sessionId);
    if (session === undefined) {
      session = this.#sessions.push(pack.sessionId) - 1;
      this.#sessionRows.set(pack.sessionId, session);
    }
    this.#length[added] = pack.length;
    this.#session[added] = session;
    this.#records[added] = pack.records * 2 + Number(pack.unindexed);
    this.#first[added] = this.#bitCount;
    this.#bitCount += pack.records;
    return added;
  }

  /** Adds what the indexes name, and the packs that no index names. From then on byNumber() knows them. */
  addKnown(index: RecordIndex): void {
    this.#byNumber.fill(0);
    index.catalog.eachPack((pack) => {
      const row = this.add({ ...pack, unindexed: false });
      if (pack.number >= this.#byNumber.length) {
        const larger = new Int32Array(Math.max(1024, pack.number + 1, this.#byNumber.length * 2));
        larger.set(this.#byNumber);
        this.#byNumber = larger;
      }
      this.#byNumber[pack.number] = row + 1;
    });
    for (const pack of index.unindexedPacks.values())
      this.add({ ...pack, records: pack.records.length, unindexed: true });
  }

  /** The row of a pack by its number in the catalog as it was at the last addKnown(); -1 when there is none. */
  byNumber(number: number): number {
    return (this.#byNumber[number] ?? 0) - 1;
  }

  /** -1 when the pack is not known. */
  rowOf(packId: string): number {
    return this.#ids.find(packId);
  }

  /**
   * Makes the pack of one record known, so that only packs that matter cost memory.
   * @returns whether that was possible
   */
  addPackOf(location: RecordLocation, index: RecordIndex): boolean {
    if (this.#ids.has(location.packId)) return true;
    const unindexed = index.unindexedPacks.get(location.packId);
    const pack = unindexed
      ? { ...unindexed, records: unindexed.records.length }
      : index.catalog.pack(location.packNumber);
    if (pack?.id !== location.packId) return false;
    const { id, length, sessionId, records } = pack;
    this.add({ id, length, sessionId, records, unindexed: unindexed !== undefined });
    return true;
  }

  /** @returns false when it was marked before */
  mark(location: RecordLocation): boolean {
    const row = this.#ids.find(location.packId);
    return row < 0 || this.markRow(row, location.ordinal, location.storedLength);
  }

  /** The same by the row of the pack. */
  markRow(row: number, ordinal: number, storedLength: number): boolean {
    if (ordinal >= this.#recordsOf(row)) return true;
    const bit = this.#first[row]! + ordinal;
    const byte = Math.floor(bit / 8);
    if (byte >= this.#bits.length) this.#growBits(byte);
    const mask = 1 << (bit % 8);
    if (this.#bits[byte]! & mask) return false;
    this.#bits[byte]! |= mask;
    this.#liveBytes[row]! += RECORD_HEADER_LENGTH + storedLength;
    this.#liveRecords[row]! += 1;
    return true;
  }

  isLive(packId: string, ordinal: number): boolean {
    const row = this.#ids.find(packId);
    return row >= 0 && this.isLiveRow(row, ordinal);
  }

  isLiveRow(row: number, ordinal: number): boolean {
    if (ordinal >= this.#recordsOf(row)) return false;
    const bit = this.#first[row]! + ordinal;
    return ((this.#bits[Math.floor(bit / 8)] ?? 0) & (1 << (bit % 8))) !== 0;
  }

  get(packId: string): PackState | undefined {
    const row = this.#ids.find(packId);
    return row < 0 ? undefined : this.state(row);
  }

  state(row: number): PackState {
    return {
      id: this.#ids.id(row),
      length: this.#length[row]!,
      sessionId: this.#sessions[this.#session[row]!]!,
      records: this.#recordsOf(row),
      unindexed: this.#records[row]! % 2 === 1,
      liveBytes: this.#liveBytes[row]!,
      liveRecords: this.#liveRecords[row]!,
    };
  }

  /** Every pack, or the first `end` that became known. */
  *states(end = this.size): Generator<PackState> {
    for (let row = 0; row < end; row++) yield this.state(row);
  }

  /** Nothing lives in the pack any more. */
  clear(packId: string): void {
    const row = this.#ids.find(packId);
    if (row < 0) return;
    this.#liveBytes[row] = 0;
    this.#liveRecords[row] = 0;
  }

  #recordsOf(row: number): number {
    return Math.floor(this.#records[row]! / 2);
  }

  #growRows(): void {
    const [numbers, counts] = [
      (old: Float64Array<ArrayBuffer>) => grown(old, new Float64Array(old.length * 2)),
      (old: Uint32Array<ArrayBuffer>) => grown(old, new Uint32Array(old.length * 2)),
    ];
    this.#length = numbers(this.#length);
    this.#first = numbers(this.#first);
    this.#liveBytes = numbers(this.#liveBytes);
    this.#session = counts(this.#session);
    this.#records = counts(this.#records);
    this.#liveRecords = counts(this.#liveRecords);
  }

  #growBits(byte: number): void {
    this.#bits = grown(
      this.#bits,
      new Uint8Array(Math.max(byte + 1, this.#bits.length * 2, Math.ceil(this.#bitCount / 8))),
    );
  }
}

function grown<T extends Uint8Array | Uint32Array | Float64Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
