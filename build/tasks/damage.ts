/**
 * `npm run damage -- [--seed S] [--scenarios N] [--only K]`: repositories are damaged at random, and checked, verified,
 * repaired, backed up to and pruned afterwards. docs/torture.md says what is done and what must hold.
 */
import { parseArgs } from 'node:util';
import { campaign } from '../../test/damage/run.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    scenarios: { type: 'string', default: '2000' },
    only: { type: 'string' },
    from: { type: 'string', default: '0' },
  },
});
const seed = Number(values.seed);
const only = values.only === undefined ? undefined : Number(values.only);
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
const clock = performance.now();
const report = await campaign({
  seed,
  from: only ?? Number(values.from),
  scenarios: only === undefined ? Number(values.scenarios) : 1,
  signal: stop.signal,
  tell: (number, problem) => {
    if (number % 50 === 49) console.error(`scenario ${number}: ${((performance.now() - clock) / 1000).toFixed(0)} s`);
    if (problem !== null)
      console.error(
        `DEFECT: scenario ${number}: ${problem}\nAgain: npm run damage -- --seed ${seed} --only ${number}\n`,
      );
  },
});
console.log(
  `seed ${seed}: ${report.scenarios} scenarios in ${report.seconds.toFixed(0)} s, ${report.failures.length} failed`,
);
for (const [kind, of] of Object.entries(report.counts)) {
  console.log(`  ${kind}`);
  for (const [what, number] of Object.entries(of).sort(([, a], [, b]) => b - a))
    console.log(`    ${String(number).padStart(6)} ${what}`);
}
process.exitCode = report.failures.length === 0 ? 0 : 1;
