/**
 * Sorts entries by their ids: by the first 32 bits digit after digit, the few that share these by all of their bytes.
 */
import { ENTRY_LENGTH } from './segment-format.ts';

/** Most entries that are sorted at once: what is kept from one sort to the next is 8 bytes of each. */
export const MAX_SORT = 2 ** 19;

/** Bits of a digit, and where the digits begin: three make 32 bits, the last one has a bit less. */
const DIGIT_BITS = 11;
const BUCKETS = 2 ** DIGIT_BITS;
const SHIFTS = [0, DIGIT_BITS, 2 * DIGIT_BITS] as const;
/** Entries with the same beginning: so many are put in place one by one. Ids are hashes, but that is not guaranteed. */
const FEW = 16;

/** Kept between calls: megabytes of new memory each time would wait to be freed. */
let keys = new Uint32Array(1024);
let spare = new Uint32Array(1024);
const counts = SHIFTS.map(() => new Uint32Array(BUCKETS));

/** @returns positions of the entries in order; @param count at most MAX_SORT */
export function sortEntries(entries: Buffer, count: number): Uint32Array {
  if (count <= FEW) {
    const few = Uint32Array.from({ length: count }, (_, i) => i);
    sortAlike(entries, few);
    return few;
  }
  if (count > keys.length) {
    const room = Math.max(count, Math.min(MAX_SORT, keys.length * 2));
    keys = new Uint32Array(room);
    spare = new Uint32Array(room);
  }
  for (const digit of counts) digit.fill(0);
  const [low, middle, high] = counts as [Uint32Array, Uint32Array, Uint32Array];
  for (let i = 0, at = 0; i < count; i++, at += ENTRY_LENGTH) {
    const key = ((entries[at]! << 24) | (entries[at + 1]! << 16) | (entries[at + 2]! << 8) | entries[at + 3]!) >>> 0;
    keys[i] = key;
    low[key % BUCKETS]! += 1;
    middle[(key >>> DIGIT_BITS) % BUCKETS]! += 1;
    high[key >>> (2 * DIGIT_BITS)]! += 1;
  }
  let order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  let other = spare.subarray(0, count);
  for (const [i, shift] of SHIFTS.entries())
    if (distribute(order, other, count, shift, counts[i]!)) [order, other] = [other, order];
  // What is kept is not to be given away.
  if (order.buffer === spare.buffer) {
    other.set(order);
    order = other;
  }
  for (let start = 0; start < count; ) {
    const key = keys[order[start]!];
    let end = start + 1;
    while (end < count && keys[order[end]!] === key) end += 1;
    if (end - start > 1) sortAlike(entries, order.subarray(start, end));
    start = end;
  }
  return order;
}

/**
 * @param starts how many there are of each digit; used up.
 * @returns false when all have the same one: nothing was done
 */
function distribute(from: Uint32Array, to: Uint32Array, count: number, shift: number, starts: Uint32Array): boolean {
  let sum = 0;
  for (let digit = 0; digit < BUCKETS; digit++) {
    const here = starts[digit]!;
    if (here === count) return false;
    starts[digit] = sum;
    sum += here;
  }
  for (let i = 0; i < count; i++) {
    const position = from[i]!;
    const digit = (keys[position]! >>> shift) % BUCKETS;
    to[starts[digit]!] = position;
    starts[digit]! += 1;
  }
  return true;
}

/** Entries that begin alike, by all of their bytes. */
function sortAlike(entries: Buffer, order: Uint32Array): void {
  const compare = (one: number, two: number): number => {
    const [a, b] = [one * ENTRY_LENGTH, two * ENTRY_LENGTH];
    return entries.compare(entries, b, b + ENTRY_LENGTH, a, a + ENTRY_LENGTH);
  };
  if (order.length > FEW) {
    order.sort(compare);
    return;
  }
  for (let i = 1; i < order.length; i++)
    for (let at = i; at > 0 && compare(order[at - 1]!, order[at]!) > 0; at--)
      [order[at - 1], order[at]] = [order[at]!, order[at - 1]!];
}
