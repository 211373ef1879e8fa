/**
 * Makes the checksums of a changed file right again, as far as its structures can still be followed: so damage gets
 * deeper in.
 */
import { crc32 } from 'node:zlib';
import { crc32Without } from '../../backend/src/hosts/configuration/hvs/checksum.ts';
import { typeOf, valueSize } from '../../backend/src/hosts/configuration/hvs/format/key-value.ts';

/** Makes the checksum at `field` of one structure right. */
export const fixChecksum = (bytes: Buffer, field: number): void =>
  void bytes.writeUInt32LE(crc32Without(bytes, field), field);

/** Entries of an object table of one page. */
const OBJECTS = 227;

/** Works in place. Never fails: what cannot be followed stays as it is. */
export function repairChecksums(file: Buffer): void {
  const part = (offset: number, size: number): Buffer | null =>
    offset + size <= file.length ? file.subarray(offset, offset + size) : null;
  for (const at of [0, 0x1000]) {
    const header = part(at, 46);
    if (!header) return;
    fixChecksum(header, 4);
    repairLog(part, Number(header.readBigUInt64LE(26)));
  }
  const count = Math.min(part(0x2004, 4)?.readUInt32LE(0) ?? 0, OBJECTS);
  for (let index = 0; index < count; index++) {
    const entry = part(0x2008 + index * 18, 18);
    if (!entry) return;
    if (entry[0] !== 0) fixChecksum(entry, 1);
    if (entry[0] === 2) repairKeyTable(part(Number(entry.readBigUInt64LE(5)), entry.readUInt32LE(13)));
  }
}

function repairLog(part: (offset: number, size: number) => Buffer | null, at: number): void {
  const log = part(at, 34);
  if (!log) return;
  fixChecksum(log, 4);
  const count = Math.min(log.readUInt32LE(8), 1000);
  for (let index = 0; index < count; index++) {
    const entry = part(at + 34 + index * 28, 28);
    if (!entry) return;
    const data = part(at + Number(entry.readBigUInt64LE(12)), entry.readUInt32LE(8));
    if (data) entry.writeUInt32LE(crc32(data), 24);
    fixChecksum(entry, 20);
  }
}

function repairKeyTable(table: Buffer | null): void {
  if (!table || table.length < 10) return;
  fixChecksum(table.subarray(0, 10), 6);
  for (let at = 10; at + 21 <= table.length; ) {
    const size = table.readUInt32LE(at + 2);
    const entry = table.subarray(at, Math.min(at + size, table.length));
    if (entry.length < 21) return;
    const type = typeOf(entry[0]!);
    const value = 21 + entry[20]!;
    const length = type && value <= entry.length ? valueSize(type, (entry[1]! & 1) !== 0, entry.subarray(value)) : null;
    if (length !== null) fixChecksum(entry.subarray(0, value + length), 12);
    at += size;
  }
}
