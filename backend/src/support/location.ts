/** Where a repository lies, as people write it: a path, or a URI whose scheme names a kind of storage. */
import { resolve } from 'node:path';

/** One letter before the colon is a drive of Windows (`C:\Backups`). RFC 3986, 3.1. */
const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]+):/;

/** @returns the scheme in small letters; null for a path: local, UNC, or with a drive */
export const schemeOf = (location: string): string | null => SCHEME.exec(location)?.[1]?.toLowerCase() ?? null;

/** A path made absolute; a URI as it is. */
export const absoluteLocation = (location: string): string =>
  schemeOf(location) === null ? resolve(location) : location;
