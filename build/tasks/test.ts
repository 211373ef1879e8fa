/**
 * `npm test`: bundles, checks, and runs every test that this machine can run; what was skipped is named with its
 * reason. The runners work at the same time, their output comes one after the other. Extra arguments go to vitest. The
 * last line is the sum over all runners.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleBackend } from '../lib/bundle.ts';
import { type Ended, findProgram, start } from '../lib/run.ts';
import { root } from '../runtime.mjs';
import { runChecks } from './check.ts';

// What every process of the tests starts with, as in vitest.config.ts: Pester starts hundreds of backends, and compiles
// all that it runs.
process.env.NODE_COMPILE_CACHE ??= join(root, 'build', 'out', 'compile-cache');
process.env.DOTNET_EnableWriteXorExecute ??= '0';

interface Tally {
  passed: number;
  failed: number;
  skipped: string[];
}

await bundleBackend();
const failedChecks = await runChecks();
const folder = mkdtempSync(join(tmpdir(), 'hvbackup-test-'));
// What tests and the processes they start leave in the temporary folder, gigabytes when some were killed, goes with it.
for (const name of ['TMPDIR', 'TEMP', 'TMP']) process.env[name] = join(folder, 't');
mkdirSync(join(folder, 't'));
let total: Tally;
try {
  const pester = startPester(join(folder, 'pester.json'));
  const backend = await runVitest(join(folder, 'vitest.json'));
  const module = await tallyPester(join(folder, 'pester.json'), pester);
  total = {
    passed: backend.passed + module.passed,
    failed: backend.failed + module.failed + failedChecks,
    skipped: [...backend.skipped, ...module.skipped],
  };
} finally {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  } catch (error) {
    console.error(`left behind: ${folder} (${(error as Error).message})`);
  }
}
if (total.skipped.length > 0) {
  console.log(`\nSkipped on this machine:`);
  for (const name of total.skipped) console.log(`  - ${name}`);
}
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped.length} skipped`);
process.exit(total.failed === 0 ? 0 : 1);

async function runVitest(report: string): Promise<Tally> {
  const args = [
    join(root, 'node_modules', 'vitest', 'vitest.mjs'),
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...process.argv.slice(2),
  ];
  const { status } = await start(process.execPath, args, false);
  const json = readReport<{
    numPassedTests: number;
    numFailedTests: number;
    testResults: { status: string; assertionResults: { status: string; fullName: string }[] }[];
  }>(report);
  if (json === null) return { passed: 0, failed: 1, skipped: [] };
  const skipped = json.testResults
    .flatMap((file) => file.assertionResults)
    .filter((test) => test.status !== 'passed' && test.status !== 'failed')
    .map((test) => test.fullName);
  // A file that does not load fails the run without failing a test.
  const failed = status !== 0 && json.numFailedTests === 0 ? 1 : json.numFailedTests;
  return { passed: json.numPassedTests, failed, skipped };
}

/** @returns null where there is no PowerShell */
function startPester(report: string): Promise<Ended> | null {
  const pwsh = findProgram('pwsh');
  if (pwsh === null) return null;
  const script = join(root, 'test', 'module', 'Invoke-Tests.ps1');
  return start(pwsh, ['-NoLogo', '-NoProfile', '-NonInteractive', '-File', script, '-ReportPath', report], true);
}

async function tallyPester(report: string, started: Promise<Ended> | null): Promise<Tally> {
  const nothing: Tally = { passed: 0, failed: 0, skipped: [] };
  if (started === null) return { ...nothing, skipped: ['module tests (Pester, PSScriptAnalyzer): no pwsh on PATH'] };
  const { status, output } = await started;
  console.log(`\nPester and PSScriptAnalyzer:\n${output}`);
  const json = readReport<{ passed: number; failed: number; skipped: string[] }>(report);
  if (json === null) return { ...nothing, failed: 1 };
  return { passed: json.passed, failed: json.failed === 0 && status !== 0 ? 1 : json.failed, skipped: json.skipped };
}

function readReport<T>(path: string): T | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch (error) {
    console.error(`no test report: ${(error as Error).message}`);
    return null;
  }
}
