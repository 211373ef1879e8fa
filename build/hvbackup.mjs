#!/usr/bin/env node
/** The `hvbackup` command of a source tree: starts the bundle on the pinned Node. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { findNode, REQUIRED_MAJOR, root } from './runtime.mjs';

const bundle = join(root, 'build', 'out', 'hvbackup.cjs');
if (!existsSync(bundle)) {
  console.error('hvbackup is not built yet. Run "npm run build" in the project folder first.');
  process.exit(1);
}
if (Number(process.versions.node.split('.')[0]) >= REQUIRED_MAJOR) {
  // Through npx the pinned Node is first on PATH: no second process, so signals and kills hit the real one.
  process.argv[1] = bundle;
  createRequire(import.meta.url)(bundle);
} else {
  const node = findNode();
  if (node === null) {
    console.error(`hvbackup needs Node ${REQUIRED_MAJOR}. Run "npm ci" in the project folder, or install it.`);
    process.exit(1);
  }
  const child = spawn(node, [bundle, ...process.argv.slice(2)], { stdio: 'inherit' });
  // A terminal sends Ctrl-C to both, and a second one would mean "at once"; the child decides how to end, we wait for
  // it.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGBREAK'])
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 5 : 1)));
}
