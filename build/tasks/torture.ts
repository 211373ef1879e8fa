/**
 * `npm run torture -- [--seed S] [--rounds N] [--steps N] [--seconds N] [--only K] [--interleavings N]`: histories of a
 * repository under faults, or many processes at once. docs/torture.md says what is injected and what must hold.
 */
import { parseArgs } from 'node:util';
import { Interleaving, noInterleavings } from '../../test/torture/interleaving.ts';
import { sum, type TortureReport, torture } from '../../test/torture/run.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '500' },
    steps: { type: 'string', default: '15' },
    seconds: { type: 'string' },
    only: { type: 'string' },
    interleavings: { type: 'string' },
  },
});
process.exitCode = await main();

async function main(): Promise<number> {
  const [seed, rounds, steps, seconds, only] = [
    values.seed,
    values.rounds,
    values.steps,
    values.seconds ?? '0',
    values.only ?? '0',
  ].map(Number) as [number, number, number, number, number];
  if ([seed, rounds, steps, seconds, only].some((number) => !Number.isSafeInteger(number) || number < 0)) {
    console.error('usage: npm run torture -- [--seed S] [--rounds N] [--steps N] [--seconds N] [--only K]');
    return 2;
  }
  if (values.interleavings !== undefined) return interleave(seed, Number(values.interleavings));
  const chosen = values.only === undefined ? { rounds } : { from: only, rounds: 1 };
  const report = await torture({ seed, steps, ...chosen, seconds: seconds || undefined });
  print(seed, steps, report);
  return report.failures.length === 0 ? 0 : 1;
}

async function interleave(seed: number, runs: number): Promise<number> {
  const figures = noInterleavings();
  let failed = 0;
  for (let run = 0; run < runs; run++) {
    try {
      await new Interleaving(seed * 1009 + run, figures).run();
    } catch (error) {
      failed += 1;
      console.error(`DEFECT: interleaving ${run}: ${(error as Error).message}`);
    }
  }
  console.log(`seed ${seed}, ${failed} failed`);
  for (const [name, count] of Object.entries(figures)) console.log(`  ${name.padEnd(16)} ${count}`);
  return failed === 0 ? 0 : 1;
}

function print(seed: number, steps: number, { figures, seconds, failures }: TortureReport): void {
  const list = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .sort(([, a], [, b]) => b - a)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  console.log(
    `seed ${seed}: ${figures.histories} histories (${figures.encrypted} encrypted) in ${seconds.toFixed(1)} s`,
  );
  console.log(`  actions          ${sum(figures.actions)} (${list(figures.actions)})`);
  console.log(`  faults injected  ${sum(figures.faults)} (${list(figures.faults)})`);
  console.log(`  file operations  ${figures.operations}`);
  console.log(`  restore points   ${figures.verified} times read back and compared byte for byte`);
  console.log(`  passphrases      ${figures.passphrases} times tried`);
  console.log(`  holds            ${figures.holds} times asked for`);
  for (const { round, problem } of failures) {
    console.error(`\nDEFECT: history ${round}: ${problem}`);
    console.error(`Again: npm run torture -- --seed ${seed} --steps ${steps} --only ${round}`);
  }
}
