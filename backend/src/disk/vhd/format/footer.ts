/** The footer ("Hard Disk Footer Format"): last in every VHD, and first too in dynamic and differencing ones. */
import { readU64BE, writeU64BE } from '../../../support/bytes.ts';
import { readGuidBigEndian, writeGuidBigEndian } from '../../../support/guid.ts';
import { vhdChecksum } from './checksum.ts';
import { EPOCH_MS, FEATURE_RESERVED, FOOTER_COOKIE, FOOTER_SIZE, FOOTER_VERSION } from './constants.ts';

const CHECKSUM = 64;
const NO_OFFSET = 0xffff_ffff;

export interface DiskGeometry {
  cylinders: number;
  heads: number;
  sectorsPerTrack: number;
}

export interface VhdFooter {
  /** File format version, 0x00010000. */
  version: number;
  /** File offset of the dynamic header, bytes; null where there is none (fixed disks). */
  headerOffset: number | null;
  /** ms since 1970. */
  createdAt: number;
  /** Four characters, trailing blanks and NULs removed. */
  creator: string;
  /** Major version in the upper, minor in the lower 16 bits. */
  creatorVersion: number;
  /** `Wi2k` or `Mac `, trailing blanks removed. */
  creatorHost: string;
  /** Virtual size at creation, bytes. */
  originalSize: number;
  /** Virtual size now, bytes: what the disk is. The geometry may be less. */
  currentSize: number;
  geometry: DiskGeometry;
  /** TYPE_FIXED, TYPE_DYNAMIC, TYPE_DIFFERENCING, or what a damaged file says. */
  type: number;
  uniqueId: string;
  savedState: boolean;
}

/**
 * @param bytes FOOTER_SIZE bytes; a footer of 511 bytes has a zero appended
 * @returns null when the cookie is wrong
 */
export function parseFooter(bytes: Buffer): { footer: VhdFooter; checksumValid: boolean } | null {
  if (bytes.toString('latin1', 0, 8) !== FOOTER_COOKIE) return null;
  const footer: VhdFooter = {
    version: bytes.readUInt32BE(12),
    headerOffset: isNoOffset(bytes, 16) ? null : readU64BE(bytes, 16),
    createdAt: EPOCH_MS + bytes.readUInt32BE(24) * 1000,
    creator: fourCharacters(bytes, 28),
    creatorVersion: bytes.readUInt32BE(32),
    creatorHost: fourCharacters(bytes, 36),
    originalSize: readU64BE(bytes, 40),
    currentSize: readU64BE(bytes, 48),
    geometry: { cylinders: bytes.readUInt16BE(56), heads: bytes[58]!, sectorsPerTrack: bytes[59]! },
    type: bytes.readUInt32BE(60),
    uniqueId: readGuidBigEndian(bytes, 68),
    savedState: bytes[84] !== 0,
  };
  return { footer, checksumValid: bytes.readUInt32BE(CHECKSUM) === vhdChecksum(bytes, CHECKSUM) };
}

/** All ones; Virtual PC and some converters leave the upper half zero. */
function isNoOffset(bytes: Buffer, at: number): boolean {
  const high = bytes.readUInt32BE(at);
  return bytes.readUInt32BE(at + 4) === NO_OFFSET && (high === NO_OFFSET || high === 0);
}

function fourCharacters(bytes: Buffer, at: number): string {
  const text = bytes.toString('latin1', at, at + 4).replace(/[\0 ]+$/, '');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must go.
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
}

export function renderFooter(footer: VhdFooter): Buffer {
  const bytes = Buffer.alloc(FOOTER_SIZE);
  bytes.write(FOOTER_COOKIE, 0, 'latin1');
  bytes.writeUInt32BE(FEATURE_RESERVED, 8);
  bytes.writeUInt32BE(footer.version, 12);
  if (footer.headerOffset === null) bytes.fill(0xff, 16, 24);
  else writeU64BE(bytes, footer.headerOffset, 16);
  bytes.writeUInt32BE(Math.max(0, Math.floor((footer.createdAt - EPOCH_MS) / 1000)), 24);
  bytes.write(footer.creator.padEnd(4), 28, 4, 'latin1');
  bytes.writeUInt32BE(footer.creatorVersion, 32);
  bytes.write(footer.creatorHost.padEnd(4), 36, 4, 'latin1');
  writeU64BE(bytes, footer.originalSize, 40);
  writeU64BE(bytes, footer.currentSize, 48);
  bytes.writeUInt16BE(footer.geometry.cylinders, 56);
  bytes[58] = footer.geometry.heads;
  bytes[59] = footer.geometry.sectorsPerTrack;
  bytes.writeUInt32BE(footer.type, 60);
  writeGuidBigEndian(bytes, 68, footer.uniqueId);
  bytes[84] = footer.savedState ? 1 : 0;
  bytes.writeUInt32BE(vhdChecksum(bytes, CHECKSUM), CHECKSUM);
  return bytes;
}

/** Known version of the format: only the major part matters, the minor one is for hints. */
export const isKnownFooterVersion = (footer: VhdFooter): boolean => footer.version >>> 16 === FOOTER_VERSION >>> 16;
