/** What the catalog's statements take and give, as values of the program. */
import type { CatalogPack } from '../repository/port/catalog.ts';
import type { SegmentInfo } from './segments/segment-format.ts';
import type { StagedEntries } from './segments/staged-entries.ts';
import type { Statements } from './sqlite-schema.ts';

export type Row = Record<string, number | string | Uint8Array>;

export const toPack = (row: Row): CatalogPack => ({
  number: Number(row.number),
  id: String(row.id),
  length: Number(row.length),
  sessionId: String(row.session),
  packClass: Number(row.class) as CatalogPack['packClass'],
  records: Number(row.records),
});

/** All packs by their numbers. As arrays rows of hundred thousands take half the time. */
export function* eachPack(sql: Statements): Generator<CatalogPack> {
  for (const row of sql.packs.iterate() as unknown as Iterable<(number | string)[]>) {
    const [number, id, length, session, packClass, records] = row;
    yield {
      number: Number(number),
      id: String(id),
      length: Number(length),
      sessionId: String(session),
      packClass: Number(packClass) as CatalogPack['packClass'],
      records: Number(records),
    };
  }
}

/** Names of the segments that count. */
export const listedSegments = (sql: Statements): string[] =>
  (sql.segments.all() as Row[]).map((row) => String(row.name));

export const segmentInfos = (sql: Statements): SegmentInfo[] =>
  (sql.segments.all() as Row[]).map((row) => ({
    name: String(row.name),
    tag: Number(row.tag),
    pages: Number(row.pages),
    entries: Number(row.entries),
  }));

/** Pairs of texts that a statement with rows as arrays gives. */
export function readPairs(rows: Iterable<unknown>): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of rows as Iterable<[string, string]>) found.set(key, value);
  return found;
}

/** Packs whose entries should be swept out: only when it pays, since all segments are rewritten for it. */
export function stalePacks(sql: Statements): number[] {
  // Of the segments, which are few: adding up the packs would take as long as a small backup where there are many.
  const { entries, stale } = sql.staleRecords.get() as { entries: number; stale: number };
  if (stale <= 1000 || stale * 4 <= entries - stale) return [];
  return (sql.stalePacks.all() as Row[]).map((row) => Number(row.pack));
}

/** Entries are in so few packs that these are asked for one by one: there may be hundreds of thousands of others. */
const FEW_ENTRIES = 100_000;

/**
 * @param entries whose packs will be asked for.
 * @returns whether there is a pack with this number, as of now or later
 */
export function livePacks(sql: Statements, entries: number): (pack: number) => boolean {
  const last = (sql.lastPack.get() as { number: number | null }).number ?? 0;
  if (entries <= FEW_ENTRIES) {
    const known = new Map<number, boolean>();
    return (pack) => {
      const live = known.get(pack) ?? sql.pack.get(pack) !== undefined;
      known.set(pack, live);
      return live;
    };
  }
  const live = new Uint8Array(last + 1);
  for (const row of sql.packNumbers.iterate() as Iterable<Row>) live[Number(row.number)] = 1;
  return (pack) => live[pack] === 1;
}

/**
 * Enters staged indexes with their packs; within a transaction.
 * @returns the number of each pack that is new, else 0
 */
export function addStagedIndexes(sql: Statements, staged: StagedEntries): Uint32Array {
  const numbers = new Uint32Array(staged.packs.length);
  for (const { name, supersedes, first, end } of staged.indexes) {
    // Another process was quicker.
    if (sql.hasIndex.get(name) !== undefined) continue;
    sql.addIndex.run(name);
    for (const old of supersedes) sql.addSupersedes.run(name, old);
    for (let i = first; i < end; i++) {
      const pack = staged.packs[i]!;
      let number = (sql.packById.get(pack.id) as Row | undefined)?.number;
      if (number === undefined) {
        const { id, length, sessionId, packClass, records, blocks, blockBytes, nodes } = pack;
        number = Number(
          sql.addPack.run(id, length, sessionId, packClass, records, blocks, blockBytes, nodes).lastInsertRowid,
        );
        numbers[i] = number;
        for (const { ordinal, base } of pack.bases) sql.addBase.run(number, ordinal, base);
      }
      sql.addIndexPack.run(name, number);
    }
  }
  return numbers;
}

/** What an unusable file, or a text in it that is not what was written, gives. */
export const isCatalogFailure = (error: unknown): boolean =>
  (error as NodeJS.ErrnoException).code === 'ERR_SQLITE_ERROR' ||
  (error as NodeJS.ErrnoException).syscall !== undefined ||
  error instanceof SyntaxError;
