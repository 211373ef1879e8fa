/** The file header, of which two copies exist: the valid one with the later sequence number counts. */
import { readU64LE, writeU64LE } from '../../../../support/bytes.ts';
import { crc32Without } from '../checksum.ts';
import { FILE_SIGNATURE, HEADER_SIZE } from './constants.ts';

const CHECKSUM = 4;

export interface FileHeader {
  /** 16 bits; wraps. */
  sequence: number;
  /** `major << 8 | minor`. */
  formatVersion: number;
  /** The application's own version of its data; 0 in every file seen. */
  dataVersion: number;
  /** Alignment of objects, bytes. */
  alignment: number;
  /** File offset and size of the log's region, bytes. */
  logOffset: number;
  logSize: number;
  /** Part of the region that holds the log's header and entries; data follows. */
  logHeaderSize: number;
}

/** @returns whether `bytes` begin as a HyperVStorage file does */
export const hasFileSignature = (bytes: Buffer): boolean =>
  bytes.length >= 4 && bytes.readUInt32LE(0) === FILE_SIGNATURE;

/** @param bytes HEADER_SIZE bytes. @returns null when signature or checksum is wrong, as after a torn write */
export function parseFileHeader(bytes: Buffer): FileHeader | null {
  if (!hasFileSignature(bytes)) return null;
  if (bytes.readUInt32LE(CHECKSUM) !== crc32Without(bytes.subarray(0, HEADER_SIZE), CHECKSUM)) return null;
  return {
    sequence: bytes.readUInt16LE(8),
    formatVersion: bytes.readUInt32LE(10),
    dataVersion: bytes.readUInt32LE(14),
    // 18: four bytes of flags, zero in every file seen
    alignment: bytes.readUInt32LE(22),
    logOffset: readU64LE(bytes, 26),
    logSize: readU64LE(bytes, 34),
    logHeaderSize: bytes.readUInt32LE(42),
  };
}

/** @returns HEADER_SIZE bytes */
export function renderFileHeader(header: FileHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_SIZE);
  bytes.writeUInt32LE(FILE_SIGNATURE, 0);
  bytes.writeUInt16LE(header.sequence, 8);
  bytes.writeUInt32LE(header.formatVersion, 10);
  bytes.writeUInt32LE(header.dataVersion, 14);
  bytes.writeUInt32LE(header.alignment, 22);
  writeU64LE(bytes, header.logOffset, 26);
  writeU64LE(bytes, header.logSize, 34);
  bytes.writeUInt32LE(header.logHeaderSize, 42);
  bytes.writeUInt32LE(crc32Without(bytes, CHECKSUM), CHECKSUM);
  return bytes;
}

/** Whether 16-bit sequence number `a` is later than `b`: the shorter way round, as both copies are one apart. */
export const isLater = (a: number, b: number): boolean => a !== b && ((a - b) & 0xffff) < 0x8000;
