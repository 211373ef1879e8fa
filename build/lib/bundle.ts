/** Bundles the backend into one CommonJS file (DESIGN §3): command line, stdio server and worker threads alike. */
import { join } from 'node:path';
import { build } from 'esbuild';
import { root } from '../runtime.mjs';

export const BUNDLE = join(root, 'build', 'out', 'hvbackup.cjs');

/** Builds `build/out/hvbackup.cjs`. @throws when a source does not compile; esbuild has printed where. */
export async function bundleBackend(): Promise<string> {
  await build({
    entryPoints: [join(root, 'backend', 'src', 'main.ts')],
    outfile: BUNDLE,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    sourcemap: true,
    legalComments: 'eof',
    logLevel: 'warning',
    // Tells spawn-worker.ts that this file itself is the worker's entry; import.meta does not exist in CommonJS.
    define: { __HVBACKUP_BUNDLE__: 'true', 'import.meta.url': 'undefined' },
    banner: { js: '#!/usr/bin/env node' },
  });
  return BUNDLE;
}
