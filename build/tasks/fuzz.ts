/**
 * `npm run fuzz -- [--format vhdx|avhdx|vhd|vhd-diff|vmcx|raw|all] [--count N] [--seed S] [--time SECONDS] [--only K]`:
 * damaged images and configuration files, read as the backup reads them. docs/fuzzing.md says what must hold. Every
 * format runs in a process of its own, so that its peak memory is its own.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { FORMATS, type FuzzFormat } from '../../test/fuzz/mutant.ts';
import { type FuzzReport, fuzz } from '../../test/fuzz/run.ts';

const { values } = parseArgs({
  options: {
    format: { type: 'string', default: 'all' },
    count: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    time: { type: 'string' },
    only: { type: 'string' },
    failures: { type: 'string', default: '1' },
  },
});

process.exitCode = values.format === 'all' ? all() : await one(values.format);

function all(): number {
  let failed = 0;
  for (const format of FORMATS) {
    const args = Object.entries({ ...values, format }).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const run = spawnSync(process.execPath, [fileURLToPath(import.meta.url), ...args], { stdio: 'inherit' });
    if (run.status !== 0) failed++;
  }
  return failed === 0 ? 0 : 1;
}

async function one(format: string): Promise<number> {
  const numbers = [values.count, values.seed, values.time ?? '1', values.only ?? '0', values.failures].map(Number);
  if (
    !FORMATS.includes(format as FuzzFormat) ||
    numbers.some((number) => !Number.isSafeInteger(number) || number < 0)
  ) {
    console.error(
      `usage: npm run fuzz -- [--format ${FORMATS.join('|')}|all] [--count N] [--seed S] [--time SECONDS] [--only K]`,
    );
    return 2;
  }
  const report = await fuzz({
    format: format as FuzzFormat,
    seed: Number(values.seed),
    from: values.only === undefined ? 0 : Number(values.only),
    count: values.only === undefined ? Number(values.count) : 1,
    seconds: values.time === undefined ? undefined : Number(values.time),
    failures: Number(values.failures),
  });
  print(format, report);
  return report.failures.length === 0 ? 0 : 1;
}

function print(format: string, { tally, failures, seconds, peakMemory }: FuzzReport): void {
  const errors = Object.entries(tally.errors).sort(([, a], [, b]) => b - a);
  const refused = errors.reduce((sum, [, number]) => sum + number, 0);
  console.log(`${format}, seed ${values.seed}: ${tally.mutations} mutations in ${seconds.toFixed(1)} s`);
  console.log(`  refused        ${refused} (${errors.map(([code, number]) => `${code} ${number}`).join(', ')})`);
  console.log(`  right answer   ${tally.right}`);
  console.log(`  unjudged       ${tally.unjudged}`);
  console.log(
    `  speed          ${Math.round(tally.mutations / seconds)} mutations/s; slowest ${Math.round(tally.slowestMs)} ms (${tally.slowestNumber})`,
  );
  console.log(`  peak memory    ${Math.round(peakMemory / 2 ** 20)} MiB`);
  for (const { number, what, problem } of failures) {
    console.error(`\nDEFECT: ${format}, mutation ${number}: ${what.join('; ')}\n${problem}`);
    console.error(`Again: npm run fuzz -- --format ${format} --seed ${values.seed} --only ${number}`);
  }
}
