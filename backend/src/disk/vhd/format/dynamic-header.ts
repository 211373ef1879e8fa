/** The header of dynamic and differencing disks ("Dynamic Disk Header Format"). */
import { readU64BE, writeU64BE } from '../../../support/bytes.ts';
import { readGuidBigEndian, writeGuidBigEndian } from '../../../support/guid.ts';
import { vhdChecksum } from './checksum.ts';
import {
  DYNAMIC_HEADER_COOKIE,
  DYNAMIC_HEADER_SIZE,
  DYNAMIC_HEADER_VERSION,
  EPOCH_MS,
  LOCATOR_COUNT,
} from './constants.ts';

const CHECKSUM = 36;
const NAME = 64;
const NAME_SIZE = 512;
const LOCATORS = 576;
const LOCATOR_SIZE = 24;

/** Where one way of naming the parent lies. */
export interface LocatorEntry {
  /** Four characters: `W2ru`, `W2ku`, `MacX`, …; NULs when unused. */
  platform: string;
  /** Bytes used. */
  length: number;
  /** File offset, bytes. */
  offset: number;
}

export interface DynamicHeader {
  /** File offset of the block allocation table, bytes. */
  tableOffset: number;
  version: number;
  tableEntries: number;
  /** Bytes of content a block holds; its bitmap comes on top. */
  blockSize: number;
  /** Unique id of the parent; NIL_GUID where there is none. */
  parentId: string;
  /** Modification time of the parent, ms since 1970. */
  parentTime: number;
  /** Name of the parent as stored, NAME_SIZE bytes of UTF-16. */
  parentName: Buffer;
  /** LOCATOR_COUNT entries. */
  locators: LocatorEntry[];
}

/** @param bytes DYNAMIC_HEADER_SIZE bytes. @returns null when the cookie is wrong */
export function parseDynamicHeader(bytes: Buffer): { header: DynamicHeader; checksumValid: boolean } | null {
  if (bytes.toString('latin1', 0, 8) !== DYNAMIC_HEADER_COOKIE) return null;
  const header: DynamicHeader = {
    tableOffset: readU64BE(bytes, 16),
    version: bytes.readUInt32BE(24),
    tableEntries: bytes.readUInt32BE(28),
    blockSize: bytes.readUInt32BE(32),
    parentId: readGuidBigEndian(bytes, 40),
    parentTime: EPOCH_MS + bytes.readUInt32BE(56) * 1000,
    parentName: Buffer.from(bytes.subarray(NAME, NAME + NAME_SIZE)),
    locators: Array.from({ length: LOCATOR_COUNT }, (_, index) => {
      const at = LOCATORS + index * LOCATOR_SIZE;
      return {
        platform: bytes.toString('latin1', at, at + 4),
        length: bytes.readUInt32BE(at + 8),
        offset: readU64BE(bytes, at + 16),
      };
    }),
  };
  return { header, checksumValid: bytes.readUInt32BE(CHECKSUM) === vhdChecksum(bytes, CHECKSUM) };
}

export function renderDynamicHeader(header: DynamicHeader): Buffer {
  const bytes = Buffer.alloc(DYNAMIC_HEADER_SIZE);
  bytes.write(DYNAMIC_HEADER_COOKIE, 0, 'latin1');
  bytes.fill(0xff, 8, 16);
  writeU64BE(bytes, header.tableOffset, 16);
  bytes.writeUInt32BE(header.version, 24);
  bytes.writeUInt32BE(header.tableEntries, 28);
  bytes.writeUInt32BE(header.blockSize, 32);
  writeGuidBigEndian(bytes, 40, header.parentId);
  bytes.writeUInt32BE(Math.max(0, Math.floor((header.parentTime - EPOCH_MS) / 1000)), 56);
  bytes.set(header.parentName.subarray(0, NAME_SIZE), NAME);
  header.locators.slice(0, LOCATOR_COUNT).forEach(({ platform, length, offset }, index) => {
    const at = LOCATORS + index * LOCATOR_SIZE;
    bytes.write(platform, at, 4, 'latin1');
    // The space set aside. The text of the specification says sectors; what Windows writes, and all read, is bytes.
    bytes.writeUInt32BE(Math.ceil(length / 512) * 512, at + 4);
    bytes.writeUInt32BE(length, at + 8);
    writeU64BE(bytes, offset, at + 16);
  });
  bytes.writeUInt32BE(vhdChecksum(bytes, CHECKSUM), CHECKSUM);
  return bytes;
}

export const isKnownHeaderVersion = (header: DynamicHeader): boolean =>
  header.version >>> 16 === DYNAMIC_HEADER_VERSION >>> 16;
