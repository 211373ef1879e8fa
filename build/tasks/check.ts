/** `npm run check`: types, style and layers, in the order of what is cheapest to mend. */
import { layerViolations } from '../lib/layers.ts';
import { runModule } from '../lib/run.ts';

/** @returns the number of checks that failed */
export function runChecks(): number {
  const violations = layerViolations();
  for (const violation of violations) console.error(`layer: ${violation}`);
  const failed = [
    violations.length > 0,
    runModule('typescript/bin/tsc', ['-p', '.']) !== 0,
    runModule('@biomejs/biome/bin/biome', ['check', '--error-on-warnings', '--diagnostic-level=warn', '.']) !== 0,
  ].filter(Boolean).length;
  console.log(
    failed === 0 ? 'checks passed: layers, types, style' : `${failed} of 3 checks failed (layers, types, style)`,
  );
  return failed;
}

if (process.argv[1]?.endsWith('check.ts')) process.exit(runChecks() === 0 ? 0 : 1);
