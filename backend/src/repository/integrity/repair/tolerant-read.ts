/** Reads an object around what cannot be read of it. */
import { isHvError } from '../../../support/errors.ts';
import type { Storage } from '../../storage/storage.ts';

const PIECE = 1024 * 1024;
const SMALL = 64 * 1024;
/** Reads that may fail before the rest is given up: each may have been tried for long. */
const MAX_FAILURES = 24;
/** No pack is longer (docs/format.md §2.3). */
const MAX_LENGTH = 2 ** 30;

/** @returns its bytes, zeros where they cannot be read; null when hardly anything can */
export async function readTolerantly(storage: Storage, name: string, length: number): Promise<Buffer | null> {
  if (length > MAX_LENGTH) return null;
  const bytes = Buffer.alloc(length);
  let failures = 0;
  let got = 0;
  const read = async (at: number, end: number): Promise<boolean> => {
    if (failures >= MAX_FAILURES) return false;
    try {
      await storage.read(name, at, bytes.subarray(at, end));
      got += end - at;
      return true;
    } catch (error) {
      if (!isHvError(error, 'REPOSITORY_DAMAGED')) throw error;
      bytes.fill(0, at, end);
      failures += 1;
      return false;
    }
  };
  for (let at = 0; at < length; at += PIECE) {
    const end = Math.min(length, at + PIECE);
    if (await read(at, end)) continue;
    for (let small = at; small < end; small += SMALL) await read(small, Math.min(end, small + SMALL));
  }
  return length === 0 || got > 0 ? bytes : null;
}
