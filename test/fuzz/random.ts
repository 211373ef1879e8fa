/** A small seeded generator (mulberry32), so that a failing sequence can be run again. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = state;
    value = Math.imul(value ^ (value >>> 15), value | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const below = (random: () => number, limit: number): number => Math.floor(random() * limit);

/** `length` bytes that name their origin: never zero, different for each `tag`. */
export function pattern(tag: number, length: number): Buffer {
  const data = Buffer.alloc(length);
  for (let at = 0; at < length; at++) data[at] = 1 + ((tag * 31 + at * 7 + (at >>> 9)) % 255);
  return data;
}

/** The generator of mutation `number` of a run: every mutation can be made alone. */
export const ofMutation = (seed: number, number: number): (() => number) =>
  seeded(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b));

export const pick = <T>(random: () => number, values: readonly T[]): T => values[below(random, values.length)]!;
