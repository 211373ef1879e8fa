/**
 * Comment lines as an editor shows them without scrolling: at most 120 columns. The formatter wraps code and leaves
 * comments alone.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { root } from '../runtime.mjs';

const FOLDERS = ['backend', 'build', 'test'];
export const WIDTH = 120;
const COMMENT = /^\s*(\/\/|\/\*|\*)/;

/** @returns one sentence for each comment line that is too long */
export function longComments(): string[] {
  return FOLDERS.flatMap((folder) => sourcesBelow(join(root, folder))).flatMap((path) =>
    tooLong(readFileSync(path, 'utf8')).map(
      (line) => `${relative(root, path).split(sep).join('/')}:${line}: this comment has more than ${WIDTH} columns`,
    ),
  );
}

/** Numbers of the comment lines in `text` that are too long, from 1. */
export function tooLong(text: string): number[] {
  return text.split('\n').flatMap((line, at) => (line.length > WIDTH && COMMENT.test(line) ? [at + 1] : []));
}

function sourcesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.m?ts$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !relative(root, path).startsWith(join('build', 'out')));
}
