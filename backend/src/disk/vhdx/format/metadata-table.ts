/** Metadata table ([MS-VHDX] 2.6.1): which items there are and where. */
import { readGuid, writeGuid } from '../../../support/guid.ts';
import { MAX_METADATA_ENTRIES, METADATA_ENTRY_SIZE, METADATA_SIGNATURE, METADATA_TABLE_SIZE } from './constants.ts';

const TABLE_HEADER = 32;
const COUNT = 10;
const IS_USER = 1;
const IS_VIRTUAL_DISK = 2;
const IS_REQUIRED = 4;

export interface MetadataEntry {
  id: string;
  /** Offset from the start of the metadata region, bytes. */
  offset: number;
  /** Bytes. */
  length: number;
  isUser: boolean;
  /** Describes the virtual disk rather than the file. */
  isVirtualDisk: boolean;
  /** A reader that does not know it must not open the file. */
  isRequired: boolean;
}

/** @param bytes METADATA_TABLE_SIZE bytes. @returns null when the signature or the count is wrong */
export function parseMetadataTable(bytes: Buffer): MetadataEntry[] | null {
  if (bytes.toString('latin1', 0, 8) !== METADATA_SIGNATURE) return null;
  const count = bytes.readUInt16LE(COUNT);
  if (count > MAX_METADATA_ENTRIES) return null;
  return Array.from({ length: count }, (_, index) => {
    const at = metadataEntryOffset(index);
    const flags = bytes.readUInt32LE(at + 24);
    return {
      id: readGuid(bytes, at),
      offset: bytes.readUInt32LE(at + 16),
      length: bytes.readUInt32LE(at + 20),
      isUser: (flags & IS_USER) !== 0,
      isVirtualDisk: (flags & IS_VIRTUAL_DISK) !== 0,
      isRequired: (flags & IS_REQUIRED) !== 0,
    };
  });
}

export function renderMetadataTable(entries: readonly MetadataEntry[]): Buffer {
  const bytes = Buffer.alloc(METADATA_TABLE_SIZE);
  bytes.write(METADATA_SIGNATURE, 0, 'latin1');
  bytes.writeUInt16LE(entries.length, COUNT);
  entries.forEach((entry, index) => {
    bytes.set(renderMetadataEntry(entry), metadataEntryOffset(index));
  });
  return bytes;
}

/** One entry of the table, METADATA_ENTRY_SIZE bytes. */
export function renderMetadataEntry(entry: MetadataEntry): Buffer {
  const bytes = Buffer.alloc(METADATA_ENTRY_SIZE);
  writeGuid(bytes, 0, entry.id);
  bytes.writeUInt32LE(entry.offset, 16);
  bytes.writeUInt32LE(entry.length, 20);
  const flags =
    (entry.isUser ? IS_USER : 0) | (entry.isVirtualDisk ? IS_VIRTUAL_DISK : 0) | (entry.isRequired ? IS_REQUIRED : 0);
  bytes.writeUInt32LE(flags, 24);
  return bytes;
}

/** Offset of entry `index` from the start of the metadata region. */
export const metadataEntryOffset = (index: number): number => TABLE_HEADER + index * METADATA_ENTRY_SIZE;
