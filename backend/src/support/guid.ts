/**
 * GUIDs. As text always lower case with dashes and without braces; in Microsoft's structures mixed-endian: the first
 * three fields little-endian, the last eight bytes as they are (MS-DTYP 2.3.4.2).
 */
import { randomUUID } from 'node:crypto';
import { HvError } from './errors.ts';

export const NIL_GUID = '00000000-0000-0000-0000-000000000000';
const TEXT = /^\{?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\}?$/;

/** A new random GUID (version 4). */
export const newGuid = (): string => randomUUID();

/** Canonical form of `{XXXXXXXX-…}` or `xxxxxxxx-…`; null when it is no GUID. */
export function parseGuid(text: string): string | null {
  return TEXT.exec(text.trim().toLowerCase())?.[1] ?? null;
}

/** Reads a mixed-endian GUID of 16 bytes at `offset`. */
export function readGuid(bytes: Uint8Array, offset = 0): string {
  return format(reorder(bytes.subarray(offset, offset + 16)));
}

/**
 * Writes `guid` mixed-endian, 16 bytes at `offset`.
 * @throws INTERNAL when it is no GUID: callers check what comes from outside
 */
export function writeGuid(target: Uint8Array, offset: number, guid: string): void {
  target.set(reorder(toBytes(guid)), offset);
}

/** Reads a GUID stored as its text reads, big-endian (VHD footers, RFC 9562). */
export function readGuidBigEndian(bytes: Uint8Array, offset = 0): string {
  return format(bytes.subarray(offset, offset + 16));
}

/** Writes `guid` as its text reads, 16 bytes at `offset`. */
export function writeGuidBigEndian(target: Uint8Array, offset: number, guid: string): void {
  target.set(toBytes(guid), offset);
}

/** `{XXXXXXXX-XXXX-…}`: how Windows writes a GUID into file names and locators. */
export const bracedGuid = (guid: string): string => `{${guid.toUpperCase()}}`;

const ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

function reorder(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(ORDER, (from) => bytes[from]!);
}

function toBytes(guid: string): Uint8Array {
  const canonical = parseGuid(guid);
  if (canonical === null) throw new HvError('INTERNAL', `Not a GUID: ${guid}`);
  return Buffer.from(canonical.replaceAll('-', ''), 'hex');
}

function format(bytes: Uint8Array): string {
  const digits = Buffer.from(bytes).toString('hex');
  return [
    [0, 8],
    [8, 12],
    [12, 16],
    [16, 20],
    [20, 32],
  ]
    .map(([from, to]) => digits.slice(from, to))
    .join('-');
}
