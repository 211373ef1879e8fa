/** Puts segments together: slice after slice of the id space, each gathered, sorted and written in order. */
import { setImmediate as breathe } from 'node:timers/promises';
import type { Segment } from './segment.ts';
import { lowerBound } from './segment.ts';
import { checkPage, ENTRY_LENGTH, ENTRY_WORDS, PACK_WORD, PAGE_LENGTH } from './segment-format.ts';
import type { SegmentWriter } from './segment-writer.ts';
import { sortEntries } from './sort-entries.ts';

/** Entries of a slice, and room for twice as many: ids are spread evenly but not exactly. */
export const SLICE = 64 * 1024;
export const ROOM = 2 * SLICE;
export const ID_SPACE = 2 ** 48;

/** Pages read at once, into memory that is kept: of new memory each time a hundred megabytes would wait to be freed. */
const READ_PAGES = 64;
const READ: Buffer = Buffer.allocUnsafeSlow(READ_PAGES * PAGE_LENGTH);

/**
 * @param isLive true for packs whose entries are kept
 * @param isWanted asked between slices
 * @returns false when it was stopped. @throws SegmentDamage
 */
export async function mergeSegments(
  inputs: readonly Segment[],
  target: SegmentWriter,
  isLive: (pack: number) => boolean,
  isWanted: () => boolean,
): Promise<boolean> {
  const total = inputs.reduce((sum, segment) => sum + segment.info.entries, 0);
  const slices = Math.max(1, Math.ceil(total / SLICE));
  const words = new Uint32Array(ROOM * ENTRY_WORDS);
  const entries = Buffer.from(words.buffer);
  for (let slice = 0; slice < slices; slice++) {
    await breathe();
    if (!isWanted()) return false;
    const from = Math.floor((ID_SPACE / slices) * slice);
    const to = slice === slices - 1 ? ID_SPACE : Math.floor((ID_SPACE / slices) * (slice + 1));
    mergeSlice(inputs, from, to, entries, (count) => {
      const order = sortEntries(entries, count);
      for (let i = 0; i < count; i++) {
        const at = order[i]! * ENTRY_WORDS;
        if (isLive(words[at + PACK_WORD]!)) target.append(words, at);
      }
    });
  }
  return true;
}

/**
 * Gathers what lies in [from, to), in no order; halves the slice where it holds more than expected.
 * @param entries room for ROOM of them; @param emit called for each part, ascending, with the number of its entries
 */
export function mergeSlice(
  inputs: readonly Segment[],
  from: number,
  to: number,
  entries: Buffer,
  emit: (count: number) => void,
): void {
  let count = 0;
  for (const input of inputs) {
    const added = gather(input, from, to, entries, count);
    if (added === null) {
      // A single prefix cannot fill it: ids are hashes.
      const middle = Math.floor((from + to) / 2);
      mergeSlice(inputs, from, middle, entries, emit);
      mergeSlice(inputs, middle, to, entries, emit);
      return;
    }
    count += added;
  }
  emit(count);
}

/** @returns entries added behind the first `count`; null when there is no room */
function gather(input: Segment, from: number, to: number, entries: Buffer, count: number): number | null {
  const first = Math.max(0, input.pageOf(from) - 1);
  const end = Math.min(input.info.pages, input.pageOf(to));
  if (end <= first) return 0;
  let bytes = READ;
  let added = 0;
  for (let number = first; number < end; number++) {
    const at = (number - first) % READ_PAGES;
    if (at === 0) bytes = input.readPages(number, Math.min(READ_PAGES, end - number), READ);
    const page = bytes.subarray(at * PAGE_LENGTH, (at + 1) * PAGE_LENGTH);
    const held = checkPage(page, input.info, number);
    const [low, high] = [lowerBound(page, held, from), lowerBound(page, held, to)];
    if (count + added + high - low > ROOM) return null;
    page.copy(entries, (count + added) * ENTRY_LENGTH, low * ENTRY_LENGTH, high * ENTRY_LENGTH);
    added += high - low;
  }
  return added;
}
