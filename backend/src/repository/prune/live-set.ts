/** Which records are reached from a restore point: one bit a record, and live bytes a pack. */
import { RECORD_HEADER_LENGTH } from '../format/constants.ts';
import type { RecordIndex, RecordLocation } from '../records/record-index.ts';

export interface PackState {
  id: string;
  /** Bytes of the object. */
  length: number;
  sessionId: string;
  records: number;
  /** No index names it. */
  loose: boolean;
  /** Of the first record in the bitmap. */
  first: number;
  liveBytes: number;
  liveRecords: number;
}

export class LiveSet {
  readonly packs = new Map<string, PackState>();
  readonly #sessions = new Map<string, string>();
  #bits = new Uint8Array(0);
  #count = 0;

  /** Makes a pack known; later calls for the same pack change nothing. */
  add(pack: Pick<PackState, 'id' | 'length' | 'sessionId' | 'records' | 'loose'>): void {
    if (this.packs.has(pack.id)) return;
    const { id, length, records, loose } = pack;
    // Many packs of few sessions: one string a session.
    const sessionId = this.#sessions.get(pack.sessionId) ?? pack.sessionId;
    this.#sessions.set(sessionId, sessionId);
    this.packs.set(id, { id, length, sessionId, records, loose, first: this.#count, liveBytes: 0, liveRecords: 0 });
    this.#count += pack.records;
  }

  /** Adds what the indexes name, and the packs that no index names. */
  addKnown(index: RecordIndex): void {
    for (const pack of index.catalog.packs()) this.add({ ...pack, loose: false });
    for (const pack of index.loosePacks.values()) this.add({ ...pack, records: pack.records.length, loose: true });
  }

  /** Makes the pack of one record known, so that only packs that matter cost memory. @returns whether that was possible */
  addPackOf(location: RecordLocation, index: RecordIndex): boolean {
    if (this.packs.has(location.packId)) return true;
    const loose = index.loosePacks.get(location.packId);
    const pack = loose ? { ...loose, records: loose.records.length } : index.catalog.pack(location.packNumber);
    if (pack?.id !== location.packId) return false;
    const { id, length, sessionId, records } = pack;
    this.add({ id, length, sessionId, records, loose: loose !== undefined });
    return true;
  }

  /** @returns false when it was marked before */
  mark(location: RecordLocation): boolean {
    const pack = this.packs.get(location.packId);
    if (pack === undefined || location.ordinal >= pack.records) return true;
    const bit = pack.first + location.ordinal;
    const byte = Math.floor(bit / 8);
    if (byte >= this.#bits.length) this.#grow(byte);
    const mask = 1 << (bit % 8);
    if (this.#bits[byte]! & mask) return false;
    this.#bits[byte]! |= mask;
    pack.liveBytes += RECORD_HEADER_LENGTH + location.storedLength;
    pack.liveRecords += 1;
    return true;
  }

  isLive(packId: string, ordinal: number): boolean {
    const pack = this.packs.get(packId);
    if (pack === undefined) return false;
    const bit = pack.first + ordinal;
    return ((this.#bits[Math.floor(bit / 8)] ?? 0) & (1 << (bit % 8))) !== 0;
  }

  #grow(byte: number): void {
    const larger = new Uint8Array(Math.max(byte + 1, this.#bits.length * 2, Math.ceil(this.#count / 8)));
    larger.set(this.#bits);
    this.#bits = larger;
  }
}
