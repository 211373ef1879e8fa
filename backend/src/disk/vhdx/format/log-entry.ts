/** Log entries ([MS-VHDX] 2.3.1): header, descriptors, data sectors. */
import { readU64LE } from '../../../support/bytes.ts';
import { readGuid } from '../../../support/guid.ts';
import { LOG_DESCRIPTOR_SIZE, LOG_ENTRY_HEADER_SIZE, LOG_SECTOR } from './constants.ts';

const SIGNATURE = 'loge';
/** Offset of the checksum, which covers the whole entry. */
export const LOG_ENTRY_CHECKSUM = 4;

export interface LogEntryHeader {
  checksum: number;
  /** Bytes, a multiple of LOG_SECTOR. */
  length: number;
  /** Offset in the log of the oldest entry that must be replayed, as of this entry. */
  tail: number;
  sequenceNumber: bigint;
  descriptorCount: number;
  logGuid: string;
  /** The file was at least this long, durably, when the entry was written. */
  flushedFileOffset: number;
  /** The file must be at least this long after replay. */
  lastFileOffset: number;
}

/** @param bytes at least LOG_ENTRY_HEADER_SIZE bytes. @returns null when the signature is wrong */
export function parseLogEntryHeader(bytes: Buffer): LogEntryHeader | null {
  if (bytes.toString('latin1', 0, 4) !== SIGNATURE) return null;
  return {
    checksum: bytes.readUInt32LE(LOG_ENTRY_CHECKSUM),
    length: bytes.readUInt32LE(8),
    tail: bytes.readUInt32LE(12),
    sequenceNumber: bytes.readBigUInt64LE(16),
    descriptorCount: bytes.readUInt32LE(24),
    logGuid: readGuid(bytes, 32),
    flushedFileOffset: readU64LE(bytes, 48),
    lastFileOffset: readU64LE(bytes, 56),
  };
}

export type LogDescriptor =
  | { kind: 'data'; fileOffset: number; sequenceNumber: bigint; leading: Buffer; trailing: Buffer }
  | { kind: 'zero'; fileOffset: number; sequenceNumber: bigint; length: number };

/** @returns null when the signature is neither kind's */
export function parseLogDescriptor(bytes: Buffer, at: number): LogDescriptor | null {
  const fileOffset = readU64LE(bytes, at + 16);
  const sequenceNumber = bytes.readBigUInt64LE(at + 24);
  switch (bytes.toString('latin1', at, at + 4)) {
    case 'desc': {
      const trailing = Buffer.from(bytes.subarray(at + 4, at + 8));
      return {
        kind: 'data',
        fileOffset,
        sequenceNumber,
        trailing,
        leading: Buffer.from(bytes.subarray(at + 8, at + 16)),
      };
    }
    case 'zero':
      return { kind: 'zero', fileOffset, sequenceNumber, length: readU64LE(bytes, at + 8) };
    default:
      return null;
  }
}

/** Whether a data sector belongs to the entry with this sequence number: it is torn otherwise. */
export function isDataSectorOf(bytes: Buffer, at: number, sequenceNumber: bigint): boolean {
  const high = BigInt(bytes.readUInt32LE(at + 4));
  const low = BigInt(bytes.readUInt32LE(at + LOG_SECTOR - 4));
  return bytes.toString('latin1', at, at + 4) === 'data' && ((high << 32n) | low) === sequenceNumber;
}

/** Puts the bytes that the sector's own signature and sequence number displaced back in their place. */
export function restoreDataSector(sector: Buffer, leading: Buffer, trailing: Buffer): void {
  sector.set(leading, 0);
  sector.set(trailing, LOG_SECTOR - 4);
}

/** Bytes of header and descriptors, in whole sectors. */
export const descriptorArea = (descriptorCount: number): number =>
  Math.ceil((LOG_ENTRY_HEADER_SIZE + descriptorCount * LOG_DESCRIPTOR_SIZE) / LOG_SECTOR) * LOG_SECTOR;
