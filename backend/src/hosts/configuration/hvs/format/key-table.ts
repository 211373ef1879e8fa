/** Key tables and the headers of their entries. Names and values are decoded elsewhere (key-value.ts). */
import { crc32Without } from '../checksum.ts';
import { KEY_ENTRY_HEADER_SIZE, KEY_TABLE_HEADER_SIZE, KEY_TABLE_SIGNATURE } from './constants.ts';

const TABLE_CHECKSUM = 6;
const ENTRY_CHECKSUM = 12;

export interface KeyTableHeader {
  /** From 1; entries name their parent by it. */
  index: number;
  /** 16 bits; grows with each change of the table. */
  sequence: number;
}

/** @param bytes a key table. @returns null when signature or checksum (of the header alone) is wrong */
export function parseKeyTableHeader(bytes: Buffer): KeyTableHeader | null {
  const header = bytes.subarray(0, KEY_TABLE_HEADER_SIZE);
  if (header.readUInt16LE(0) !== KEY_TABLE_SIGNATURE) return null;
  if (header.readUInt32LE(TABLE_CHECKSUM) !== crc32Without(header, TABLE_CHECKSUM)) return null;
  return { index: header.readUInt16LE(2), sequence: header.readUInt16LE(4) };
}

export function writeKeyTableHeader(table: Buffer, { index, sequence }: KeyTableHeader): void {
  const header = table.subarray(0, KEY_TABLE_HEADER_SIZE);
  header.writeUInt16LE(KEY_TABLE_SIGNATURE, 0);
  header.writeUInt16LE(index, 2);
  header.writeUInt16LE(sequence, 4);
  header.writeUInt32LE(crc32Without(header, TABLE_CHECKSUM), TABLE_CHECKSUM);
}

export interface KeyEntryHeader {
  /** One of KEY. */
  type: number;
  flags: number;
  /** Bytes of the whole entry, padding included. */
  size: number;
  /** Index of the parent's table and the parent's offset in it; both 0 below the root. */
  parentTable: number;
  parentOffset: number;
  checksum: number;
  /** Order among siblings, from 1. */
  insertion: number;
  /** Bytes of the name, its final NUL included. */
  nameSize: number;
}

/** @param bytes at least KEY_ENTRY_HEADER_SIZE bytes */
export function parseKeyEntryHeader(bytes: Buffer): KeyEntryHeader {
  return {
    type: bytes.readUInt8(0),
    flags: bytes.readUInt8(1),
    size: bytes.readUInt32LE(2),
    parentTable: bytes.readUInt16LE(6),
    parentOffset: bytes.readUInt32LE(8),
    checksum: bytes.readUInt32LE(12),
    insertion: bytes.readUInt32LE(16),
    nameSize: bytes.readUInt8(20),
  };
}

/** Checksum of an entry: header, name and value without the padding behind. */
export const keyEntryChecksum = (content: Buffer): number => crc32Without(content, ENTRY_CHECKSUM);

/**
 * Writes an entry and its checksum at the beginning of `target`.
 * @param content name with NUL, then value; empty for a free entry, whose checksum is 0
 */
export function writeKeyEntry(target: Buffer, header: Omit<KeyEntryHeader, 'checksum'>, content: Buffer): void {
  target.writeUInt8(header.type, 0);
  target.writeUInt8(header.flags, 1);
  target.writeUInt32LE(header.size, 2);
  target.writeUInt16LE(header.parentTable, 6);
  target.writeUInt32LE(header.parentOffset, 8);
  target.writeUInt32LE(header.insertion, 16);
  target.writeUInt8(header.nameSize, 20);
  content.copy(target, KEY_ENTRY_HEADER_SIZE);
  if (content.length === 0) return;
  const checked = target.subarray(0, KEY_ENTRY_HEADER_SIZE + content.length);
  target.writeUInt32LE(keyEntryChecksum(checked), ENTRY_CHECKSUM);
}
