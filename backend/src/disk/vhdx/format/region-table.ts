/** Region table ([MS-VHDX] 2.2.3): where BAT and metadata lie. */
import { readU64LE, writeU64LE } from '../../../support/bytes.ts';
import { crc32cWithout } from '../../../support/crc32c.ts';
import { readGuid, writeGuid } from '../../../support/guid.ts';
import { MAX_REGIONS, REGION_TABLE_SIGNATURE, REGION_TABLE_SIZE } from './constants.ts';

const CHECKSUM = 4;
const TABLE_HEADER = 16;
const ENTRY = 32;

export interface Region {
  id: string;
  /** File offset, bytes. */
  offset: number;
  /** Bytes. */
  length: number;
  /** A reader that does not know it must not open the file. */
  required: boolean;
}

/**
 * @param bytes REGION_TABLE_SIZE bytes.
 * @returns null when signature, checksum or count is wrong, as after a torn write
 */
export function parseRegionTable(bytes: Buffer): Region[] | null {
  if (bytes.toString('latin1', 0, 4) !== REGION_TABLE_SIGNATURE) return null;
  if (bytes.readUInt32LE(CHECKSUM) !== crc32cWithout(bytes.subarray(0, REGION_TABLE_SIZE), CHECKSUM)) return null;
  const count = bytes.readUInt32LE(8);
  if (count > MAX_REGIONS) return null;
  return Array.from({ length: count }, (_, index) => {
    const at = TABLE_HEADER + index * ENTRY;
    return {
      id: readGuid(bytes, at),
      offset: readU64LE(bytes, at + 16),
      length: bytes.readUInt32LE(at + 24),
      required: (bytes.readUInt32LE(at + 28) & 1) === 1,
    };
  });
}

export function renderRegionTable(regions: readonly Region[]): Buffer {
  const bytes = Buffer.alloc(REGION_TABLE_SIZE);
  bytes.write(REGION_TABLE_SIGNATURE, 0, 'latin1');
  bytes.writeUInt32LE(regions.length, 8);
  regions.forEach((region, index) => {
    const at = TABLE_HEADER + index * ENTRY;
    writeGuid(bytes, at, region.id);
    writeU64LE(bytes, region.offset, at + 16);
    bytes.writeUInt32LE(region.length, at + 24);
    bytes.writeUInt32LE(region.required ? 1 : 0, at + 28);
  });
  bytes.writeUInt32LE(crc32cWithout(bytes, CHECKSUM), CHECKSUM);
  return bytes;
}
