/**
 * Sets of changed granules. A set is a flat ascending list [start, end, start, end, …] in granules (not bytes),
 * half-open, neither overlapping nor touching: 16 bytes a range, so a million random writes fit in 16 MB.
 */
export type GranuleSet = Float64Array<ArrayBuffer>;

const EMPTY_SET: GranuleSet = new Float64Array(0);

/** The granules that [offset, offset+length) touches, for each byte range; zero-length ranges are dropped. */
export function granulesOf(ranges: Iterable<{ offset: number; length: number }>, granularity: number): GranuleSet {
  const starts: number[] = [];
  const ends: number[] = [];
  for (const { offset, length } of ranges) {
    if (length <= 0) continue;
    starts.push(Math.floor(offset / granularity));
    ends.push(Math.ceil((offset + length) / granularity));
  }
  return sweep(Float64Array.from(starts), Float64Array.from(ends));
}

/** The union of several sets. */
export function unite(sets: readonly GranuleSet[]): GranuleSet {
  if (sets.length === 0) return EMPTY_SET;
  if (sets.length === 1) return sets[0]!;
  const pairs = sets.reduce((sum, set) => sum + set.length / 2, 0);
  const starts = new Float64Array(pairs);
  const ends = new Float64Array(pairs);
  let at = 0;
  for (const set of sets) {
    for (let i = 0; i < set.length; i += 2, at++) {
      starts[at] = set[i]!;
      ends[at] = set[i + 1]!;
    }
  }
  return sweep(starts, ends);
}

/** Widens every range to multiples of `factor` granules: fewer, larger ranges; always a superset. */
export function coarsen(set: GranuleSet, factor: number): GranuleSet {
  const starts = new Float64Array(set.length / 2);
  const ends = new Float64Array(set.length / 2);
  for (let i = 0; i < starts.length; i++) {
    starts[i] = Math.floor(set[2 * i]! / factor) * factor;
    ends[i] = Math.ceil(set[2 * i + 1]! / factor) * factor;
  }
  return sweep(starts, ends);
}

/**
 * Coalesces intervals given as starts and ends in any order. Sorting both independently is enough: where as many have
 * ended as have begun, no interval is open. Native sorts of numbers, no objects.
 */
function sweep(starts: GranuleSet, ends: GranuleSet): GranuleSet {
  starts.sort();
  ends.sort();
  const out = new Float64Array(starts.length * 2);
  let used = 0;
  for (let i = 0; i < starts.length; ) {
    const start = starts[i]!;
    while (i + 1 < starts.length && starts[i + 1]! <= ends[i]!) i++;
    out[used++] = start;
    out[used++] = ends[i]!;
    i++;
  }
  return out.slice(0, used);
}
