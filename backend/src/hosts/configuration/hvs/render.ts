/**
 * Makes a HyperVStorage file, format 4.0: headers, object tables, key tables, an empty log, then the long values. The
 * layout is that of files that Hyper-V has just made.
 */
import { alignUp, writeU64LE } from '../../../support/bytes.ts';
import { unsupported } from './errors.ts';
import {
  FILE_OBJECT_POINTER_SIZE,
  FILE_OBJECT_THRESHOLD,
  FORMAT_4_0,
  HEADER_OFFSETS,
  KEY_TABLE_SIZE,
  LIMITS,
  LOG_ENTRY_SIZE,
  LOG_HEADER_SIZE,
  MIN_ALIGNMENT,
  OBJECT,
  OBJECT_ENTRY_SIZE,
  OBJECT_TABLE_HEADER_SIZE,
  OBJECT_TABLE_OFFSET,
} from './format/constants.ts';
import { renderFileHeader } from './format/file-header.ts';
import { longBytes } from './format/key-value.ts';
import { type ObjectEntry, objectEntry, renderObjectTable } from './format/object-table.ts';
import { renderLogHeader } from './format/replay-log.ts';
import { renderKeyTables } from './render-keys.ts';
import type { HvsItem, HvsLeaf } from './values.ts';

const ALIGNMENT = MIN_ALIGNMENT;
/** One page of header and entries, two of data: what the smallest files of Hyper-V have. */
const LOG_HEADER_PAGE = ALIGNMENT;
const LOG_SIZE = LOG_HEADER_PAGE + 2 * ALIGNMENT;
const OBJECTS_PER_TABLE = Math.floor((ALIGNMENT - OBJECT_TABLE_HEADER_SIZE) / OBJECT_ENTRY_SIZE);

interface LongValue {
  bytes: Buffer;
  offset: number;
}

/**
 * The same tree gives the same bytes, and the file reads back as the same tree.
 * @param items the keys below the root, in their order of insertion
 * @throws CONFIGURATION_UNSUPPORTED when a value is longer than what is read back, INTERNAL when a key's name is
 *   impossible
 */
export function renderHvs(items: HvsItem[]): Uint8Array {
  const longs = collectLongValues(items, new Map());
  // Keys point to long values, and those come after the key tables: their number is found first. It depends on sizes
  // alone.
  const tableCount = renderKeyTables(items, pointers(longs)).length;
  const firstTable = OBJECT_TABLE_OFFSET + ALIGNMENT;
  const logOffset = firstTable + tableCount * KEY_TABLE_SIZE;
  let end = logOffset + LOG_SIZE;
  for (const long of longs.values()) {
    long.offset = end;
    end += alignUp(long.bytes.length, ALIGNMENT);
  }
  const tables = renderKeyTables(items, pointers(longs));
  const objects = [
    ...tables.map((_, index) => objectEntry(OBJECT.keyTable, firstTable + index * KEY_TABLE_SIZE, KEY_TABLE_SIZE)),
    ...[...longs.values()].map(({ offset, bytes }) =>
      objectEntry(OBJECT.fileObject, offset, alignUp(bytes.length, ALIGNMENT)),
    ),
  ];
  const objectTables = renderObjectTables(objects, end);
  const file = Buffer.alloc(end + (objectTables.length - 1) * ALIGNMENT);
  for (const { bytes, offset } of objectTables) bytes.copy(file, offset);
  for (const [index, table] of tables.entries()) table.copy(file, firstTable + index * KEY_TABLE_SIZE);
  for (const { bytes, offset } of longs.values()) bytes.copy(file, offset);
  writeHeaders(file, logOffset);
  return file;
}

/** The second copy is the older one: equal sequence numbers would count as damage. */
function writeHeaders(file: Buffer, logOffset: number): void {
  const maxEntries = Math.floor((LOG_HEADER_PAGE - LOG_HEADER_SIZE) / LOG_ENTRY_SIZE);
  renderLogHeader({ entries: 0, maxEntries }).copy(file, logOffset);
  const header = {
    formatVersion: FORMAT_4_0,
    dataVersion: 0,
    alignment: ALIGNMENT,
    logOffset,
    logSize: LOG_SIZE,
    logHeaderSize: LOG_HEADER_PAGE,
  };
  renderFileHeader({ ...header, sequence: 1 }).copy(file, HEADER_OFFSETS[0]);
  renderFileHeader({ ...header, sequence: 0 }).copy(file, HEADER_OFFSETS[1]);
}

/** @param next where the tables lie that do not fit at OBJECT_TABLE_OFFSET */
function renderObjectTables(objects: ObjectEntry[], next: number): { bytes: Buffer; offset: number }[] {
  const tables: { bytes: Buffer; offset: number }[] = [];
  // The last entry of a table is kept for the next table.
  const room = OBJECTS_PER_TABLE - 1;
  let offset = OBJECT_TABLE_OFFSET;
  for (let done = 0; done === 0 || done < objects.length; done += room) {
    const isLast = done + room >= objects.length;
    const successor = isLast ? undefined : objectEntry(OBJECT.objectTable, next, ALIGNMENT);
    tables.push({ bytes: renderObjectTable(OBJECTS_PER_TABLE, objects.slice(done, done + room), successor), offset });
    offset = next;
    next += ALIGNMENT;
  }
  return tables;
}

function collectLongValues(items: HvsItem[], found: Map<HvsLeaf, LongValue>): Map<HvsLeaf, LongValue> {
  for (const item of items) {
    if (item.type === 'node') {
      collectLongValues(item.children, found);
      continue;
    }
    const bytes = longBytes(item);
    if (!bytes || bytes.length < FILE_OBJECT_THRESHOLD) continue;
    if (bytes.length > LIMITS.valueBytes) throw unsupported('new file', `key "${item.name}" has ${bytes.length} bytes`);
    found.set(item, { bytes, offset: 0 });
  }
  return found;
}

const pointers =
  (longs: Map<HvsLeaf, LongValue>) =>
  (leaf: HvsLeaf): Buffer | null => {
    const long = longs.get(leaf);
    if (!long) return null;
    const pointer = Buffer.alloc(FILE_OBJECT_POINTER_SIZE);
    pointer.writeUInt32LE(long.bytes.length, 0);
    writeU64LE(pointer, long.offset, 4);
    return pointer;
  };
