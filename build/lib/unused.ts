/**
 * Files that nothing imports, and exports that nothing uses, as knip finds them (build/knip.json says where the
 * programs begin).
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../runtime.mjs';

interface Issue {
  file: string;
  [kind: string]: string | { name: string }[];
}

interface Config {
  entry: string[];
  project: string[];
}

/**
 * @param fixtures patterns of files that are looked at as well, which are left out else; a program begins in
 *   `program.ts`
 * @returns one sentence each; empty when all is used
 */
export async function unused(fixtures: readonly string[] = []): Promise<string[]> {
  const config = JSON.parse(readFileSync(join(root, 'build', 'knip.json'), 'utf8')) as Config;
  if (fixtures.length > 0) {
    config.project = [...config.project.filter((pattern) => !pattern.startsWith('!test/fixtures')), ...fixtures];
    config.entry.push(...fixtures.map((pattern) => pattern.replace('*.ts', 'program.ts')));
  }
  const folder = mkdtempSync(join(tmpdir(), 'hvbackup-knip-'));
  try {
    const file = join(folder, 'knip.json');
    writeFileSync(file, JSON.stringify(config));
    const { issues } = JSON.parse(await knip(file)) as { issues: Issue[] };
    return issues.flatMap(sentences);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function sentences({ file, ...kinds }: Issue): string[] {
  return Object.entries(kinds).flatMap(([kind, found]) =>
    Array.isArray(found) ? found.map(({ name }) => `${file}: unused (${kind}): ${name}`) : [],
  );
}

function knip(config: string): Promise<string> {
  const args = [
    join(root, 'node_modules', 'knip', 'bin', 'knip.js'),
    '-c',
    config,
    '--no-progress',
    '--reporter',
    'json',
  ];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (data: Buffer) => out.push(data));
  child.stderr.on('data', (data: Buffer) => err.push(data));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      // 1: something is unused; more: knip itself failed.
      if (code === 0 || code === 1) resolve(Buffer.concat(out).toString('utf8'));
      else reject(new Error(`knip failed (${code}): ${Buffer.concat(err).toString('utf8')}`));
    });
  });
}
