/** All keys of a file, in the order they lie in: every key table is read, checked and walked to its end. */
import { readU64LE } from '../../../support/bytes.ts';
import { corrupt, unsupported } from './errors.ts';
import {
  KEY,
  KEY_ENTRY_HEADER_SIZE,
  KEY_FILE_OBJECT,
  KEY_SUBCOMPONENT,
  KEY_TABLE_HEADER_SIZE,
  LIMITS,
} from './format/constants.ts';
import { type KeyEntryHeader, keyEntryChecksum, parseKeyEntryHeader, parseKeyTableHeader } from './format/key-table.ts';
import { typeOf, valueSize } from './format/key-value.ts';
import type { Objects } from './read-objects.ts';
import type { HvsSource } from './source.ts';
import type { HvsType } from './values.ts';

export interface KeyRecord {
  name: string;
  type: HvsType;
  subcomponent: boolean;
  insertion: number;
  /** Index of the key's table and its offset there: what children name as their parent. */
  table: number;
  offset: number;
  parentTable: number;
  parentOffset: number;
  /** File offset, for messages. */
  at: number;
  /** The value, or for a long one where it lies. */
  data: Buffer | { offset: number; size: number };
}

interface KeyTable {
  index: number;
  at: number;
  bytes: Buffer;
}

/** @throws CONFIGURATION_CORRUPT, CONFIGURATION_UNSUPPORTED when there are too many keys or of unknown type */
export async function readKeys(source: HvsSource, objects: Objects): Promise<KeyRecord[]> {
  const records: KeyRecord[] = [];
  for (const table of await readTables(source, objects)) {
    let offset = KEY_TABLE_HEADER_SIZE;
    while (offset < table.bytes.length) {
      const header = entryAt(source, table, offset);
      if (header.type !== KEY.free) records.push(readKey(source, objects, table, offset, header));
      else if (wasKey(table, offset, header)) throw corrupt(source.path, 'a key is marked free', table.at + offset);
      if (records.length > LIMITS.keys) throw unsupported(source.path, `it has more than ${LIMITS.keys} keys`);
      offset += header.size;
    }
  }
  return records;
}

/** One table of each index: a second one is damage, as changes of a table go through the log. */
async function readTables(source: HvsSource, { keyTables }: Objects): Promise<KeyTable[]> {
  const tables = new Map<number, KeyTable>();
  if (keyTables.length > 0xffff) throw corrupt(source.path, `it has ${keyTables.length} key tables`);
  let room: number = LIMITS.keyTableBytes;
  for (const { offset: at, size } of keyTables) {
    room -= size;
    if (room < 0) throw unsupported(source.path, `its key tables have more than ${LIMITS.keyTableBytes} bytes`);
    const bytes = await source.read(at, size, 'a key table');
    const header = size < KEY_TABLE_HEADER_SIZE ? null : parseKeyTableHeader(bytes);
    if (!header || header.index === 0) throw corrupt(source.path, 'a key table is not valid', at);
    if (tables.has(header.index)) {
      throw corrupt(source.path, `key table ${header.index} exists twice`, at, { index: header.index });
    }
    tables.set(header.index, { index: header.index, at, bytes });
  }
  return [...tables.values()].sort((a, b) => a.index - b.index);
}

function entryAt(source: HvsSource, table: KeyTable, offset: number): KeyEntryHeader {
  const rest = table.bytes.length - offset;
  if (rest >= KEY_ENTRY_HEADER_SIZE) {
    const header = parseKeyEntryHeader(table.bytes.subarray(offset));
    if (header.size >= KEY_ENTRY_HEADER_SIZE + header.nameSize && header.size <= rest) return header;
  }
  throw corrupt(source.path, `an entry does not fit into key table ${table.index}`, table.at + offset);
}

/**
 * Free entries have no checksum (0 in all files seen). One with the right checksum of a key is a key with a damaged
 * type.
 */
function wasKey(table: KeyTable, offset: number, header: KeyEntryHeader): boolean {
  if (header.checksum === 0) return false;
  const entry = Buffer.from(table.bytes.subarray(offset, offset + header.size));
  const valueAt = KEY_ENTRY_HEADER_SIZE + header.nameSize;
  return Object.values(KEY).some((number) => {
    const type = typeOf(number);
    entry[0] = number;
    const size = type && valueSize(type, (header.flags & KEY_FILE_OBJECT) !== 0, entry.subarray(valueAt));
    return typeof size === 'number' && keyEntryChecksum(entry.subarray(0, valueAt + size)) === header.checksum;
  });
}

function readKey(
  source: HvsSource,
  objects: Objects,
  table: KeyTable,
  offset: number,
  header: KeyEntryHeader,
): KeyRecord {
  const at = table.at + offset;
  const type = typeOf(header.type);
  if (!type) throw unsupported(source.path, `it has a key of the unknown type ${header.type}`, { offset: at });
  const isLong = (header.flags & KEY_FILE_OBJECT) !== 0;
  if (isLong && type !== 'string' && type !== 'array') throw corrupt(source.path, `a long ${type} cannot be`, at);
  const valueAt = KEY_ENTRY_HEADER_SIZE + header.nameSize;
  const entry = table.bytes.subarray(offset, offset + header.size);
  const size = valueSize(type, isLong, entry.subarray(valueAt));
  if (size === null) throw corrupt(source.path, `a value of type ${type} does not fit into its key`, at);
  if (keyEntryChecksum(entry.subarray(0, valueAt + size)) !== header.checksum) {
    throw corrupt(source.path, 'a key has a wrong checksum', at);
  }
  const name = decodeName(entry.subarray(KEY_ENTRY_HEADER_SIZE, valueAt));
  if (name === null) throw corrupt(source.path, 'the name of a key is not valid', at);
  const value = entry.subarray(valueAt, valueAt + size);
  return {
    name,
    type,
    subcomponent: (header.flags & KEY_SUBCOMPONENT) !== 0,
    insertion: header.insertion,
    table: table.index,
    offset,
    parentTable: header.parentTable,
    parentOffset: header.parentOffset,
    at,
    data: isLong ? fileObject(source, objects, value, at) : value,
  };
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @returns null when it is empty, not UTF-8, not ended by its only NUL, or has the slash of paths in it */
function decodeName(bytes: Buffer): string | null {
  if (bytes.length < 2 || bytes.indexOf(0) !== bytes.length - 1 || bytes.includes('/')) return null;
  try {
    return UTF8.decode(bytes.subarray(0, -1));
  } catch {
    return null;
  }
}

function fileObject(source: HvsSource, { fileObjects }: Objects, pointer: Buffer, at: number) {
  const size = pointer.readUInt32LE(0);
  const offset = readU64LE(pointer, 4);
  const room = fileObjects.get(offset);
  if (room === undefined || size > room) {
    const what = 'a key points to a value that no object table lists, or that another key has';
    throw corrupt(source.path, what, at, { value: offset, size });
  }
  fileObjects.delete(offset);
  return { offset, size };
}
