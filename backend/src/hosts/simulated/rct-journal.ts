/**
 * The RCT journal of one disk: which granules changed in which epoch. A range is durable here before its data is
 * written, so a record cut short by a crash belongs to data that was never written and is ignored. Everything the
 * caller knew to be durable is checked against what is readable: less means the journal is damaged, and there is no
 * answer from it.
 */
import { readFile } from 'node:fs/promises';
import { HvError, isHvError, toHvError } from '../../support/errors.ts';
import { openFile, publishFile, type RandomAccessFile, removeFile } from '../../support/file.ts';
import { temporaryName } from '../../support/temporary-files.ts';
import {
  decodeHeader,
  decodeRanges,
  decodeRecord,
  encodeHeader,
  encodeRanges,
  encodeRecord,
  encodeSeal,
  HEADER_BYTES,
  type JournalHeader,
  RECORD_HEAD_BYTES,
  RECORD_RANGES,
  RECORD_SEAL,
} from './rct-format.ts';
import { coarsen, type GranuleSet, unite } from './rct-ranges.ts';

/** Bytes: a change is reported as the 4 KiB granules it touches. */
export const GRANULARITY = 4096;
/** A record holds at most this many ranges, so that a payload stays far below its bound. */
const RANGES_A_RECORD = 100_000;
/** Above this, an epoch is coarsened when the journal is rewritten: 16 bytes of memory a range. */
const MOST_RANGES = 4_000_000;

/** What a journal holds, as read. */
export interface Journal {
  header: JournalHeader;
  /** The last seal: the id of the epoch that is being written now. */
  lastSeal: number;
  /** Per epoch, the records in file order. An epoch that is not here was dropped or never was. */
  epochs: Map<number, GranuleSet[]>;
  /** Bytes of intact records; whatever follows was torn by a crash. */
  length: number;
}

/** The durable part of a journal its owner knows of, to check a file against. */
export interface JournalMark {
  tracker: string;
  generation: number;
  length: number;
}

/** Path of the journal beside the disk file. */
export const journalPath = (diskFile: string): string => `${diskFile}.rct`;

const lost = (path: string, what: string): HvError =>
  new HvError('TRACKING_LOST', `Change tracking of the disk is lost: ${what}: ${path}`, {
    advice: 'Take a full backup of this disk; tracking starts anew with it.',
    data: { path },
  });

/**
 * Reads and checks a journal.
 * @throws TRACKING_LOST when it is missing, damaged, another tracker's, or lacks what `mark` says is durable
 */
export async function readJournal(path: string, mark: JournalMark): Promise<Journal> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const cause = toHvError(error, path);
    if (isHvError(cause, 'FILE_NOT_FOUND')) throw lost(path, 'the journal is missing');
    throw cause;
  }
  const header = decodeHeader(bytes);
  if (!header) throw lost(path, 'the journal has no valid header');
  if (header.tracker !== mark.tracker) throw lost(path, 'the journal belongs to another tracker');
  const journal = parse(bytes, header);
  if (!journal) throw lost(path, 'the journal holds no seal');
  // A rewrite that was renamed into place but not yet recorded by its owner is one generation ahead, and complete.
  const needed =
    header.generation === mark.generation ? Math.max(mark.length, header.intactLength) : header.intactLength;
  if (header.generation < mark.generation) throw lost(path, 'the journal is an old copy');
  if (journal.length < needed) throw lost(path, `the journal is damaged at 0x${journal.length.toString(16)}`);
  return journal;
}

function parse(bytes: Buffer, header: JournalHeader): Journal | null {
  const epochs = new Map<number, GranuleSet[]>();
  let lastSeal = 0;
  let at = HEADER_BYTES;
  for (;;) {
    const record = decodeRecord(bytes, at, header.generation);
    if (!record) break;
    if (record.type === RECORD_SEAL && record.payload.length === 4) {
      const counter = record.payload.readUInt32LE(0);
      if (counter <= lastSeal) break;
      lastSeal = counter;
      epochs.set(counter, []);
    } else if (record.type === RECORD_RANGES) {
      const set = decodeRanges(record.payload);
      const epoch = epochs.get(lastSeal);
      if (!set || !epoch) break;
      epoch.push(set);
    } else break;
    at += RECORD_HEAD_BYTES + record.payload.length;
  }
  return lastSeal === 0 ? null : { header, lastSeal, epochs, length: at };
}

/**
 * All that changed from seal `since` until seal `until`.
 * @throws TRACKING_ID_INVALID when an epoch between them is not kept any more, or the ids are not in order
 */
export function changesBetween(journal: Journal, since: number, until: number): GranuleSet {
  const sets: GranuleSet[] = [];
  for (let epoch = since; epoch < until; epoch++) {
    const of = journal.epochs.get(epoch);
    if (of) sets.push(...of);
  }
  if (since > until || until > journal.lastSeal || !journal.epochs.has(since)) {
    throw new HvError('TRACKING_ID_INVALID', `The journal does not reach from seal ${since} to seal ${until}`, {
      advice: 'Take a full backup of this disk.',
      data: { since, until, lastSeal: journal.lastSeal, firstSeal: firstSeal(journal) },
    });
  }
  return unite(sets);
}

const firstSeal = (journal: Journal): number => journal.epochs.keys().next().value ?? 0;

/** Starts a journal with seal `counter`, replacing what was there. Durable when it returns. */
export async function createJournal(
  path: string,
  header: Omit<JournalHeader, 'intactLength'>,
  counter: number,
): Promise<JournalMark> {
  return await writeJournal(path, header, new Map([[counter, []]]));
}

/**
 * Rewrites a journal without the epochs before `keepFrom`, each remaining one merged to one set. A crash leaves the old
 * file or the new one, both right.
 */
export async function compactJournal(path: string, journal: Journal, keepFrom: number): Promise<JournalMark> {
  const kept = [...journal.epochs].filter(([counter]) => counter >= keepFrom || counter === journal.lastSeal);
  const merged = new Map(kept.map(([counter, sets]) => [counter, [bounded(unite(sets))]]));
  return await writeJournal(path, { ...journal.header, generation: journal.header.generation + 1 }, merged);
}

function bounded(set: GranuleSet): GranuleSet {
  let out = set;
  for (let factor = 4; out.length / 2 > MOST_RANGES; factor *= 4) out = coarsen(out, factor);
  return out;
}

async function writeJournal(
  path: string,
  header: Omit<JournalHeader, 'intactLength'>,
  epochs: Map<number, GranuleSet[]>,
): Promise<JournalMark> {
  const records: Buffer[] = [];
  let length = HEADER_BYTES;
  const add = (type: number, payload: Buffer): void => {
    const record = encodeRecord(type, payload, length, header.generation);
    records.push(record);
    length += record.length;
  };
  for (const [counter, sets] of epochs) {
    add(RECORD_SEAL, encodeSeal(counter));
    for (const set of sets) for (const payload of rangePayloads(set)) add(RECORD_RANGES, payload);
  }
  const temporary = temporaryName(path);
  const file = await openFile(temporary, 'create');
  try {
    await file.writeFully(0, Buffer.concat([encodeHeader({ ...header, intactLength: length }), ...records]));
    await file.sync();
    await file.close();
    await publishFile(temporary, path, { replace: true });
  } catch (error) {
    await file.close().catch(() => undefined);
    await removeFile(temporary).catch(() => undefined);
    throw error;
  }
  return { tracker: header.tracker, generation: header.generation, length };
}

function* rangePayloads(set: GranuleSet): Generator<Buffer> {
  for (let at = 0; at < set.length; at += 2 * RANGES_A_RECORD) {
    yield encodeRanges(set.slice(at, at + 2 * RANGES_A_RECORD));
  }
}

/** Appends to a journal. One at a time: the holder of the host's lock. */
export class JournalWriter {
  readonly #file: RandomAccessFile;
  readonly #generation: number;
  readonly tracker: string;
  #length: number;

  private constructor(file: RandomAccessFile, journal: Journal) {
    this.#file = file;
    this.#generation = journal.header.generation;
    this.tracker = journal.header.tracker;
    this.#length = journal.length;
  }

  /** Opens after what `journal` (just read) holds; a torn tail is cut off first. */
  static async open(path: string, journal: Journal): Promise<JournalWriter> {
    const file = await openFile(path, 'write');
    if ((await file.size()) !== journal.length) await file.truncate(journal.length);
    return new JournalWriter(file, journal);
  }

  /** What is durable after the last call. */
  get mark(): JournalMark {
    return { tracker: this.tracker, generation: this.#generation, length: this.#length };
  }

  /** Records changed granules. Durable when it returns. */
  async append(set: GranuleSet): Promise<void> {
    await this.#write([...rangePayloads(set)].map((payload) => [RECORD_RANGES, payload]));
  }

  /** Ends the epoch: what is recorded from now on is newer than `counter`. Durable when it returns. */
  async seal(counter: number): Promise<void> {
    await this.#write([[RECORD_SEAL, encodeSeal(counter)]]);
  }

  async #write(records: [number, Buffer][]): Promise<void> {
    if (records.length === 0) return;
    let length = this.#length;
    const encoded = records.map(([type, payload]) => {
      const record = encodeRecord(type, payload, length, this.#generation);
      length += record.length;
      return record;
    });
    await this.#file.writeFully(this.#length, Buffer.concat(encoded));
    await this.#file.sync();
    this.#length = length;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
