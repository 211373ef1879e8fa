/** What came of many mutations. */
import type { Outcome } from './mutant.ts';

export interface Tally {
  mutations: number;
  /** Opened, and all of the content as it must be. */
  right: number;
  /** Opened; what of the content is right cannot be told. */
  unjudged: number;
  /** By error code. */
  errors: Record<string, number>;
  slowestMs: number;
  slowestNumber: number;
}

export const emptyTally = (): Tally => ({
  mutations: 0,
  right: 0,
  unjudged: 0,
  errors: {},
  slowestMs: 0,
  slowestNumber: 0,
});

export function count(tally: Tally, outcome: Outcome): void {
  if (outcome.kind === 'error') tally.errors[outcome.code] = (tally.errors[outcome.code] ?? 0) + 1;
  else tally[outcome.kind]++;
}

export function add(total: Tally, part: Tally): void {
  total.mutations += part.mutations;
  total.right += part.right;
  total.unjudged += part.unjudged;
  for (const [code, number] of Object.entries(part.errors)) total.errors[code] = (total.errors[code] ?? 0) + number;
  if (part.slowestMs > total.slowestMs) {
    total.slowestMs = part.slowestMs;
    total.slowestNumber = part.slowestNumber;
  }
}
