/** A short run of the fuzzer; docs/fuzzing.md. HVBACKUP_FUZZ_COUNT and HVBACKUP_FUZZ_SEED choose more, or others. */
import { describe, expect, it } from 'vitest';
import type { FuzzFormat } from '../fuzz/mutant.ts';
import { fuzz } from '../fuzz/run.ts';

const SEED = Number(process.env.HVBACKUP_FUZZ_SEED ?? 20261121);
const COUNT = process.env.HVBACKUP_FUZZ_COUNT;

describe(`fuzzing, seed ${SEED}`, () => {
  it.each<[FuzzFormat, number]>([
    ['vhdx', 300],
    ['avhdx', 200],
    ['vhd', 800],
    ['vhd-diff', 400],
    ['vmcx', 400],
    ['raw', 500],
  ])('%s: an error or a right answer', async (format, count) => {
    const report = await fuzz({ format, seed: SEED, count: Number(COUNT ?? count) });
    expect(report.failures, `npm run fuzz -- --format ${format} --seed ${SEED}`).toEqual([]);
    const { tally } = report;
    expect(tally.mutations).toBe(Number(COUNT ?? count));
    // All kinds of outcome are reached; else the mutations show nothing.
    expect(tally.right).toBeGreaterThan(count / 20);
    expect(tally.unjudged).toBeGreaterThan(count / 20);
    expect(Object.values(tally.errors).reduce((sum, number) => sum + number, 0)).toBeGreaterThan(count / 50);
  });
});
