/**
 * Node hands paths to Windows with the prefix for long paths (`\\?\C:\…`, `\\?\UNC\server\…`), and lets it show where a
 * recursive `mkdir` answers or fails. People and comparisons want the path without it.
 */
const UNC = '\\\\?\\UNC\\';
const LONG = '\\\\?\\';

/**
 * The path without the prefix; one that has none, or whose prefix is part of its meaning (`\\?\Volume{…}`), as it is.
 */
export function withoutLongPathPrefix(path: string): string {
  if (path.slice(0, UNC.length).toUpperCase() === UNC) return `\\\\${path.slice(UNC.length)}`;
  return /^\\\\\?\\[A-Za-z]:/.test(path) ? path.slice(LONG.length) : path;
}

/**
 * Whether a path is what remains of one when Node has cut off its last part again and again, as `mkdir` does on a drive
 * or a server that is not there: the error then names `\\?`, which is of no use.
 */
export const isBarePrefix = (path: string): boolean => /^\\\\\?(\\(UNC\\?)?)?$/i.test(path);
