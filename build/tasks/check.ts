/**
 * `npm run check`: rooms, comments, object names, words, types, style and what is unused, in the order of what is
 * cheapest to repair.
 */
import { commentProblems } from '../lib/comments.ts';
import { layerViolations } from '../lib/layers.ts';
import { objectNameProblems } from '../lib/object-names.ts';
import { runModule } from '../lib/run.ts';
import { unused } from '../lib/unused.ts';
import { wordProblems } from '../lib/words.ts';

const CHECKS = 'layers, comments, object names, words, types, style, unused';

/** @returns the number of checks that failed */
export async function runChecks(): Promise<number> {
  const failed = [
    report('layer', layerViolations()),
    report('comment', commentProblems()),
    report('object name', objectNameProblems()),
    report('word', wordProblems()),
    runModule('typescript/bin/tsc', ['-p', '.']) !== 0,
    runModule('@biomejs/biome/bin/biome', ['check', '--error-on-warnings', '--diagnostic-level=warn', '.']) !== 0,
    report('unused', await unused()),
  ].filter(Boolean).length;
  console.log(
    failed === 0 ? `checks passed: ${CHECKS}` : `${failed} of ${CHECKS.split(', ').length} checks failed (${CHECKS})`,
  );
  return failed;
}

function report(kind: string, problems: readonly string[]): boolean {
  for (const problem of problems) console.error(`${kind}: ${problem}`);
  return problems.length > 0;
}

if (process.argv[1]?.endsWith('check.ts')) process.exit((await runChecks()) === 0 ? 0 : 1);
