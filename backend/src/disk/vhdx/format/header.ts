/** File type identifier and header ([MS-VHDX] 2.2.1, 2.2.2). */
import { readU64LE, writeU64LE } from '../../../support/bytes.ts';
import { crc32cWithout } from '../../../support/crc32c.ts';
import { readGuid, writeGuid } from '../../../support/guid.ts';
import { CREATOR_OFFSET, CREATOR_SIZE, FILE_IDENTIFIER, HEADER_SIGNATURE, HEADER_SIZE } from './constants.ts';

const CHECKSUM = 4;

export interface VhdxHeader {
  /** The valid header with the larger one is current. */
  sequenceNumber: bigint;
  /** Changes with every open that writes to the file. */
  fileWriteGuid: string;
  /** Changes when the disk's content changes; children know their parent by it. */
  dataWriteGuid: string;
  /** Which log entries are live; nil when there are none. */
  logGuid: string;
  logVersion: number;
  version: number;
  /** Bytes. */
  logLength: number;
  /** File offset, bytes. */
  logOffset: number;
}

/** @param bytes HEADER_SIZE bytes. @returns null when signature or checksum is wrong, as after a torn write */
export function parseHeader(bytes: Buffer): VhdxHeader | null {
  if (bytes.toString('latin1', 0, 4) !== HEADER_SIGNATURE) return null;
  if (bytes.readUInt32LE(CHECKSUM) !== crc32cWithout(bytes.subarray(0, HEADER_SIZE), CHECKSUM)) return null;
  return {
    sequenceNumber: bytes.readBigUInt64LE(8),
    fileWriteGuid: readGuid(bytes, 16),
    dataWriteGuid: readGuid(bytes, 32),
    logGuid: readGuid(bytes, 48),
    logVersion: bytes.readUInt16LE(64),
    version: bytes.readUInt16LE(66),
    logLength: bytes.readUInt32LE(68),
    logOffset: readU64LE(bytes, 72),
  };
}

export function renderHeader(header: VhdxHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_SIZE);
  bytes.write(HEADER_SIGNATURE, 0, 'latin1');
  bytes.writeBigUInt64LE(header.sequenceNumber, 8);
  writeGuid(bytes, 16, header.fileWriteGuid);
  writeGuid(bytes, 32, header.dataWriteGuid);
  writeGuid(bytes, 48, header.logGuid);
  bytes.writeUInt16LE(header.logVersion, 64);
  bytes.writeUInt16LE(header.version, 66);
  bytes.writeUInt32LE(header.logLength, 68);
  writeU64LE(bytes, header.logOffset, 72);
  bytes.writeUInt32LE(crc32cWithout(bytes, CHECKSUM), CHECKSUM);
  return bytes;
}

/** @param bytes the first 520 bytes of the file. @returns the creator's name, null when it is no VHDX */
export function parseFileIdentifier(bytes: Buffer): string | null {
  if (bytes.toString('latin1', 0, FILE_IDENTIFIER.length) !== FILE_IDENTIFIER) return null;
  const text = bytes.toString('utf16le', CREATOR_OFFSET, CREATOR_OFFSET + CREATOR_SIZE);
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

/** @param creator at most 255 UTF-16 units are kept */
export function renderFileIdentifier(creator: string): Buffer {
  const bytes = Buffer.alloc(CREATOR_OFFSET + CREATOR_SIZE);
  bytes.write(FILE_IDENTIFIER, 0, 'latin1');
  bytes.write(creator, CREATOR_OFFSET, CREATOR_SIZE - 2, 'utf16le');
  return bytes;
}
