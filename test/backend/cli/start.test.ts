/** What every command has to wait for: modules that are evaluated before the command line is read. */
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { root } from '../../../build/runtime.mjs';

const ENTRY = 'backend/src/main.ts';

/** Modules that `from` leads to, itself included, by imports that are not put off. */
async function evaluatedWith(from: string): Promise<Set<string>> {
  const { metafile } = await build({
    entryPoints: [ENTRY],
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    define: { __HVBACKUP_WORKER__: '""', 'import.meta.url': 'undefined' },
    logLevel: 'error',
    metafile: true,
    write: false,
  });
  const found = new Set([from]);
  for (const name of found)
    for (const { path, kind, external } of metafile.inputs[name]!.imports)
      if (!external && kind !== 'dynamic-import') found.add(path);
  return found;
}

describe('the start of a command', () => {
  it.each([
    ['any', ENTRY, /node_modules|src\/(schema|hosts|disk|repository|catalog)\//],
    ['list', 'backend/src/operations/points/points.ts', /node-powershell|src\/(hosts|disk)\/(?!hyperv\/this-machine)/],
  ])('%s: loads nothing that it does not need', async (_command, module, forbidden) => {
    const evaluated = [...(await evaluatedWith(module))];
    expect(evaluated.length).toBeGreaterThan(20);
    expect(evaluated.filter((name) => forbidden.test(name))).toEqual([]);
  });
});
