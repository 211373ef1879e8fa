/** Bundles the backend into one CommonJS file (DESIGN §3): command line, stdio server and worker threads alike. */
import { join } from 'node:path';
import { build } from 'esbuild';
import { REQUIRED_MAJOR, root } from '../runtime.mjs';

export const BUNDLE = join(root, 'build', 'out', 'hvbackup.cjs');

/** Stands before everything else in the bundle, in a language that every Node understands. */
const VERSION_CHECK =
  `if(Number(process.versions.node.split('.')[0])<${REQUIRED_MAJOR}){console.error('hvbackup needs Node ` +
  `${REQUIRED_MAJOR} or newer; this is Node '+process.versions.node+'.');process.exit(1)}`;

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
    banner: { js: `#!/usr/bin/env node\n${VERSION_CHECK}` },
  });
  return BUNDLE;
}
