/**
 * Ids looked up together: both they and the segments are gone through once, in order. A look-up of its own for each of
 * millions costs several times as much, and a page read for each.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import { RecordKind } from '../../repository/format/constants.ts';
import type { CatalogEntry, JoinVisitor } from '../../repository/port/catalog.ts';
import { type IdRuns, RUNS } from './id-runs.ts';
import { ID_SPACE, mergeSlice, ROOM, SLICE } from './merge.ts';
import type { Segment } from './segment.ts';
import { ENTRY_LENGTH, ENTRY_WORDS, KEY_LENGTH, PAGE_ENTRIES, prefixOf, readEntry } from './segment-format.ts';
import { sortEntries } from './sort-entries.ts';

/** Fewer ids than this share of a slice's pages are looked for in parts of the slice. */
const SPARSE = 1 / 4;

/**
 * Passes to `visitor`, for each id, ascending, its records of blocks and deltas; ids whose first six bytes are alike
 * are passed one after the other, also when only one of them was asked for.
 * @throws SegmentDamage
 */
export async function joinIds(ids: IdRuns, inputs: readonly Segment[], visitor: JoinVisitor): Promise<void> {
  const total = inputs.reduce((sum, segment) => sum + segment.info.entries, 0);
  const room = Buffer.from(new Uint32Array(ROOM * ENTRY_WORDS).buffer);
  const perRun = Math.max(1, Math.ceil(total / RUNS / SLICE));
  for (let run = 0; run < RUNS; run++) {
    const wanted = ids.sorted(run);
    if (wanted.length === 0) continue;
    const [start, span] = [(ID_SPACE / RUNS) * run, ID_SPACE / RUNS];
    // Where few are asked for, only the pages they are on are read.
    const sparse = wanted.length < (total / RUNS / PAGE_ENTRIES) * SPARSE;
    const parts = sparse ? wanted.length : perRun;
    let at = 0;
    for (let part = 0; part < parts; part++) {
      if (part % 64 === 0) await breathe();
      visitor.pause?.();
      const from = sparse ? wanted[part]! : start + Math.floor((span / parts) * part);
      const to = sparse
        ? from + 1
        : part === parts - 1
          ? start + span
          : start + Math.floor((span / parts) * (part + 1));
      let end = at;
      while (end < wanted.length && wanted[end]! < to) end += 1;
      if (end === at) continue;
      at = joinSlice(wanted, at, end, inputs, from, to, room, visitor);
    }
  }
}

/** @returns `end` */
function joinSlice(
  wanted: Float64Array,
  start: number,
  end: number,
  inputs: readonly Segment[],
  from: number,
  to: number,
  room: Buffer,
  visitor: JoinVisitor,
): number {
  let at = start;
  mergeSlice(inputs, from, to, room, (count) => {
    const order = sortEntries(room, count);
    for (let i = 0; i < count; ) {
      const first = order[i]! * ENTRY_LENGTH;
      const prefix = prefixOf(room, first);
      while (at < end && wanted[at]! < prefix) visitor.missing(wanted[at++]!);
      if (at === end || wanted[at] !== prefix) {
        i += 1;
        continue;
      }
      at += 1;
      i = visitGroups(room, order, i, count, prefix, visitor);
    }
  });
  while (at < end) visitor.missing(wanted[at++]!);
  return end;
}

/** All entries of one prefix, id after id. @returns the position behind them */
function visitGroups(
  room: Buffer,
  order: Uint32Array,
  start: number,
  count: number,
  prefix: number,
  visitor: JoinVisitor,
): number {
  let i = start;
  let passed = false;
  const begins = (): boolean => i < count && prefixOf(room, order[i]! * ENTRY_LENGTH) === prefix;
  while (begins()) {
    const first = order[i]! * ENTRY_LENGTH;
    const entries: CatalogEntry[] = [];
    let at = first;
    do {
      const entry = readEntry(room, at);
      if (entry.kind !== RecordKind.node) entries.push(entry);
      i += 1;
      // The comparison is for the few that begin alike: it takes longer than all the rest.
      if (!begins()) break;
      at = order[i]! * ENTRY_LENGTH;
    } while (room.compare(room, first, first + KEY_LENGTH, at, at + KEY_LENGTH) === 0);
    if (entries.length === 0) continue;
    passed = true;
    visitor.found(entries, prefix);
  }
  if (!passed) visitor.missing(prefix);
  return i;
}
