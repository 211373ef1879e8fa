/**
 * Names of objects in a repository are built and taken apart by `repository/format/names.ts` alone: no other source of
 * the backend holds a string, template or pattern that begins with one of their folders.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import ts from 'typescript';
import { Folder } from '../../backend/src/repository/format/names.ts';
import { root } from '../runtime.mjs';

const SOURCE = join(root, 'backend', 'src');
const HOME = 'repository/format/names.ts';
const FOLDERS = Object.values(Folder).map((folder) => folder.slice(0, -1));
const TEXT = new RegExp(`^(?:${FOLDERS.join('|')})/`);
/** A regular expression, at its beginning or in a group of several words there. */
const PATTERN = new RegExp(`^/\\^(?:\\((?:\\?:)?)?(?:${FOLDERS.join('|')})(?:\\\\/|[|)])`);

/** @returns one sentence for each name that is built, or taken apart, somewhere else */
export function objectNameProblems(): string[] {
  return readdirSync(SOURCE, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(SOURCE, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((file) => file !== HOME)
    .flatMap((file) =>
      objectNames(readFileSync(join(SOURCE, file), 'utf8')).map(
        ([line, text]) => `backend/src/${file}:${line}: ${text} is a name of an object; let ${HOME} build or parse it`,
      ),
    );
}

/** @returns number of the line and beginning of each literal in `text` that begins like a name of an object */
export function objectNames(text: string): [number, string][] {
  const source = ts.createSourceFile('source.ts', text, ts.ScriptTarget.Latest);
  const found: [number, string][] = [];
  const visit = (node: ts.Node): void => {
    const isName = ts.isRegularExpressionLiteral(node)
      ? PATTERN.test(node.text)
      : (ts.isStringLiteralLike(node) || ts.isTemplateHead(node)) && TEXT.test(node.text);
    if (isName) {
      const start = node.getStart(source);
      found.push([source.getLineAndCharacterOfPosition(start).line + 1, text.slice(start, node.end)]);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}
