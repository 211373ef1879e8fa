/** BAT entry ([MS-VHDX] 2.5.1): three bits of state, seventeen reserved, forty-four of file offset in megabytes. */
import { MIB } from './constants.ts';

export interface BatEntry {
  state: number;
  /** File offset, bytes; 0 when the entry has none. */
  fileOffset: number;
  /** The reserved bits; must be 0. */
  reserved: number;
}

/** Reads the entry of eight bytes at `at`. Without BigInt: whole tables are read in loops. */
export function readBatEntry(bytes: Buffer, at: number): BatEntry {
  const low = bytes.readUInt32LE(at);
  return {
    state: low & 7,
    fileOffset: (bytes.readUInt32LE(at + 4) * 4096 + (low >>> 20)) * MIB,
    reserved: (low >>> 3) & 0x1ffff,
  };
}

/** @param fileOffset a multiple of 1 MiB below 2^53, or 0 */
export function writeBatEntry(bytes: Buffer, at: number, state: number, fileOffset: number): void {
  const megabytes = fileOffset / MIB;
  bytes.writeUInt32LE((((megabytes % 4096) << 20) | state) >>> 0, at);
  bytes.writeUInt32LE(Math.floor(megabytes / 4096), at + 4);
}
