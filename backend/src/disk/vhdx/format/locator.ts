/** Parent locator ([MS-VHDX] 2.6.2.6): key-value pairs in UTF-16LE that name a differencing disk's parent. */
import { bracedGuid, NIL_GUID, parseGuid, readGuid, writeGuid } from '../../../support/guid.ts';
import type { ParentInfo } from '../../info.ts';
import { MAX_LOCATOR_ENTRIES, VHDX_PARENT_LOCATOR } from './constants.ts';

const LOCATOR_HEADER = 20;
const ENTRY = 12;
const LINKAGE = 'parent_linkage';
const LINKAGE_2 = 'parent_linkage2';
const RELATIVE = 'relative_path';
const VOLUME = 'volume_path';
const ABSOLUTE = 'absolute_win32_path';

export interface ParentLocator {
  /** VHDX_PARENT_LOCATOR, or a type this program does not know. */
  type: string;
  entries: Map<string, string>;
}

/** @returns null when a count, offset or length leaves `bytes`, or a string is no UTF-16 */
export function parseLocator(bytes: Buffer): ParentLocator | null {
  if (bytes.length < LOCATOR_HEADER) return null;
  const count = bytes.readUInt16LE(18);
  if (count > MAX_LOCATOR_ENTRIES || LOCATOR_HEADER + count * ENTRY > bytes.length) return null;
  const entries = new Map<string, string>();
  for (let index = 0; index < count; index++) {
    const at = LOCATOR_HEADER + index * ENTRY;
    const key = text(bytes, bytes.readUInt32LE(at), bytes.readUInt16LE(at + 8));
    const value = text(bytes, bytes.readUInt32LE(at + 4), bytes.readUInt16LE(at + 10));
    if (key === null || value === null) return null;
    entries.set(key, value);
  }
  return { type: readGuid(bytes, 0), entries };
}

function text(bytes: Buffer, offset: number, length: number): string | null {
  if (length % 2 !== 0 || offset + length > bytes.length) return null;
  // The specification (2.6.2.6.2) has no terminator in keys and values. Some writers count one all the same, and it
  // says nothing: a disk is not given up for it. Anywhere else a NUL is damage.
  const value = bytes.toString('utf16le', offset, offset + length).replace(/\0+$/, '');
  return value.includes('\0') ? null : value;
}

export function renderLocator(locator: ParentLocator): Buffer {
  const pairs = [...locator.entries];
  const strings = pairs.map(([key, value]) => [Buffer.from(key, 'utf16le'), Buffer.from(value, 'utf16le')] as const);
  const table = Buffer.alloc(LOCATOR_HEADER + pairs.length * ENTRY);
  writeGuid(table, 0, locator.type);
  table.writeUInt16LE(pairs.length, 18);
  let offset = table.length;
  strings.forEach(([key, value], index) => {
    const at = LOCATOR_HEADER + index * ENTRY;
    table.writeUInt32LE(offset, at);
    table.writeUInt32LE(offset + key.length, at + 4);
    table.writeUInt16LE(key.length, at + 8);
    table.writeUInt16LE(value.length, at + 10);
    offset += key.length + value.length;
  });
  return Buffer.concat([table, ...strings.flat()]);
}

/** What a VHDX locator says (2.6.2.6.3); null when the mandatory linkage is missing or no GUID. */
export function locatorToParent(locator: ParentLocator): ParentInfo | null {
  const { entries } = locator;
  const first = parseGuid(entries.get(LINKAGE) ?? '');
  if (first === null) return null;
  // Hyper-V writes the second one always, nil outside of a merge.
  const second = parseGuid(entries.get(LINKAGE_2) ?? '') ?? NIL_GUID;
  return {
    linkage: second === NIL_GUID ? [first] : [first, second],
    ...(entries.has(RELATIVE) ? { relativePath: entries.get(RELATIVE) } : {}),
    ...(entries.has(VOLUME) ? { volumePath: entries.get(VOLUME) } : {}),
    ...(entries.has(ABSOLUTE) ? { absolutePath: entries.get(ABSOLUTE) } : {}),
  };
}

export function parentToLocator(parent: ParentInfo): ParentLocator {
  const entries = new Map<string, string>();
  // Upper or lower case: the specification's text asks for lower, its example and Hyper-V's files show both.
  const [first, second] = parent.linkage.map((guid) => bracedGuid(guid).toLowerCase());
  if (first !== undefined) entries.set(LINKAGE, first);
  if (second !== undefined) entries.set(LINKAGE_2, second);
  if (parent.relativePath !== undefined) entries.set(RELATIVE, parent.relativePath);
  if (parent.volumePath !== undefined) entries.set(VOLUME, parent.volumePath);
  if (parent.absolutePath !== undefined) entries.set(ABSOLUTE, parent.absolutePath);
  return { type: VHDX_PARENT_LOCATOR, entries };
}
