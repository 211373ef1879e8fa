/**
 * Words that texts for users do not contain, since the field has better ones (docs/architecture.md, Words): no string
 * or template of the backend does. Comments are left to review.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import ts from 'typescript';
import { root } from '../runtime.mjs';

const SOURCE = join(root, 'backend', 'src');
/** A pattern and what to write instead. */
const BETTER: readonly (readonly [RegExp, string])[] = [
  [/\btold\b/i, 'reported, determined'],
  [/\btells?\b/i, 'reports, returns, shows'],
  [/\bwhoever\b/i, 'the caller, anyone who'],
  [/\b(?:no|some|any)body\b/i, 'another process, no one else, none'],
  [/\bmend(?:s|ed)?\b/i, 'repaired'],
  [/\bvouche[sd]\b/i, 'guaranteed durable'],
  [/\bput(?:s|ting)? aside\b/i, 'quarantined'],
  [/\bthought away\b/i, 'excluded'],
  [/\btaken for over\b/i, 'treated as expired'],
  [/\bnameless\b/i, 'whose index was lost'],
  [/\bdoomed\b/i, 'marked for deletion'],
  [/\bstray\b/i, 'missing, reappeared'],
];

/** @returns one sentence for each text of the backend that holds such a word */
export function wordProblems(): string[] {
  return readdirSync(SOURCE, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(SOURCE, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .flatMap((file) =>
      unwantedWords(readFileSync(join(SOURCE, file), 'utf8')).map(
        ([line, word, better]) => `backend/src/${file}:${line}: a text says "${word}"; write: ${better}`,
      ),
    );
}

/** @returns number of the line (of the literal's start), word and better ones, for each literal that holds one */
export function unwantedWords(text: string): [number, string, string][] {
  const source = ts.createSourceFile('source.ts', text, ts.ScriptTarget.Latest);
  const found: [number, string, string][] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)) {
      const line = source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
      for (const [pattern, better] of BETTER) {
        const word = pattern.exec(node.text)?.[0];
        if (word !== undefined) found.push([line, word, better]);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}
