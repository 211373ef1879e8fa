/** What `npm run check` refuses, each shown by a deliberate fault. */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { commentProblems, deadMentions, tooLong, WIDTH } from '../../../build/lib/comments.ts';
import { importsBelow, layerViolations } from '../../../build/lib/layers.ts';
import { objectNameProblems, objectNames } from '../../../build/lib/object-names.ts';
import { unused } from '../../../build/lib/unused.ts';
import { unwantedWords, wordProblems } from '../../../build/lib/words.ts';
import { root } from '../../../build/runtime.mjs';

const SOURCE = join(root, 'backend', 'src');

/** The sources as they are, with one more import. */
function withImport(from: string, to: string): Map<string, Set<string>> {
  const graph = importsBelow(SOURCE);
  graph.set(from, new Set([...(graph.get(from) ?? []), to]));
  return graph;
}

describe('the rooms', () => {
  it('hold', () => {
    expect(layerViolations()).toEqual([]);
  });

  it.each([
    ['support/errors.ts', 'disk/device.ts'],
    ['disk/index.ts', 'repository/port/repository.ts'],
    ['repository/format/node.ts', 'repository/storage/storage.ts'],
    ['repository/records/record-index.ts', 'repository/core.ts'],
    ['repository/sessions/session-registry.ts', 'repository/points/manifests.ts'],
    ['repository/prune/prune.ts', 'repository/integrity/check.ts'],
    ['repository/tree/visit.ts', 'repository/prune/prune.ts'],
    ['operations/data/write-disk.ts', 'operations/backup/backup.ts'],
    ['hosts/hyperv/helper/helper.ts', 'hosts/hyperv/host.ts'],
    ['cli/run.ts', 'repository/open.ts'],
  ])('refuse an import of %s: %s', (from, to) => {
    expect(layerViolations(withImport(from, to))).toContainEqual(expect.stringContaining(`${from} imports ${to}`));
  });

  it('refuse a room that is in no list, and imports that go round', () => {
    expect(layerViolations(withImport('attic/box.ts', 'support/errors.ts'))).toEqual([
      'attic/box.ts is in no room; add it to build/lib/layers.ts',
    ]);
    const graph = withImport('support/errno.ts', 'support/errors.ts');
    graph.set('support/errors.ts', new Set([...graph.get('support/errors.ts')!, 'support/errno.ts']));
    expect(layerViolations(graph)).toEqual([expect.stringMatching(/^imports go round: support\/err.*→ support\/err/)]);
  });
});

it('a comment line over 120 columns is found, code is left to the formatter', () => {
  const line = `// ${'x'.repeat(WIDTH)}`;
  expect(
    tooLong(['const a = 1;', line, ` * ${'y '.repeat(WIDTH)}`, `const b = '${'z'.repeat(WIDTH)}';`].join('\n')),
  ).toEqual([2, 3]);
});

it('a comment that names a file which is not there is found', () => {
  const known = new Set(['docs/format.md', 'tree/visit.ts']);
  const text = [
    '/** See docs/format.md and tree/visit.ts. */',
    '// docs/gone.md, or tree/gone.ts',
    "import './gone.ts';",
  ];
  expect(deadMentions(text.join('\n'), known)).toEqual([
    [2, 'docs/gone.md'],
    [2, 'tree/gone.ts'],
  ]);
  expect(commentProblems()).toEqual([]);
});

it('a name of an object that is built or taken apart outside of names.ts is found', () => {
  const text = [
    "const FOLDER = 'marks/';",
    '// `marks/` in a comment, or a folder that only begins like one',
    "const other = 'marksman/';",
    `const name = \`packs/\${id.slice(0, 2)}/\${id}\`;`,
    `const path = \`\${folder}packs/\`, message = 'below packs/';`,
    String.raw`const parsed = /^sessions\/[^/]+$/.exec(name);`,
    String.raw`const isRecord = /^(chains|jobs)\//.test(name);`,
    "import './keys/key-store.ts';",
  ];
  expect(objectNames(text.join('\n'))).toEqual([
    [1, "'marks/'"],
    [4, `\`packs/\${`],
    [6, String.raw`/^sessions\/[^/]+$/`],
    [7, String.raw`/^(chains|jobs)\//`],
  ]);
  expect(objectNameProblems()).toEqual([]);
});

it('a word for users that the field has a better one for is found, wherever the text holds it', () => {
  const text = [
    "import { unexplainedPacks } from './unexplained-packs.ts';",
    '// Nobody is told: a comment.',
    "const advice = 'Check that nobody moves it.', foretold = 'mending a doomsday';",
    `const message = \`\${name} cannot be told; \${count} were put aside\`;`,
    `const help = \`Tells \${name}\`;`,
  ];
  expect(unwantedWords(text.join('\n')).map(([line, word]) => [line, word])).toEqual([
    [3, 'nobody'],
    [4, 'told'],
    [4, 'put aside'],
    [5, 'Tells'],
  ]);
  expect(wordProblems()).toEqual([]);
});

it('an export that nothing uses is found, and a file', async () => {
  expect(await unused()).toEqual([]);
  const found = await unused(['test/fixtures/unused/*.ts']);
  expect(found).toContainEqual(expect.stringContaining('unused/attic.ts'));
  expect(found).toContainEqual(expect.stringContaining('forgotten'));
});

it('a test lies in the room that it tests, the ways of the whole product and of the build apart', () => {
  const tests = readdirSync(join(root, 'test', 'backend'), { recursive: true, encoding: 'utf8' });
  const rooms = new Set(tests.filter((name) => name.endsWith('.test.ts')).map((name) => dirname(name)));
  const without = [...rooms].filter((room) => !existsSync(join(SOURCE, room)));
  expect(without.sort()).toEqual(['acceptance', 'build']);
});
