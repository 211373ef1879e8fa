/**
 * The rooms of docs/architecture.md as a check: a source may import only from its own room and from those listed for
 * it. An import that is not listed, a circle of imports, and a room that is in no list fail the build.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative, sep } from 'node:path';
import { root } from '../runtime.mjs';

const SOURCE = join(root, 'backend', 'src');

/** What the repository's rooms above its core stand on. */
const CORE = [
  'support',
  'repository/core.ts',
  'repository/errors.ts',
  'repository/format',
  'repository/port',
  'repository/records',
];
const STORES = ['repository/documents', 'repository/points', 'repository/sessions', 'repository/storage/*.ts'];

/**
 * Room → what it may import besides itself. A room is a folder or a file; the longest name that fits a source is its
 * room. An entry names a room with all below it, one file, or with `/*.ts` the files of a folder without its sub-rooms.
 */
const ROOMS: Record<string, string[]> = {
  support: [],
  schema: ['support'],
  disk: ['support'],
  filesystem: ['support', 'disk/device.ts'],

  'repository/errors.ts': ['support'],
  'repository/environment.ts': ['support'],
  'repository/format': ['support', 'repository/errors.ts'],
  'repository/storage': ['support', 'repository/errors.ts', 'repository/format'],
  'repository/storage/open.ts': ['support', 'repository/storage'],
  'repository/storage/place.ts': ['repository/storage'],
  'repository/storage/retrying': ['support', 'repository/storage'],
  'repository/storage/folder': ['support', 'repository/errors.ts', 'repository/format', 'repository/storage/*.ts'],
  'repository/storage/folder/folder-place.ts': ['support', 'repository/format', 'repository/storage'],
  'repository/port': ['support', 'disk/device.ts', 'repository/format', 'repository/storage/*.ts'],
  'repository/engine': ['support', 'repository/format'],
  'repository/documents': [
    'support',
    'repository/errors.ts',
    'repository/format',
    'repository/port',
    'repository/storage/*.ts',
  ],
  'repository/points': ['support', ...below('documents')],
  'repository/sessions': ['support', ...below('documents')],
  'repository/records': ['support', ...below('documents', 'engine')],
  'repository/core.ts': ['support', ...below('documents', 'engine', 'points', 'sessions', 'records')],
  'repository/tree': [...CORE, 'disk/device.ts', 'repository/engine'],
  'repository/reach': [...CORE, ...STORES, 'repository/tree'],
  'repository/keys': [...CORE, ...STORES],
  'repository/doubt': [...CORE, ...STORES],
  'repository/coordination': [...CORE, ...STORES, 'repository/doubt'],
  'repository/writing': [...CORE, ...STORES, 'repository/engine', 'repository/tree', 'repository/coordination'],
  'repository/prune': [
    ...CORE,
    ...STORES,
    'repository/engine',
    'repository/tree',
    'repository/reach',
    'repository/doubt',
    'repository/coordination',
  ],
  'repository/integrity': [
    ...CORE,
    ...STORES,
    'repository/engine',
    'repository/tree',
    'repository/reach',
    'repository/doubt',
    'repository/coordination',
    'repository/prune',
  ],
  // The two that put it together: open.ts and the facade.
  repository: ['support', 'disk/device.ts', 'repository'],

  catalog: [
    'support',
    'repository/port',
    'repository/format',
    'repository/errors.ts',
    'repository/points/point-order.ts',
  ],
  hosts: ['support', 'schema', 'disk', 'hosts'],
  'hosts/hyperv/helper': ['support', 'schema'],
  operations: ['support', 'schema', 'disk', 'filesystem', 'repository', 'catalog', 'hosts', 'operations'],
  'operations/data': ['support', 'disk', 'hosts/port.ts', 'repository/port'],
  protocol: ['support', 'schema', 'operations'],
  cli: ['support', 'schema', 'operations', 'protocol'],
  'cli.ts': ['cli', 'support', 'schema', 'operations', 'protocol'],
  'main.ts': ['cli', 'cli.ts', 'protocol', 'operations', 'schema', 'support', 'repository/engine'],
};

function below(...rooms: string[]): string[] {
  const always = ['environment.ts', 'errors.ts', 'format', 'port', 'storage/*.ts'];
  return [...always, ...rooms].map((room) => `repository/${room}`);
}

const IMPORT =
  /(?:import|export)\s[^;]*?from\s*['"](\.[^'"]+)['"]|import\s*\(\s*['"](\.[^'"]+)['"]|import\s+['"](\.[^'"]+)['"]/g;

/** Files → what each imports, paths below `folder` with `/`. */
export function importsBelow(folder: string): Map<string, Set<string>> {
  const graph = new Map<string, Set<string>>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    const file = relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/');
    const targets = new Set<string>();
    for (const match of readFileSync(join(folder, file), 'utf8').matchAll(IMPORT))
      targets.add(
        normalize(join(dirname(file), (match[1] ?? match[2] ?? match[3])!))
          .split(sep)
          .join('/'),
      );
    graph.set(file, targets);
  }
  return graph;
}

/** @returns one sentence a violation; empty when the rooms hold and no imports go round */
export function layerViolations(graph = importsBelow(SOURCE)): string[] {
  const violations: string[] = [];
  for (const [file, targets] of graph)
    for (const target of targets) {
      const problem = judge(file, target);
      if (problem) violations.push(problem);
    }
  for (const circle of circles(graph)) violations.push(`imports go round: ${circle.join(' → ')}`);
  return violations;
}

function judge(file: string, target: string): string | null {
  const from = roomOf(file);
  if (from === null) return `${file} is in no room; add it to build/lib/layers.ts`;
  if (from === roomOf(target)) return null;
  const ok = ROOMS[from]!.some((entry) => isWithin(target, entry));
  return ok ? null : `${file} imports ${target}: ${from} may not depend on ${roomOf(target) ?? target}`;
}

function isWithin(file: string, entry: string): boolean {
  if (entry.endsWith('/*.ts')) return dirname(file) === entry.slice(0, -'/*.ts'.length);
  return file === entry || file.startsWith(`${entry}/`);
}

/** The longest name that fits. */
function roomOf(file: string): string | null {
  for (let at = file; at !== '.'; at = dirname(at)) if (Object.hasOwn(ROOMS, at)) return at;
  return null;
}

/** Files that import each other round about: for each such set one way round. */
function circles(graph: ReadonlyMap<string, ReadonlySet<string>>): string[][] {
  const found: string[][] = [];
  const done = new Set<string>();
  const walk = (file: string, path: string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) {
      found.push([...path.slice(at), file]);
      return;
    }
    if (done.has(file)) return;
    for (const target of graph.get(file) ?? []) if (graph.has(target)) walk(target, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) walk(file, []);
  return found;
}
