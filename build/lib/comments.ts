/**
 * Comments as a reader needs them: lines of at most 120 columns (the formatter wraps code and leaves comments alone),
 * and no mention of a file that is not there.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { root } from '../runtime.mjs';

const FOLDERS = ['backend', 'build', 'docs', 'module', 'test'];
export const WIDTH = 120;
const COMMENT = /^\s*(\/\/|\/\*|\*)/;
/** A source with its folder, or a page of the documentation. */
const MENTION = /(?<![\w./-])((?:[\w-]+\/)+[\w-]+\.ts|docs\/[\w-]+\.md)\b/g;
const SOURCE = /\.m?ts$/;

/** @returns one sentence for each comment line that is too long, or names what is not there */
export function commentProblems(): string[] {
  const files = FOLDERS.flatMap((folder) => filesBelow(join(root, folder)));
  const known = new Set(files.flatMap(endings));
  return files
    .filter((file) => SOURCE.test(file) && !file.startsWith('build/out/'))
    .flatMap((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      return [
        ...tooLong(text).map((line) => `${file}:${line}: this comment has more than ${WIDTH} columns`),
        ...deadMentions(text, known).map(([line, name]) => `${file}:${line}: there is no ${name}`),
      ];
    });
}

/** Numbers of the comment lines in `text` that are too long, from 1. */
export function tooLong(text: string): number[] {
  return text.split('\n').flatMap((line, at) => (line.length > WIDTH && COMMENT.test(line) ? [at + 1] : []));
}

/**
 * @param known files, each by its path and by every ending of that
 * @returns number of the line and what it names
 */
export function deadMentions(text: string, known: ReadonlySet<string>): [number, string][] {
  return text.split('\n').flatMap((line, at) => {
    if (!COMMENT.test(line)) return [];
    const names = [...line.matchAll(MENTION)].map(([, name]) => name!);
    return names.filter((name) => !known.has(name)).map((name): [number, string] => [at + 1, name]);
  });
}

/** A path may be named by its end. */
const endings = (file: string): string[] => {
  const parts = file.split('/');
  return parts.map((_, from) => parts.slice(from).join('/'));
};

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'));
}
