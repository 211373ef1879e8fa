/**
 * Bundles the backend into one CommonJS file (docs/architecture.md): command line, stdio server and worker threads
 * alike.
 */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { build } from 'esbuild';
import { REQUIRED_MAJOR, root } from '../runtime.mjs';

export const BUNDLE = join(root, 'build', 'out', 'hvbackup.cjs');

/** Stands before everything else in the bundle, in a language that every Node understands. */
const VERSION_CHECK =
  `if(Number(process.versions.node.split('.')[0])<${REQUIRED_MAJOR}){console.error('hvbackup needs Node ` +
  `${REQUIRED_MAJOR} or newer; this is Node '+process.versions.node+'.');process.exit(1)}`;

const COMMON = {
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'cjs',
  logLevel: 'warning',
} as const;

/** Builds `build/out/hvbackup.cjs`. @throws when a source does not compile; esbuild has printed where. */
export async function bundleBackend(): Promise<string> {
  const { outputFiles } = await build({
    ...COMMON,
    entryPoints: [join(root, 'backend', 'src', 'main.ts')],
    outfile: BUNDLE,
    write: false,
    sourcemap: true,
    legalComments: 'eof',
    // All of it is scanned at every start: a third of the text less is 10 ms less. Names stay, and lines that a stack
    // can point to.
    minifyWhitespace: true,
    minifySyntax: true,
    lineLimit: 160,
    // import.meta does not exist in CommonJS.
    define: { __HVBACKUP_WORKER__: JSON.stringify(await bundleWorker()), 'import.meta.url': 'undefined' },
    banner: { js: `#!/usr/bin/env node\n${VERSION_CHECK}` },
  });
  await mkdir(dirname(BUNDLE), { recursive: true });
  for (const { path, contents } of outputFiles) {
    // At once: the package is made beside tests that start the bundle.
    const fresh = `${path}.${process.pid}`;
    await writeFile(fresh, path.endsWith('.map') ? contents : inAscii(Buffer.from(contents).toString()));
    await rename(fresh, path);
  }
  return BUNDLE;
}

/** A text of nothing but ASCII is read as it lies there: 5 ms of each start. In strings esbuild does so itself. */
const inAscii = (text: string): string =>
  text.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** Files that are in the bundle, from the project's folder on, with slashes. */
export async function bundledFiles(): Promise<string[]> {
  const { metafile } = await build({
    ...COMMON,
    entryPoints: [join(root, 'backend', 'src', 'main.ts')],
    define: { __HVBACKUP_WORKER__: '""', 'import.meta.url': 'undefined' },
    metafile: true,
    write: false,
  });
  // What was looked at and left out is none of it.
  const inside = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.entries(inputs));
  return inside.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([file]) => file);
}

/** Names of the npm packages that are in the bundle: their licences go with it. */
export async function bundledPackages(): Promise<string[]> {
  const names = (await bundledFiles()).flatMap((file) => {
    const inside = /node_modules\/(?!.*node_modules\/)((?:@[^/]+\/)?[^/]+)\//.exec(file);
    return inside ? [inside[1]!] : [];
  });
  return [...new Set(names)].sort();
}

/**
 * Bundles another script of the project, so that it starts as fast as the product does.
 * @returns the path of the bundle
 */
export async function bundleScript(...path: string[]): Promise<string> {
  const outfile = join(root, 'build', 'out', `${basename(path.at(-1)!, '.ts')}.cjs`);
  await build({ ...COMMON, entryPoints: [join(root, ...path)], outfile });
  return outfile;
}

/**
 * The codec worker alone, to be carried as text: a thread that loaded all of the bundle would start three times as
 * slowly.
 */
async function bundleWorker(): Promise<string> {
  const entry = join(root, 'backend', 'src', 'repository', 'engine', 'codec-worker-entry.ts');
  const { outputFiles } = await build({ ...COMMON, entryPoints: [entry], minify: true, keepNames: true, write: false });
  return outputFiles[0]!.text;
}
