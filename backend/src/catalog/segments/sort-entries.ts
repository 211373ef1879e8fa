/** Sorts entries by their ids: natively by the first 32 bits, the few that share these by all of their bytes. */
import { ENTRY_LENGTH } from './segment-format.ts';

/** Largest number sorted at once: the position of an entry goes into the sort key. */
export const MAX_SORT = 2 ** 19;

/** @returns positions of the entries in order; @param count at most MAX_SORT */
export function sortEntries(entries: Buffer, count: number): Uint32Array {
  const keys = new Float64Array(count);
  for (let i = 0; i < count; i++) keys[i] = entries.readUInt32BE(i * ENTRY_LENGTH) * MAX_SORT + i;
  keys.sort();
  const order = new Uint32Array(count);
  let last = -1;
  for (let i = 0; i < count; i++) {
    const prefix = Math.floor(keys[i]! / MAX_SORT);
    order[i] = keys[i]! - prefix * MAX_SORT;
    if (prefix === last) sink(entries, order, i);
    last = prefix;
  }
  return order;
}

/** Moves the entry at position `i` of the order to its place among those before it. */
function sink(entries: Buffer, order: Uint32Array, i: number): void {
  for (let at = i; at > 0; at--) {
    const [a, b] = [order[at - 1]! * ENTRY_LENGTH, order[at]! * ENTRY_LENGTH];
    if (entries.compare(entries, b, b + ENTRY_LENGTH, a, a + ENTRY_LENGTH) <= 0) return;
    const moved = order[at]!;
    order[at] = order[at - 1]!;
    order[at - 1] = moved;
  }
}
