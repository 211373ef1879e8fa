/** Object tables: which part of the file is a key table, a large value, another object table, or free. */
import { readU64LE, writeU64LE } from '../../../../support/bytes.ts';
import { crc32Without } from '../checksum.ts';
import {
  OBJECT,
  OBJECT_ENTRY_SIZE,
  OBJECT_IN_USE,
  OBJECT_TABLE_HEADER_SIZE,
  OBJECT_TABLE_SIGNATURE,
} from './constants.ts';

const CHECKSUM = 1;

export interface ObjectEntry {
  /** One of OBJECT. */
  type: number;
  /** File offset and size, bytes. */
  offset: number;
  size: number;
  flags: number;
}

/** @param bytes OBJECT_TABLE_HEADER_SIZE bytes. @returns the number of entries; null when it is no object table */
export function parseObjectTableHeader(bytes: Buffer): number | null {
  return bytes.readUInt32LE(0) === OBJECT_TABLE_SIGNATURE ? bytes.readUInt32LE(4) : null;
}

/** @param bytes OBJECT_ENTRY_SIZE bytes. @returns null when the checksum is wrong */
export function parseObjectEntry(bytes: Buffer): ObjectEntry | null {
  if (bytes.readUInt32LE(CHECKSUM) !== crc32Without(bytes, CHECKSUM)) return null;
  return {
    type: bytes.readUInt8(0),
    offset: readU64LE(bytes, 5),
    size: bytes.readUInt32LE(13),
    flags: bytes.readUInt8(17),
  };
}

/** @returns an object table of `count` entries: `entries` first, the last one `next`, the rest empty */
export function renderObjectTable(count: number, entries: ObjectEntry[], next?: ObjectEntry): Buffer {
  const bytes = Buffer.alloc(OBJECT_TABLE_HEADER_SIZE + count * OBJECT_ENTRY_SIZE);
  bytes.writeUInt32LE(OBJECT_TABLE_SIGNATURE, 0);
  bytes.writeUInt32LE(count, 4);
  for (let index = 0; index < count; index++) {
    const entry = index === count - 1 ? next : entries[index];
    renderObjectEntry(entry ?? EMPTY).copy(bytes, OBJECT_TABLE_HEADER_SIZE + index * OBJECT_ENTRY_SIZE);
  }
  return bytes;
}

const EMPTY: ObjectEntry = { type: OBJECT.empty, offset: 0, size: 0, flags: 0 };

/** An entry that is in use. */
export const objectEntry = (type: number, offset: number, size: number): ObjectEntry => ({
  type,
  offset,
  size,
  flags: OBJECT_IN_USE,
});

function renderObjectEntry(entry: ObjectEntry): Buffer {
  const bytes = Buffer.alloc(OBJECT_ENTRY_SIZE);
  bytes.writeUInt8(entry.type, 0);
  writeU64LE(bytes, entry.offset, 5);
  bytes.writeUInt32LE(entry.size, 13);
  bytes.writeUInt8(entry.flags, 17);
  bytes.writeUInt32LE(crc32Without(bytes, CHECKSUM), CHECKSUM);
  return bytes;
}
