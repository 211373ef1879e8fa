/**
 * Whether something fits, asked before it is begun. Refused is only what cannot fit for certain: what a file system
 * does not report, or may store in less than it is long, is left to the writing itself.
 */
import { statfs } from 'node:fs/promises';
import { nonZeroStretches } from './bytes.ts';
import { HvError, throwIfCancelled } from './errors.ts';

export interface FreeSpace {
  /** Bytes that this account may write. */
  bytes: number;
  /** False where what is written may take less than its length (compression, also behind a share). */
  certain: boolean;
}

/** What is to be written into a folder. Bytes; zeros that are left as holes take none. */
export interface Need {
  /** It takes no more than this. */
  most: number;
  /** It takes no less than this; default 0. */
  least?: number;
  /**
   * What it takes at least, by looking at all of it. May end as soon as that is more than `limit`. Asked for only where
   * `most` does not fit.
   */
  count?(limit: number): Promise<number>;
}

export interface FreeOptions {
  /** What to do when it does not fit, one sentence. */
  advice: string;
  /** Hears that it may not fit, where that is not certain. */
  warn?: (message: string) => void;
  /** For tests. */
  free?: (folder: string) => Promise<FreeSpace | null>;
}

/**
 * What statfs(2) reports of file systems that compress, or that cannot say what lies behind them (btrfs, ZFS, bcachefs,
 * F2FS, NFS, SMB, CIFS, FUSE, 9P).
 */
const ELASTIC: ReadonlySet<number> = new Set([
  0x9123683e, 0x2fc12fc1, 0xca451a4e, 0xf2f52010, 0x6969, 0xfe534d42, 0x517b, 0xff534d42, 0x65735546, 0x01021997,
]);

/**
 * Finer than any writer of images leaves zeros out, and no file system has smaller blocks: what is counted so is not
 * too much. Bytes.
 */
const COUNT_GRAIN = 4096;

type Ask = (folder: string) => Promise<{ type: number; bsize: number; blocks: number; bfree: number; bavail: number }>;

/** @param ask for tests. @returns null where the file system does not report it */
export async function freeSpace(folder: string, ask: Ask = statfs): Promise<FreeSpace | null> {
  const facts = await ask(folder).catch(() => null);
  if (facts === null) return null;
  // What is kept back for root is there for root.
  const blocks = process.geteuid?.() === 0 ? Math.max(facts.bfree, facts.bavail) : facts.bavail;
  const bytes = blocks * facts.bsize;
  if (!(facts.blocks > 0) || !(bytes >= 0) || blocks > facts.blocks) return null;
  // 32 bits, with or without a sign.
  const certain = !ELASTIC.has(facts.type >>> 0) && !folder.startsWith('\\\\');
  return { bytes, certain };
}

/**
 * @param folder exists
 * @throws DISK_FULL with what is needed, free and missing: nothing was written then
 */
export async function requireFree(folder: string, needs: readonly Need[], options: FreeOptions): Promise<void> {
  const free = await (options.free ?? freeSpace)(folder);
  const most = sum(needs.map((need) => need.most));
  if (free === null || most <= free.bytes) return;
  if (!free.certain) {
    options.warn?.(`Up to ${most} bytes are needed, ${free.bytes} are free in ${folder}: it may not fit.`);
    return;
  }
  if (sum(needs.map((need) => need.least ?? 0)) <= free.bytes && (await fits(needs, free.bytes))) return;
  const missing = most - free.bytes;
  throw new HvError(
    'DISK_FULL',
    `There is no space left: up to ${most} bytes are needed, ${free.bytes} are free in ${folder}; ${missing} are missing`,
    { advice: options.advice, data: { path: folder, needed: most, free: free.bytes, missing } },
  );
}

async function fits(needs: readonly Need[], free: number): Promise<boolean> {
  let taken = 0;
  for (const { most, count } of needs) {
    taken += count === undefined ? most : await count(free - taken);
    if (taken > free) return false;
  }
  return true;
}

/**
 * Bytes that pieces of a disk take at least when zeros are left as holes. Ends as soon as that is more than `limit`.
 */
export async function countStored(
  pieces: AsyncIterable<Uint8Array>,
  limit: number,
  signal?: AbortSignal,
): Promise<number> {
  let bytes = 0;
  for await (const piece of pieces) {
    throwIfCancelled(signal);
    for (const { start, end } of nonZeroStretches(piece, COUNT_GRAIN)) bytes += end - start;
    if (bytes > limit) break;
  }
  return bytes;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
