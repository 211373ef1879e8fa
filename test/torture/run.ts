/** Many histories, one after the other; what they came to. */
import { History, noFigures, type TortureFigures } from './history.ts';

export interface TortureOptions {
  seed: number;
  /** Histories, beginning with number `from`. */
  rounds: number;
  from?: number;
  /** Actions of each history. */
  steps: number;
  /** No further history is begun after this. */
  seconds?: number;
}

export interface TortureReport {
  figures: TortureFigures;
  seconds: number;
  /** What was wrong, and how to see it again. */
  failures: { round: number; problem: string }[];
}

/** Every history is made by the seed and its number alone. */
export async function torture({ seed, rounds, from = 0, steps, seconds }: TortureOptions): Promise<TortureReport> {
  const figures = noFigures();
  const failures: TortureReport['failures'] = [];
  const clock = performance.now();
  const elapsed = (): number => (performance.now() - clock) / 1000;
  for (let round = from; round < from + rounds && elapsed() < (seconds ?? Number.POSITIVE_INFINITY); round++) {
    try {
      await new History(seed * 100_003 + round, figures).run(steps);
    } catch (error) {
      failures.push({ round, problem: (error as Error).message });
    }
  }
  return { figures, seconds: elapsed(), failures };
}

export const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((total, count) => total + count, 0);
