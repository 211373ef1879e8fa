/** Page lists: a hash for each page of a block (docs/format.md §4). */
import { type BinaryToTextEncoding, hash } from 'node:crypto';
import { ID_LENGTH } from '../format/constants.ts';
import { trimmedLength } from './zeros.ts';

/**
 * Brings a hash over as a string of 16 units of two bytes: a tenth of all the hashing is saved over hex digits or a
 * Buffer.
 */
const BYTES = 'ucs2' as BinaryToTextEncoding;

/** The entry of a page of zeros. */
const ZERO_ENTRY = '\0'.repeat(ID_LENGTH / 2);

/**
 * The entry of the page [start, end), two bytes a unit. Put together and written or compared at once, another tenth is
 * saved.
 */
function entryOf(bytes: Buffer, start: number, end: number): string {
  const length = trimmedLength(bytes, start, end);
  return length === 0 ? ZERO_ENTRY : hash('sha256', bytes.subarray(start, start + length), BYTES);
}

/** Writes the entry of the page [start, end) at `at` of `list`. */
export function writeEntry(list: Buffer, at: number, bytes: Buffer, start: number, end: number): void {
  list.write(entryOf(bytes, start, end), at, ID_LENGTH, 'ucs2');
}

/** Writes the page list of the content [start, end), which has no trailing zeros. @returns its length, bytes */
export function writePageList(list: Buffer, bytes: Buffer, start: number, end: number, pageSize: number): number {
  let entries = '';
  for (let page = start; page < end; page += pageSize) entries += entryOf(bytes, page, Math.min(end, page + pageSize));
  return list.write(entries, 0, 'ucs2');
}

/** Whether `plain` is what `list` says. */
export function provePages(list: Buffer, plain: Buffer, pageSize: number): boolean {
  let entries = '';
  for (let page = 0, at = 0; at < list.length; page++, at += ID_LENGTH)
    entries += entryOf(plain, Math.min(plain.length, page * pageSize), Math.min(plain.length, (page + 1) * pageSize));
  return entries === list.toString('ucs2');
}

/** Whether entry `page` is the one of a page of zeros, as all beyond the list's end are. */
export function isZeroEntry(list: Buffer, page: number): boolean {
  const at = page * ID_LENGTH;
  return at >= list.length || trimmedLength(list, at, at + ID_LENGTH) === 0;
}

/** Whether two lists say the same of a page. */
export function sameEntry(a: Buffer, b: Buffer, page: number): boolean {
  const at = page * ID_LENGTH;
  if (at >= a.length) return isZeroEntry(b, page);
  if (at >= b.length) return isZeroEntry(a, page);
  return a.compare(b, at, at + ID_LENGTH, at, at + ID_LENGTH) === 0;
}
