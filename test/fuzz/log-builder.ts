/** Builds VHDX log entries byte by byte ([MS-VHDX] 2.3.1), to make dirty logs of any shape. */
import { crc32c } from '../../backend/src/support/crc32c.ts';
import { writeGuid } from '../../backend/src/support/guid.ts';

const SECTOR = 4096;

export type Change = { at: number; data: Buffer } | { at: number; zeros: number };

export interface EntryOptions {
  sequence: number;
  /** Offset in the log of the oldest entry to replay. */
  tail: number;
  guid: string;
  changes: Change[];
  flushedSize: number;
  lastSize: number;
}

/** One entry as it stands in the log. Data must be whole sectors of 4096 bytes. */
export function logEntry(options: EntryOptions): Buffer {
  const descriptors: Buffer[] = [];
  const sectors: Buffer[] = [];
  for (const change of options.changes) {
    if ('zeros' in change) {
      const zero = Buffer.alloc(32);
      zero.write('zero', 0, 'latin1');
      zero.writeBigUInt64LE(BigInt(change.zeros), 8);
      zero.writeBigUInt64LE(BigInt(change.at), 16);
      zero.writeBigUInt64LE(BigInt(options.sequence), 24);
      descriptors.push(zero);
      continue;
    }
    for (let at = 0; at < change.data.length; at += SECTOR) {
      const sector = Buffer.from(change.data.subarray(at, at + SECTOR));
      const data = Buffer.alloc(32);
      data.write('desc', 0, 'latin1');
      sector.copy(data, 4, SECTOR - 4);
      sector.copy(data, 8, 0, 8);
      data.writeBigUInt64LE(BigInt(change.at + at), 16);
      data.writeBigUInt64LE(BigInt(options.sequence), 24);
      descriptors.push(data);
      sector.write('data', 0, 'latin1');
      sector.writeUInt32LE(0, 4);
      sector.writeUInt32LE(options.sequence, SECTOR - 4);
      sectors.push(sector);
    }
  }
  const area = Buffer.alloc(Math.ceil((64 + descriptors.length * 32) / SECTOR) * SECTOR);
  area.write('loge', 0, 'latin1');
  area.writeUInt32LE(area.length + sectors.length * SECTOR, 8);
  area.writeUInt32LE(options.tail, 12);
  area.writeBigUInt64LE(BigInt(options.sequence), 16);
  area.writeUInt32LE(descriptors.length, 24);
  writeGuid(area, 32, options.guid);
  area.writeBigUInt64LE(BigInt(options.flushedSize), 48);
  area.writeBigUInt64LE(BigInt(options.lastSize), 56);
  descriptors.forEach((descriptor, index) => {
    descriptor.copy(area, 64 + index * 32);
  });
  const entry = Buffer.concat([area, ...sectors]);
  entry.writeUInt32LE(crc32c(entry), 4);
  return entry;
}

/** Puts an entry into the log at `position`, around its end if need be. @returns where the next one goes */
export function placeEntry(log: Buffer, position: number, entry: Buffer): number {
  for (let at = 0; at < entry.length; at++) log[(position + at) % log.length] = entry[at]!;
  return (position + entry.length) % log.length;
}
