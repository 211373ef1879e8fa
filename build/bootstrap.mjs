/**
 * Entry of every npm script: installs what the lock file names when it is not installed yet, then runs the task on the
 * pinned Node. Needs nothing but Node 20 and npm, on a fresh clone.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findNode, REQUIRED_MAJOR, root } from './runtime.mjs';

const task = process.argv[2] ?? 'build';
const stamp = join(root, 'node_modules', '.hypervbackup-lock');
const lock = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex');

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock || findNode() === null) {
  console.error('Installing the packages named in package-lock.json …');
  npm(['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(stamp, lock);
}
const node = findNode();
if (node === null) {
  console.error(
    `No Node ${REQUIRED_MAJOR} package exists for ${process.platform}-${process.arch}: install Node ${REQUIRED_MAJOR} and run this again.`,
  );
  process.exit(1);
}
// ts-node runs the development scripts; types are checked by the `check` task, so here they are only removed.
const run = spawnSync(
  node,
  [
    '--disable-warning=DEP0180',
    join(root, 'node_modules', 'ts-node', 'dist', 'bin.js'),
    '--transpile-only',
    join(root, 'build', 'tasks', `${task}.ts`),
    ...process.argv.slice(3),
  ],
  { stdio: 'inherit', cwd: root },
);
process.exit(run.status ?? 1);

function npm(args) {
  const cli = process.env.npm_execpath;
  const result = cli?.endsWith('.js')
    ? spawnSync(process.execPath, [cli, ...args], { stdio: 'inherit', cwd: root })
    : spawnSync('npm', args, { stdio: 'inherit', cwd: root, shell: process.platform === 'win32' });
  if (result.status !== 0) {
    console.error('npm ci failed; see its message above.');
    process.exit(1);
  }
}
