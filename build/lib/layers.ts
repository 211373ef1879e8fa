/**
 * The layers of DESIGN §3 as a check: a source may import only from its own layer and from those listed for it. An
 * upward import fails the build.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative, sep } from 'node:path';
import { root } from '../runtime.mjs';

const SOURCE = join(root, 'backend', 'src');

/** Layer → what it may import besides itself. An entry with a file name allows that file only. */
const ALLOWED: Record<string, string[]> = {
  support: [],
  schema: ['support'],
  disk: ['support'],
  filesystem: ['support', 'disk/device.ts'],
  repository: ['support', 'disk/device.ts'],
  catalog: ['support', 'repository'],
  hosts: ['support', 'schema', 'disk'],
  operations: ['support', 'schema', 'disk', 'filesystem', 'repository', 'catalog', 'hosts'],
  protocol: ['support', 'schema', 'operations'],
  cli: ['support', 'schema', 'operations', 'protocol'],
  'cli.ts': ['cli', 'support', 'schema', 'operations', 'protocol'],
  'main.ts': ['cli', 'cli.ts', 'protocol', 'operations', 'schema', 'support', 'repository/engine'],
};

const IMPORT =
  /(?:import|export)\s[^;]*?from\s*['"](\.[^'"]+)['"]|import\s*\(\s*['"](\.[^'"]+)['"]|import\s+['"](\.[^'"]+)['"]/g;

/** @returns one sentence a violation; empty when the layers hold */
export function layerViolations(): string[] {
  const violations: string[] = [];
  for (const entry of readdirSync(SOURCE, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    const file = relative(SOURCE, join(entry.parentPath, entry.name)).split(sep).join('/');
    for (const match of readFileSync(join(SOURCE, file), 'utf8').matchAll(IMPORT)) {
      const target = normalize(join(dirname(file), (match[1] ?? match[2] ?? match[3])!))
        .split(sep)
        .join('/');
      const problem = judge(file, target);
      if (problem) violations.push(problem);
    }
  }
  return violations;
}

function judge(file: string, target: string): string | null {
  const from = layerOf(file);
  const to = layerOf(target);
  if (from === to) return null;
  const allowed = ALLOWED[from];
  if (allowed === undefined) return `${file}: ${from} is not a layer; add it to build/lib/layers.ts`;
  const ok = allowed.some((entry) => target === entry || target.startsWith(`${entry}/`));
  return ok ? null : `${file} imports ${target}: ${from} may not depend on ${to}`;
}

const layerOf = (file: string): string => file.split('/')[0]!;
